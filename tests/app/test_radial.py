"""The exact view: true distances, the map's directions, the rings that the rules give."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.projection import Layout
from app.radial import Radial, radial, taking_ring
from app.radial_figures import COLUMNS, radial_figure, radial_note, strip_figure, strip_note, table
from grace_core.config import GraceConfig
from tests.app.map_samples import large, two_keys

LAYOUT = Layout(
    1,
    "umap",
    False,
    np.array([[0.0, 0.0], [0.0, 3.0]]),
    np.array([[0.0, 0.0], [0.0, 5.0], [5.0, 0.0], [-1.0, 0.0], [0.0, -2.0]]),
    np.ones(2),
)


@pytest.fixture
def seen() -> Radial:
    return radial(two_keys(), LAYOUT, 0, distance="euclidean", rule="separated", asked=0.9)


def named(figure: dict[str, Any], name: str) -> dict[str, Any]:
    return next(trace for trace in figure["data"] if trace["name"] == name)


def test_distances_are_true_and_angles_the_maps(seen: Radial) -> None:
    assert [spot.distance for spot in seen.of("query")] == pytest.approx([0.0, 0.684, 0.877, 0.970, 2.0], abs=1e-3)
    angles = {spot.name: spot.angle for spot in seen.spots}
    assert angles["b"] == pytest.approx(np.pi / 2)
    assert angles["q2"] == pytest.approx(0.0)
    assert angles["q3"] == pytest.approx(np.pi)
    assert angles["q4"] == pytest.approx(-np.pi / 2)
    again = radial(two_keys(), LAYOUT, 0, distance="euclidean", rule="separated", asked=0.9)
    assert again == seen


def test_standing_is_the_exact_membership(seen: Radial) -> None:
    standing = {spot.name: spot.standing for spot in seen.spots}
    assert standing == {
        "b": "other target", "q0": "own", "q1": "contested", "q2": "contested", "q3": "outside", "q4": "outside",
    }  # fmt: skip


def test_the_gap_of_a_key_is_its_distance_less_both_radii(seen: Radial) -> None:
    (other,) = seen.of("key")
    assert other.gap == pytest.approx(1.0 - 1.8, abs=1e-6)
    assert seen.cap == pytest.approx(0.5)


def test_the_ring_is_that_of_the_rule() -> None:
    assert taking_ring(0.4, "separated", asked=0.9) == pytest.approx(0.8)
    assert taking_ring(0.4, "published", asked=0.9) == pytest.approx(1.3)


def test_a_new_edit_takes_from_epsilon_exactly_inside_the_ring() -> None:
    """The ring, checked against the codebook's own geometry."""
    from grace_core.geometry import Point, limits, separated

    def epsilon_beside(distance: float) -> float:
        queries = np.array([[0.0, 0.0], [distance, 0.0]], dtype=np.float32)
        points = [Point(queries[0], 0, 0.4, 0), Point(queries[1], 1, 0.4, 1)]
        groups = np.array([0, 1], dtype=np.int64)
        return separated(points, limits(queries, groups, "euclidean"), "euclidean")[0].epsilon

    ring = taking_ring(0.4, GraceConfig().rule, asked=0.4)
    assert epsilon_beside(ring + 0.01) == pytest.approx(0.4)
    assert epsilon_beside(ring - 0.01) < 0.4


def test_a_key_with_the_same_target_caps_nothing() -> None:
    view = two_keys()
    same = replace(view, keys=(view.keys[0], replace(view.keys[1], target=view.keys[0].target)))
    seen = radial(same, LAYOUT, 0, distance="euclidean", rule="separated", asked=0.9)
    assert seen.cap is None
    assert seen.of("key")[0].standing == "same target"


def test_only_the_nearest_are_shown_and_the_note_says_so() -> None:
    view, layout = large(60, 500)
    seen = radial(view, layout, 3, distance="cosine", rule="separated", asked=0.45)
    assert len(seen.of("key")) == 24
    assert len(seen.of("query")) == 240
    everything = np.sort(1 - view.query_vectors.astype(np.float64) @ view.key_vectors[3].astype(np.float64))
    assert [spot.distance for spot in seen.of("query")] == pytest.approx(everything[:240], abs=1e-9)
    assert "240 of 500" in radial_note(seen)


def test_the_epsilon_circle_is_a_true_circle(seen: Radial) -> None:
    figure = radial_figure(seen)
    circle = named(figure, "ε")
    assert np.hypot(circle["x"], circle["y"]) == pytest.approx(0.9, abs=1e-4)
    assert np.hypot(*(named(figure, "2ε")[axis] for axis in "xy")) == pytest.approx(1.8, abs=1e-4)
    contested = named(figure, "inside, nearer to another key")
    assert np.hypot(contested["x"], contested["y"]) == pytest.approx([0.684, 0.877], abs=1e-3)
    assert contested["customdata"] == ["b", "b"]
    assert figure["layout"]["yaxis"]["scaleanchor"] == "x"


def test_the_strip_ranks_queries_and_marks_epsilon(seen: Radial) -> None:
    figure = strip_figure(seen)
    assert named(figure, "answered by this edit")["y"] == [1]
    assert named(figure, "inside, nearer to another key")["y"] == [2, 3]
    assert sorted(line["x0"] for line in figure["layout"]["shapes"]) == pytest.approx([0.5, 0.9, 1.8])
    assert "3 are within reach" in strip_note(seen)


def test_without_queries_or_neighbours_there_is_still_a_figure() -> None:
    view = two_keys()
    alone = replace(view, keys=view.keys[:1], queries=(), key_vectors=view.key_vectors[:1], query_vectors=view.query_vectors[:0])
    layout = Layout(1, "mds", False, np.zeros((1, 2)), np.zeros((0, 2)), np.ones(1))
    seen = radial(alone, layout, 0, distance="euclidean", rule="published", asked=1.0)
    assert seen.ring == pytest.approx(1.9)
    for figure in (radial_figure(seen), strip_figure(seen)):
        json.dumps(figure, allow_nan=False)


def test_words_are_escaped_for_plotly_and_whole_in_the_table(seen: Radial) -> None:
    hover = named(radial_figure(seen), "answered by this edit")["hovertext"][0]
    assert "&lt;b&gt;Ada" in hover
    assert "<i>" not in hover
    columns, rows = table(seen)
    assert columns == COLUMNS
    assert all(len(row) == len(columns) for row in rows)
    assert [row[0] for row in rows] == ["key", "key", *["query"] * 5]
    assert rows[2][2] == "Who is <b>Ada</b>?"
