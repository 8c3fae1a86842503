"""The exact view: true distances, the map's directions, the rings that the rules give."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.map.layout.layout import Layout
from app.map.surroundings import Radial, Rings, radial, rings_of
from app.map.surroundings_figures import COLUMNS, radial_figure, radial_note, strip_figure, strip_note, table
from grace_core.codebook.codebook import Edit
from grace_core.config import Distance, Rule
from tests.app.map.map_samples import large, two_keys
from tests.grace_core.builders import line_codebook, made_edit

LAYOUT = Layout(
    1,
    "umap",
    False,
    np.array([[0.0, 0.0], [0.0, 3.0]]),
    np.array([[0.0, 0.0], [0.0, 5.0], [5.0, 0.0], [-1.0, 0.0], [0.0, -2.0]]),
    np.ones(2),
)


RINGS = Rings("separated", splitting=1.8, joining=0.9, cap=0.5, others=frozenset({"b"}))
RULES: tuple[Rule, ...] = ("separated", "published")


@pytest.fixture
def seen() -> Radial:
    return radial(two_keys(), LAYOUT, 0, distance="euclidean", rings=RINGS)


def named(figure: dict[str, Any], name: str) -> dict[str, Any]:
    return next(trace for trace in figure["data"] if trace["name"] == name)


def test_distances_are_true_and_angles_the_maps(seen: Radial) -> None:
    assert [spot.distance for spot in seen.of("query")] == pytest.approx([0.0, 0.684, 0.877, 0.970, 2.0], abs=1e-3)
    angles = {spot.name: spot.angle for spot in seen.spots}
    assert angles["b"] == pytest.approx(np.pi / 2)
    assert angles["q2"] == pytest.approx(0.0)
    assert angles["q3"] == pytest.approx(np.pi)
    assert angles["q4"] == pytest.approx(-np.pi / 2)
    again = radial(two_keys(), LAYOUT, 0, distance="euclidean", rings=RINGS)
    assert again == seen


def test_standing_is_the_exact_query_classes(seen: Radial) -> None:
    standing = {spot.name: spot.standing for spot in seen.spots}
    assert standing == {
        "b": "other target", "q0": "own", "q1": "contested", "q2": "contested", "q3": "outside", "q4": "outside",
    }  # fmt: skip


def test_the_gap_of_a_key_is_its_distance_less_both_radii(seen: Radial) -> None:
    (other,) = seen.of("key")
    assert other.gap == pytest.approx(1.0 - 1.8, abs=1e-6)


def around(*others: Edit, rule: Rule = "separated") -> Rings:
    """The rings of the key "a" at 0, which wants "x" and asks for 1.0; new edits ask for the same."""
    codebook = line_codebook(made_edit("a", [0], "x", value=1.0), *others, rule=rule)
    return rings_of(codebook, "a")


@pytest.mark.parametrize("rule", RULES)
def test_the_cap_is_the_codebooks_also_where_keys_are_shared(rule: Rule) -> None:
    """The nearest edited query with another target belongs to a key that another edit owns, farther away."""
    others = (made_edit("c", [4], "y", value=2.0), made_edit("c2", [3], "y", value=2.0))
    codebook = line_codebook(made_edit("a", [0], "x", value=1.0), *others, rule=rule)
    assert [entry.edit_ids for entry in codebook.entries] == [("a",), ("c", "c2")]
    rival = codebook.rival_of("a")
    assert rival is not None
    assert rings_of(codebook, "a").cap == rival.distance / 2 == 1.5
    assert rings_of(codebook, "a").others == {"c"}


def test_beyond_the_cap_no_radius_is_had() -> None:
    others = (made_edit("c", [4], "y", value=2.0), made_edit("c2", [3], "y", value=2.0))
    codebook = line_codebook(made_edit("a", [0], "x", value=1.0), *others).with_epsilons({"a": 9.0})
    assert codebook.entries[0].epsilon == rings_of(codebook, "a").cap


def test_targets_are_told_apart_by_their_tokens() -> None:
    same = replace(made_edit("b", [5], "the same"), target_ids=(1,))
    own = replace(made_edit("a", [0], "The same"), target_ids=(1,))
    found = rings_of(line_codebook(own, same), "a")
    assert (found.cap, found.others) == (None, frozenset())


BESIDE = {
    "alone": (),
    "a rival far off": (made_edit("c", [6], "y", value=2.0),),
    "a near rival": (made_edit("c", [1.5], "y", value=2.0),),
    "a shared key": (made_edit("a2", [-0.4], "x", value=1.0), made_edit("c", [3], "y", value=2.0)),
    "a small ε": (made_edit("c", [2.6], "y", value=2.0, epsilon=0.2),),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_a_new_edit_joins_exactly_inside_the_ring(rule: Rule, beside: tuple[Edit, ...]) -> None:
    codebook = line_codebook(made_edit("a", [0], "x", value=1.0), *beside, rule=rule)
    ring = rings_of(codebook, "a").joining

    def joins(distance: float) -> bool:
        # On the far side of all rivals, so that no other key is nearer.
        entry = codebook.with_edit(made_edit("new", [-distance], "x", value=1.0)).entry_of("new")
        return entry is not None and entry.edit_id == "a"

    assert joins(ring - 0.01)
    assert not joins(ring + 0.01)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_a_new_edit_splits_exactly_inside_the_ring(rule: Rule, beside: tuple[Edit, ...]) -> None:
    codebook = line_codebook(made_edit("a", [0], "x", value=1.0), *beside, rule=rule)
    before, ring = codebook.entries[0].epsilon, rings_of(codebook, "a").splitting

    def epsilons(distance: float) -> tuple[float, float]:
        after = codebook.with_edit(made_edit("new", [-distance], "z", value=3.0))
        own, new = after.entry_of("a"), after.entry_of("new")
        assert own is not None
        assert new is not None
        return own.epsilon, new.epsilon

    near, far = ring - 0.01, ring + 0.01
    if rule == "separated":  # The key itself loses.
        assert epsilons(near)[0] < before
        assert epsilons(far)[0] == before
    else:  # Both are left at most half their distance.
        assert max(epsilons(near)) <= near / 2 + 1e-6
        assert epsilons(far) == (before, 1.0)


def test_an_edit_without_a_key_has_no_rings() -> None:
    with pytest.raises(ValueError, match="no key"):
        rings_of(line_codebook(made_edit("a", [0], "x")), "b")


def test_a_key_with_the_same_target_is_drawn_as_such() -> None:
    seen = radial(two_keys(), LAYOUT, 0, distance="euclidean", rings=replace(RINGS, others=frozenset()))
    assert seen.of("key")[0].standing == "same target"


def test_one_circle_says_both_where_what_merges_is_within_epsilon(seen: Radial) -> None:
    tags = [tag["text"] for tag in radial_figure(seen)["layout"]["annotations"]]
    assert tags == ["ε 0.90, merge", "split 1.80"]
    wider = replace(seen, rings=replace(RINGS, joining=1.2))
    assert [tag["text"] for tag in radial_figure(wider)["layout"]["annotations"]] == ["ε 0.90", "merge 1.20", "split 1.80"]
    assert np.hypot(*(named(radial_figure(wider), "merge")[axis] for axis in "xy")) == pytest.approx(1.2, abs=1e-4)


@pytest.mark.parametrize(("distance", "unit"), [("cosine", "(1 − cos)"), ("euclidean", "(Euclidean)")])
def test_the_axis_says_what_a_distance_is(distance: Distance, unit: str) -> None:
    seen = radial(two_keys(), LAYOUT, 0, distance=distance, rings=RINGS)
    for figure in (radial_figure(seen), strip_figure(seen)):
        assert figure["layout"]["xaxis"]["title"]["text"].endswith(unit)


def test_the_notes_say_what_the_rule_does() -> None:
    seen = {rule: radial(two_keys(), LAYOUT, 0, distance="euclidean", rings=replace(RINGS, rule=rule)) for rule in RULES}
    assert "takes from this ε" in radial_note(seen["separated"])
    assert "at most half their distance" in radial_note(seen["published"])
    assert "cannot grow beyond" in strip_note(seen["separated"])
    assert "cannot grow" not in strip_note(seen["published"])


def test_only_the_nearest_are_shown_and_the_note_says_so() -> None:
    view, layout = large(60, 500)
    seen = radial(view, layout, 3, distance="cosine", rings=RINGS)
    assert len(seen.of("key")) == 24
    assert len(seen.of("query")) == 240
    everything = np.sort(1 - view.query_vectors.astype(np.float64) @ view.key_vectors[3].astype(np.float64))
    assert [spot.distance for spot in seen.of("query")] == pytest.approx(everything[:240], abs=1e-9)
    assert "240 of 500" in radial_note(seen)


def test_the_epsilon_circle_is_a_true_circle(seen: Radial) -> None:
    figure = radial_figure(seen)
    circle = named(figure, "ε")
    assert np.hypot(circle["x"], circle["y"]) == pytest.approx(0.9, abs=1e-4)
    assert np.hypot(*(named(figure, "split")[axis] for axis in "xy")) == pytest.approx(1.8, abs=1e-4)
    contested = named(figure, "inside, nearer to another key")
    assert np.hypot(contested["x"], contested["y"]) == pytest.approx([0.684, 0.877], abs=1e-3)
    assert contested["customdata"] == ["b", "b"]
    assert figure["layout"]["yaxis"]["scaleanchor"] == "x"


def test_the_strip_ranks_queries_and_marks_epsilon(seen: Radial) -> None:
    figure = strip_figure(seen)
    assert figure["layout"]["yaxis"]["tickvals"][0] == 0  # none below, where only the lane of the keys is
    assert named(figure, "answered by this edit")["y"] == [1]
    assert named(figure, "inside, nearer to another key")["y"] == [2, 3]
    assert sorted(line["x0"] for line in figure["layout"]["shapes"]) == pytest.approx([0.5, 0.9, 1.8])
    assert "3 are within reach" in strip_note(seen)


def test_without_queries_or_neighbours_there_is_still_a_figure() -> None:
    view = two_keys()
    alone = replace(view, keys=view.keys[:1], queries=(), key_vectors=view.key_vectors[:1], query_vectors=view.query_vectors[:0])
    layout = Layout(1, "mds", False, np.zeros((1, 2)), np.zeros((0, 2)), np.ones(1))
    seen = radial(alone, layout, 0, distance="euclidean", rings=Rings("published", 1.9, 1.9, None, frozenset()))
    for figure in (radial_figure(seen), strip_figure(seen)):
        json.dumps(figure, allow_nan=False)


def test_words_are_escaped_for_plotly_and_whole_in_the_table(seen: Radial) -> None:
    hover = named(radial_figure(seen), "answered by this edit")["hovertext"][0]
    assert "&lt;b&gt;Ada" in hover
    assert "<i>" not in hover
    assert "said then: &lt;i&gt;text" in hover
    assert "now → A &amp; B" in hover
    columns, rows = table(seen)
    assert columns == COLUMNS
    assert all(len(row) == len(columns) for row in rows)
    assert [row[0] for row in rows] == ["key", "key", *["query"] * 5]
    assert rows[2][2] == "Who is <b>Ada</b>?"
