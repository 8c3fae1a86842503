"""The Edits page, driven as a browser drives it, on more edits than one page holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from app.studio.studio import OpenStudio
from app.ui.edits.edit_table import PAGE_SIZE, View
from app.ui.edits.page import EditsPage
from app.ui.sent import Looking
from grace_core.testing import calibrated
from tests.app.studios import Journal, event_of
from tests.app.ui.browser import context

COUNT = PAGE_SIZE + 3


@pytest.fixture
def page(journal: Journal, studio: OpenStudio) -> Iterator[EditsPage]:
    codebook = calibrated(journal.model)
    journal.write(*(event_of(journal.model, codebook, f"Who is number {i}?", f"answer {i}", f"e{i}", i) for i in range(COUNT)))
    with gr.Blocks():
        yield EditsPage(context(studio))


def ids(value: dict[str, Any]) -> list[str]:
    return [row["id"] for row in value["rows"]]


def test_a_selected_edit_is_turned_to(page: EditsPage) -> None:
    value, view = page.on_elsewhere(View(), "e1", None)
    assert (value["selected"], value["offset"], view.offset) == ("e1", PAGE_SIZE, PAGE_SIZE)
    assert ids(value) == ["e2", "e1", "e0"]
    assert page.draw(view, "e1")["offset"] == PAGE_SIZE  # and it stays, when the journal grows say
    value, view = page.on_elsewhere(view, f"e{COUNT - 1}", None)
    assert (ids(value)[0], view.offset) == (f"e{COUNT - 1}", 0)


@pytest.mark.parametrize("selected", [None, "", "gone"])
def test_nothing_selected_or_nothing_that_is_here_turns_no_page(page: EditsPage, selected: str | None) -> None:
    value, view = page.on_elsewhere(View(offset=PAGE_SIZE), selected, None)
    assert (value["selected"], view.offset, len(value["rows"])) == (selected, PAGE_SIZE, 3)


def test_a_search_that_leaves_the_selected_edit_out_stands(page: EditsPage) -> None:
    value, view = page.on_elsewhere(View(search="number 12"), "e1", None)
    assert (ids(value), view) == (["e12"], View(search="number 12"))


def test_what_is_picked_out_on_the_map_is_listed_until_that_is_over(page: EditsPage) -> None:
    picked = ("e1", "e12", "e20")
    value, view = page.on_elsewhere(View(search="number 2", offset=PAGE_SIZE), "e12", picked)
    assert (ids(value), value["selected"], value["total"]) == (["e20", "e12", "e1"], "e12", 3)
    assert value["filters"][-1] == {"state": value["state"], "label": "Picked on the map", "count": 3}
    assert ids(page.draw(view, None, picked)) == ids(value)
    value, view = page.on_elsewhere(view, None, ("e1",))
    assert ids(value) == ["e1"]

    value, view = page.on_elsewhere(view, None, None)
    assert (value["total"], value["state"], view) == (COUNT, "", View())
    assert "Picked on the map" not in [item["label"] for item in value["filters"]]


def test_another_filter_stands_beside_what_is_picked_out(page: EditsPage) -> None:
    picked = ("e1", "e12", "e20")
    elsewhere = View(search="number 2", state="active", seen=picked)
    value, view = page.on_elsewhere(elsewhere, "e12", picked)
    assert (value["state"], value["filters"][-1]["count"], view) == ("active", 3, elsewhere)
    back = View.of(Looking(search="number 20", state=value["filters"][-1]["state"]))
    assert ids(page.draw(back, None, picked)) == ["e20"]
    _, view = page.on_elsewhere(elsewhere, None, None)
    assert view == View(search="number 2", state="active"), "a pick that nobody looks at ends without a trace"


def test_what_was_asked_for_before_does_not_undo_what_was_asked_for_since(page: EditsPage) -> None:
    def ask(before: View, search: str, asked: int) -> tuple[Any, Any]:
        return page.on_view(before, None, None, gr.EventData(None, {"search": search, "state": "", "offset": 0, "asked": asked}))

    value, view = ask(View(), "number 12", 2)
    assert (ids(value), view.asked) == (["e12"], 2)
    assert ask(view, "number 1", 1) == (gr.skip(), gr.skip())
    assert ids(ask(view, "number 13", 3)[0]) == ["e13"]
