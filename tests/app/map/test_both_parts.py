"""A key of two parts: what lies in its ball, where each part ends and why, and how the exact views say so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from app.map.colouring import CONTESTED, OUTSIDE, OWN, classes_of, exact_distances
from app.map.layout.layout import Layout
from app.map.legend import landing_words
from app.map.surroundings import Radial, radial, rings_of
from app.map.surroundings_figures import COLUMNS, radial_figure, radial_note, strip_figure, strip_note, table
from app.map.trials import Landed
from app.studio.views import MapKey, MapQuery, MapView
from grace_core.codebook.codebook import Codebook, Parts
from tests.grace_core.builders import made_edit, parted, parted_codebook

ASKED = {"own": (0.1, 0.2), "namesake": (0.55, 0.1), "other question": (0.1, 0.95), "far": (2.9, 3.0)}
"""Queries by how far each part is from Ada's key."""


@pytest.fixture(scope="module")
def book() -> Codebook:
    """Ada's subject ends at 0.5, as others asked the same are near; another question about her ends the question's part."""
    return parted_codebook(
        made_edit("ada", parted(0, 0), "x", subject_epsilon=0.5, prompt="Who was Ada?"),
        made_edit("born", parted(0, 1.2), "y", prompt="When was Ada born?"),
    )


@pytest.fixture(scope="module")
def view(book: Codebook) -> MapView:
    vectors = np.array([parted(*at) for at in ASKED.values()], np.float32)
    matches = book.match(vectors)
    keys = tuple(
        MapKey(e.edit_id, e.edit_ids, e.prompt, e.target, e.epsilon, None if e.subject_end >= e.epsilon else e.subject_end)
        for e in book.entries
    )
    queries = tuple(MapQuery(name, name, "said", m.edit_id, m.distance) for name, m in zip(ASKED, matches, strict=True))
    return MapView("1", keys, queries, book.keys, vectors)


@pytest.fixture(scope="module")
def seen(book: Codebook, view: MapView) -> Radial:
    layout = Layout(1, "pca", False, np.eye(2), np.arange(8.0).reshape(4, 2), np.ones(2))
    return radial(view, layout, 0, distance="two_keys", rings=rings_of(book, "ada"))


def test_a_query_about_another_subject_is_not_in_the_ball(view: MapView, seen: Radial) -> None:
    classes = classes_of(view, 0, exact_distances(view, 0, "two_keys"))
    assert classes.tolist() == [OWN, OUTSIDE, CONTESTED, OUTSIDE]
    assert {spot.name: spot.standing for spot in seen.of("query")} == {
        "own": "own", "namesake": "other subject", "other question": "contested", "far": "outside",
    }  # fmt: skip


def test_both_parts_are_drawn_and_the_ball_is_what_is_within_both(seen: Radial) -> None:
    figure = strip_figure(seen)
    json.dumps(figure, allow_nan=False)
    ball = figure["data"][0]
    assert (max(ball["x"]), max(ball["y"])) == (0.5, pytest.approx(0.96))
    own = next(trace for trace in figure["data"] if trace["name"] == "answered by this edit")
    assert (own["x"], own["y"]) == ([0.1], [0.2])
    assert figure["layout"]["xaxis"]["range"][1] > 0.96
    assert "about another subject" in json.dumps(radial_figure(seen))
    names = [trace["name"] for trace in radial_figure(seen)["data"]]
    assert "subject" in names
    assert "split" not in names


def test_it_is_said_why_each_part_ends_where_it_does(seen: Radial) -> None:
    said = strip_note(seen)
    assert "2 queries are within reach" in said
    assert "The subject's part ends at 0.50: the same question about others is near." in said
    assert "The question's part ends at 0.96: 0.8 of the distance to “When was Ada born?”, which has another target." in said
    assert "1 query lies farther off." in said
    assert "The dotted circle is where the subject's part ends." in radial_note(seen)


def test_the_table_has_both_parts(seen: Radial) -> None:
    columns, rows = table(seen)
    assert columns == COLUMNS
    row = next(dict(zip(columns, row, strict=True)) for row in rows if row[1] == "namesake")
    assert (row["subject"], row["question"]) == (pytest.approx(0.55), pytest.approx(0.1))


def test_where_a_namesake_lands_is_said_rightly(view: MapView) -> None:
    words = landing_words(Landed(1, "Who?", 0.0, 0.0, view.keys[0], 0.55, False, Parts(0.55, 0.1)))
    assert "at distance 0.55 (subject 0.55, question 0.10), but about another subject: that part ends at 0.50." in words
