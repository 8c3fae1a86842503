"""What the lab's parts are given to draw."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from app.studio.views import EpsilonRow
from app.ui.lab.epsilon_history import history_value
from app.ui.lab.what_if import present_sentence, tried_sentence
from app.ui.lab.what_if_result import MODEL, NO_QUERIES, whatif_value
from grace_core.measuring.what_if import LoggedQuery, Moment, what_if
from tests.grace_core.builders import line_codebook, made_edit


def view(*at: float) -> Moment:
    codebook = line_codebook(made_edit("a", [0], "x", epsilon=1), made_edit("b", [4], "y", epsilon=0.5), rule="separated")
    vectors = np.array(at, np.float32).reshape(-1, 1)
    matches = codebook.match(vectors)
    queries = tuple(LoggedQuery(f"q{x:g}", f"<b>at {x:g}</b>", "said", m.edit_id) for x, m in zip(at, matches, strict=True))
    return Moment(codebook, queries, vectors, matches, 1)


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


def test_the_sentences() -> None:
    one = view(0.2, 1.5, 3.8)
    assert present_sentence(one, None).startswith("Now: The 2 keys ask for different ε, from 0.500 to 1.000 (median 0.750).")
    assert "Of 3 logged queries, edits answer 2." in present_sentence(one, None)
    assert "This key asks for ε 1.000. Of 3 logged queries, it answers 1." in present_sentence(one, "a")
    told = tried_sentence(what_if(one, 1.5, "a"), "a")
    assert "1 of 3 logged queries would be answered otherwise; 1 of 2 keys" in told
    assert "It could grow to 2.000, half the distance to “prompt of b”" in told
    assert "It gets ε 2.000" in tried_sentence(what_if(one, 3, "a"), "a")


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
