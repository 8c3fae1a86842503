"""The figures of an anatomy say what the anatomy says, whatever the texts are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from app.charts.palette import PALETTES
from app.lab.anatomy_figures import keys_figure, keys_table, tokens_figure, tokens_table, visible
from grace_core.answering.anatomy import Anatomy, NearKey, TokenShift
from grace_core.codebook.codebook import Parts

MATCHED = Anatomy(
    "Who?",
    (
        NearKey("a", "Who was <b>Ada</b> & co?", "T", 0.1, 0.4),
        NearKey("b", "x" * 99, "T", 0.6, 0.3),
        NearKey("c", "y", "T", 0.7, 0.8),
    ),
    "a",
    "London",
    "Paris",
    (TokenShift(" London", 0.01, 0.9), TokenShift("Paris", 0.8, 0.0)),
    3.2,
    "cosine",
)


def tokens_used(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value} if value.startswith("@") else set()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return set().union(*(tokens_used(part) for part in parts)) if parts else set()


def assert_drawable(figure: Any) -> None:
    """Plain JSON without NaN, and every colour is in both palettes: what a page's script puts in their place."""
    json.dumps(figure, allow_nan=False)
    assert tokens_used(figure) <= set(PALETTES["light"]) & set(PALETTES["dark"])


def test_keys_with_their_balls_and_distances() -> None:
    figure = keys_figure(MATCHED)
    assert_drawable(figure)
    bars, dots = figure["data"]
    assert bars["x"] == [0.4, 0.3, 0.8]
    assert dots["x"] == [0.1, 0.6, 0.7]
    assert dots["marker"]["symbol"] == ["circle", "circle-open", "circle"]  # filled: within its own ε
    assert bars["marker"]["color"] == ["@own", "@grey", "@grey"]  # only the nearest answers
    names = figure["layout"]["yaxis"]["ticktext"]
    assert "<b>" not in names[0]
    assert all(len(name) < 60 for name in names)
    low, high = figure["layout"]["xaxis"]["range"]
    assert figure["layout"]["xaxis"]["title"]["text"].endswith("(1 − cos)")
    assert low < 0.1
    assert high > 0.8


def test_keys_from_one_template_are_named_by_what_differs() -> None:
    people = ("Ada Lovelace", "Emmy Noether", "Lise Meitner", "Marie Curie", "Rosalind Franklin")
    keys = tuple(NearKey(name, f"Write a one-sentence biography of {name}.", "T", 0.5, 0.4) for name in people)
    names = keys_figure(replace(MATCHED, keys=keys))["layout"]["yaxis"]["ticktext"]
    assert names == [f"{row}.  … {name}." for row, name in enumerate(people, 1)]


def test_the_labels_tell_inside_from_outside() -> None:
    said = [note["text"] for note in keys_figure(MATCHED)["layout"]["annotations"]]
    assert said[1:] == ["0.100 ≤ 0.400", "0.600 > 0.300", "0.700 ≤ 0.800"]


def test_each_part_of_a_distance_has_a_bar_of_its_own() -> None:
    key = NearKey("a", "Who was Ada?", "T", 0.7, 1.0, Parts(0.7, 0.2), 0.6)
    seen = replace(MATCHED, keys=(key,), edit_id=None, distance="two_keys")
    figure = keys_figure(seen)
    assert_drawable(figure)
    bars, dots = figure["data"]
    assert (bars["x"], dots["x"]) == ([0.6, 1.0], [0.7, 0.2])
    assert dots["marker"]["symbol"] == ["circle-open", "circle"]
    assert bars["y"] == dots["y"]
    assert bars["y"][0] < 0 < bars["y"][1]
    said = [note["text"] for note in figure["layout"]["annotations"]]
    assert said[1:] == ["subject 0.70 > 0.60", "question 0.20 ≤ 1.00"]
    columns, rows = keys_table(seen)
    row = dict(zip(columns, rows[0], strict=True))
    assert (row["inside"], row["subject"], row["subject at most"], row["question"]) == (False, 0.7, 0.6, 0.2)


def test_tokens_with_and_without() -> None:
    figure = tokens_figure(MATCHED)
    assert_drawable(figure)
    after, before = figure["data"]
    assert (after["x"], before["x"]) == ([0.9, 0.0], [0.01, 0.8])
    assert after["text"] == ["90%", "0%"]
    assert figure["layout"]["yaxis"]["ticktext"] == ["␣London", "Paris"]


def test_tables_hold_the_exact_numbers() -> None:
    columns, rows = keys_table(MATCHED)
    assert [dict(zip(columns, row, strict=True))["answers"] for row in rows] == [True, False, False]
    assert tokens_table(MATCHED)[1] == [(" London", 0.01, 0.9), ("Paris", 0.8, 0.0)]


def test_white_space_can_be_seen() -> None:
    assert visible(" a\n") == "␣a⏎"
    assert visible("") == "(nothing)"
