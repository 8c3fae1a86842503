"""What the lab's parts are given to draw."""

from __future__ import annotations

from datetime import UTC, datetime

from app.studio.views import EpsilonRow
from app.ui.lab.epsilon_history import history_value
from app.ui.lab.what_if_result import MODEL, NO_QUERIES, whatif_value
from grace_core.measuring.what_if import what_if
from tests.app.lab.test_what_if import view


def test_the_changed_answers_with_counts_and_what_caps_them() -> None:
    found = what_if(view(0.2, 1.5, 3.8), 2.5, None)
    value = whatif_value(sentence="s", found=found)
    assert [(tile["kind"], tile["count"]) for tile in value["tiles"]] == [
        ("gained", 1),
        ("lost", 0),
        ("switched", 0),
        ("same", 2),
    ]
    (row,) = value["rows"]
    assert (row["prompt"], row["now"], row["then"], row["id"]) == ("<b>at 1.5</b>", MODEL, "x", "a")
    assert (row["distance"], row["radii"]) == ("1.500", "1.000 → 2.000")
    assert [cap["id"] for cap in value["caps"]] == ["a", "b"]
    assert value["caps"][0]["text"] == "gets ε 2.000: half of 4.000, the distance to “prompt of b”, which has another target"


def test_nothing_tried_and_nothing_logged_teach() -> None:
    value = whatif_value(sentence="s", empty=NO_QUERIES)
    assert (value["tiles"], value["rows"]) == ([], [])
    assert value["empty"]["title"] == "No logged queries yet"


def test_the_history_names_what_each_change_was_about() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    rows = [EpsilonRow("c2", 0.25, None, None, 7, "Ada", at, True), EpsilonRow("c1", 0.5, "a", "Who?", 1, "", at, False)]
    value = history_value(rows)
    assert [(row["id"], row["about"], row["all"], row["undone"]) for row in value["rows"]] == [
        ("c2", "all 7 edits made until then", True, True),
        ("c1", "Who?", False, False),
    ]
    assert value["drawing"] != history_value(rows)["drawing"]
