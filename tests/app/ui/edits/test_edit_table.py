"""The rows and filters of the Edits page."""

from __future__ import annotations

import pytest

from app.studio.views import EditPage
from app.ui.edits.edit_table import View, row_value, table_value
from app.ui.sent import Looking
from tests.app.ui.samples import row


def test_a_row_in_force_can_be_undone_and_an_undone_one_redone() -> None:
    assert row_value(row())["action"] == "undo"
    assert row_value(row(state="undone"))["action"] == "redo"
    assert row_value(row(state="superseded"))["action"] == "undo"


def test_a_row_is_named_by_its_id_and_carries_an_iso_time() -> None:
    value = row_value(row("e7"))
    assert value["id"] == "e7"
    assert value["at"] == "2026-01-02T12:00:00+00:00"


def test_an_edit_that_is_not_in_force_has_no_radius() -> None:
    assert row_value(row())["epsilon"] == "0.90"
    assert row_value(row(state="undone"))["epsilon"] == ""


def test_filters_count_all_edits_whatever_is_shown() -> None:
    page = EditPage((row(),), 1, {"active": 1, "undone": 1, "superseded": 0})
    value = table_value(page, View(state="active"))
    assert [(item["label"], item["count"]) for item in value["filters"]] == [
        ("All", 2),
        ("In force", 1),
        ("Undone", 1),
        ("Replaced", 0),
    ]
    assert value["state"] == "active"


def test_each_drawing_differs_so_that_a_refused_action_frees_its_button() -> None:
    page = EditPage((row(),), 1, {"active": 1, "undone": 0, "superseded": 0})
    assert table_value(page, View()) != table_value(page, View())


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ada", "", "http://[half"])
def test_only_web_addresses_become_links(url: str) -> None:
    value = row_value(row(source_url=url))
    assert (value["source"], value["source_is_link"]) == (url, False)


def test_a_web_address_becomes_a_link() -> None:
    value = row_value(row(source_url="https://example.org/a?b=c"))
    assert (value["source"], value["source_is_link"]) == ("https://example.org/a?b=c", True)


def test_a_view_from_a_browser_takes_nothing_unknown() -> None:
    assert View.of(Looking(search="ada", state="nonsense", offset=-5)) == View("ada", None, 0)
    assert View.of(Looking(state="undone", offset=7)) == View("", "undone", 7)
    assert View.of(Looking()) == View()
