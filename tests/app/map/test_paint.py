"""The map: exact colours, points sent once, stable zoom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.map.circles import drawn_radii
from app.map.colouring import CONTESTED, OUTSIDE, OWN, classes_of, distances_to_queries, exact_distances, key_index
from app.map.key_names import key_names
from app.map.layout.layout import Layout, Projection
from app.map.legend import landing_words
from app.map.paint import paint
from app.map.scene import MapScene
from app.map.trials import Landed
from app.studio.views import MapKey, MapQuery, MapView
from app.ui.map.key_map import key_map_value
from grace_core.config import Distance
from tests.app.map.map_samples import large, on_circle, two_keys


@pytest.fixture
def scene() -> MapScene:
    view = two_keys()
    return MapScene(view, Projection().layout(view), "euclidean")


def rows_of(painted: dict[str, Any], queries: int) -> dict[str, list[int]]:
    """As key_map.js: the group without rows has what no other has."""
    taken = {row for group in painted["groups"] for row in group["rows"] or []}
    rest = [row for row in range(queries) if row not in taken]
    return {group["name"]: rest if group["rows"] is None else group["rows"] for group in painted["groups"]}


def classes(view: MapView, edit_id: str) -> list[int]:
    """What each query is to this edit's key."""
    row = key_index(view, edit_id)
    assert row is not None
    return list(classes_of(view, row, exact_distances(view, row, "euclidean")).tolist())


def test_membership_is_that_of_the_query_space() -> None:
    view = two_keys()
    assert classes(view, "a") == [OWN, CONTESTED, CONTESTED, OUTSIDE, OUTSIDE]
    assert classes(view, "b") == [OUTSIDE, OWN, OWN, OWN, OUTSIDE]


def test_quick_distances_are_exact_where_it_matters() -> None:
    view, _ = large(50, 3000)
    distance: Distance
    for distance in ("euclidean", "cosine"):
        quick, exact = distances_to_queries(view, 7, distance), exact_distances(view, 7, distance)
        near = np.argsort(exact)[:900]
        assert quick[near].tolist() == exact[near].tolist()
        assert quick == pytest.approx(exact, abs=2e-6)
        assert ((quick <= 0.2) == (exact <= 0.2)).all()


def test_an_edit_that_shares_a_key_has_that_key() -> None:
    view = two_keys()
    assert classes(view, "a2") == classes(view, "a")


def test_an_undone_edit_has_no_key() -> None:
    assert key_index(two_keys(), "undone") is None


def test_without_a_selection_colour_says_what_answered(scene: MapScene) -> None:
    painted = paint(scene, None)
    assert rows_of(painted.value, 5) == {"answered by the model itself": [4], "answered by an edit": [0, 1, 2, 3]}
    usual, other = painted.value["keys"]["usual"], painted.value["keys"]["other"]
    colours = {key.edit_id: other.get(str(row), usual) for row, key in enumerate(scene.view.keys)}
    assert len(set(colours.values())) == 2
    by_name = {group["name"]: group["colours"] for group in painted.value["groups"]}
    assert by_name["answered by an edit"] == [colours[name] for name in "abbb"]
    assert by_name["answered by the model itself"] == "@grey"
    assert [item.count for item in painted.legend] == [2, 4, 1, None]


def test_with_a_selection_colour_says_what_it_answers_now(scene: MapScene) -> None:
    painted = paint(scene, "a2")
    counts = {item.label: item.count for item in painted.legend}
    assert counts["answered by this edit"] == 1
    assert counts["inside, nearer to another key"] == 2
    assert counts["outside its ε"] == 2
    assert rows_of(painted.value, 5) == {
        "answered by this edit": [0],
        "inside, nearer to another key": [1, 2],
        "outside its ε": [3, 4],
    }
    keys = painted.value["keys"]
    assert [keys["other"].get(str(row), keys["usual"]) for row in range(2)] == ["@own", "@contested"]
    assert keys["chosen"] == 0
    assert painted.value["distances"] == pytest.approx([0.0, 0.684, 0.877, 0.970, 2.0], abs=1e-3)
    assert "exact" in painted.note
    assert "approximate" in painted.note


def test_the_selected_circle_is_never_hidden_by_its_diamond(scene: MapScene) -> None:
    small = replace(scene, layout=replace(scene.layout, scales=scene.layout.scales[np.arange(2)] * 1e-3), _radii={})
    painted = paint(small, "a")
    ball = painted.value["circles"][-1]
    across = (max(ball["x"][:-1]) - min(ball["x"][:-1])) * small.pixels
    assert across > 1.3 * small.points["sizes"]["chosen"]
    assert "drawn larger" in painted.note
    assert "drawn larger" not in paint(scene, "a").note


def test_a_selection_leaves_the_points_as_they_are(scene: MapScene) -> None:
    first = json.loads(key_map_value(scene, None))
    second = json.loads(key_map_value(scene, "a", known=first["scene_id"]))
    assert first["points"]["keys"]["id"] == ["a", "b"]
    assert first["points"]["queries"]["key"] == [0, 1, 1, 1, -1]
    assert "points" not in second
    assert second["scene_id"] == first["scene_id"]
    assert second["selected_key"] == "a"
    assert "points" in json.loads(key_map_value(scene, "a", known="another scene"))


def test_another_layout_or_view_is_another_scene(scene: MapScene) -> None:
    moved = MapScene(scene.view, replace(scene.layout, layout_id=9), "euclidean")
    grown = MapScene(replace(scene.view, version="2"), scene.layout, "euclidean")
    assert len({scene.scene_id, moved.scene_id, grown.scene_id}) == 3


def test_undoing_a_key_does_not_recolour_the_others() -> None:
    keys = tuple(MapKey(name, (name,), name, "t", 0.9) for name in ("n1", "n2", "n5"))
    whole = MapView("1", keys, (), on_circle(0, 60, 120), np.zeros((0, 3), np.float32))
    less = MapView("2", keys[:2], (), on_circle(0, 60), np.zeros((0, 3), np.float32))
    projection = Projection()

    def colours(view: MapView) -> list[str]:
        painted = paint(MapScene(view, projection.layout(view), "euclidean"), None).value["keys"]
        return [painted["other"].get(str(row), painted["usual"]) for row in range(len(view.keys))]

    assert colours(less) == colours(whole)[:2]


def test_untrusted_words_are_data_and_escaped_in_labels(scene: MapScene) -> None:
    text = key_map_value(scene, "a2")
    assert "<" not in text
    value = json.loads(text)
    assert value["points"]["keys"]["prompt"][0] == "Who is <b>Ada</b>?"
    assert any("&lt;b&gt;Ada" in name["text"] for name in value["paint"]["names"])


def test_a_map_of_many_points_says_why_it_counts_for_a_selected_key_only() -> None:
    scene = MapScene(*large(100, 2100), "cosine")
    assert "for a selected key only" in paint(scene, None).note
    assert "for a selected key only" not in paint(scene, "k1").note
    assert "for a selected key only" not in paint(MapScene(*large(100, 1900), "cosine"), None).note


def test_large_maps_use_webgl() -> None:
    view, layout = large(2, 1600)
    assert MapScene(view, layout, "cosine").points["webgl"]
    assert not MapScene(two_keys(), layout, "cosine").points["webgl"]


def test_an_empty_map_teaches() -> None:
    nothing = np.zeros((0, 3), np.float32)
    view = MapView("0", (), (), nothing, nothing)
    value = json.loads(key_map_value(MapScene(view, Projection().layout(view), "euclidean"), None))
    assert value["empty"]["steps"]
    assert value["points"]["keys"]["id"] == []


def test_keys_stand_for_all_edits_that_share_them() -> None:
    view = two_keys()
    scene = MapScene(view, Projection().layout(view), "euclidean")
    assert scene.edits_of(["a"]) == ("a", "a2")
    assert scene.edits_of(["b", "a2", "b", "gone"]) == ("a", "a2", "b")
    assert scene.edits_of([]) == ()


def test_where_a_prompt_lands_is_said_in_words() -> None:
    key = two_keys().keys[1]
    inside = landing_words(Landed(1, "Bea?", 1.0, 2.0, key, 0.25, True))
    assert "would be answered by an edit" in inside
    assert "0.25, within its ε 0.90" in inside
    assert "by the model itself" in landing_words(Landed(2, "Cleo?", 1.0, 2.0, key, 1.25, False))
    assert "no key yet" in landing_words(Landed(3, "x", 0.0, 0.0, None, 0.0, False))


def test_prompts_tried_are_columns_and_a_line_of_the_legend() -> None:
    view = two_keys()
    scene = MapScene(view, Projection().layout(view), "euclidean")
    assert "star" not in [item["symbol"] for item in json.loads(key_map_value(scene, None))["legend"]]
    landed = [Landed(1, "Bea?", 1.0, 2.0, view.keys[1], 0.25, True), Landed(4, "<b>x</b>", 0.5, 0.0, None, 0.0, False)]
    value = json.loads(key_map_value(scene, None, landed=landed))
    assert value["landings"]["prompt"] == ["Bea?", "<b>x</b>"]
    assert value["landings"]["number"] == [1, 4]
    assert value["landings"]["key"] == ["b", None]
    assert value["landings"]["distance"] == [0.25, None]
    assert value["legend"][-1] == {"label": "prompts tried", "count": 2, "colour": "@text", "symbol": "star"}


def test_a_click_in_a_large_map_sends_and_computes_only_what_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a click of issue 4 quick: no point again, one circle, and distances from one key."""
    view, layout = large(5000, 20_000, width=32)
    queries = tuple(MapQuery(q.query_id, q.prompt, q.text, f"k{i % 5000}", 0.1) for i, q in enumerate(view.queries))
    scene = MapScene(replace(view, queries=queries), layout, "cosine")
    asked: list[int] = []
    circles: list[int] = []

    def distances(view: MapView, row: int, distance: Distance) -> np.ndarray:
        asked.append(row)
        return distances_to_queries(view, row, distance)

    def radii(view: MapView, layout: Layout, distance: Distance, rows: Sequence[int]) -> np.ndarray:
        circles.extend(rows)
        return drawn_radii(view, layout, distance, rows)

    monkeypatch.setattr("app.map.scene.distances_to_queries", distances)
    monkeypatch.setattr("app.map.scene.drawn_radii", radii)
    first = key_map_value(scene, None)
    assert (asked, circles) == ([], [])
    points = scene.kept["json"]
    for row in (100, 107):
        clicked = key_map_value(scene, f"k{row}", known=scene.scene_id)
        assert "points" not in json.loads(clicked)
        assert len(clicked) < len(first) / 10
    assert asked == circles == [100, 107]
    assert scene.kept["json"] is points
    assert key_map_value(scene, None) == first


def test_the_selected_key_is_named_first_and_lengths_are_of_what_is_seen(scene: MapScene) -> None:
    plain = key_names(scene, None)
    assert [name["row"] for name in plain] == [0, 1]
    assert plain[0]["length"] == len("… <b>Ada</b>?")
    assert [name["row"] for name in key_names(scene, 1)] == [1, 0]


@pytest.mark.parametrize("count", range(2, 20))
def test_keys_of_one_template_are_named_by_what_differs(count: int) -> None:
    view, layout = large(count, 0)
    keys = tuple(replace(key, prompt=f"Write a one-sentence biography of Person{i} Example.") for i, key in enumerate(view.keys))
    scene = MapScene(replace(view, keys=keys), layout, "euclidean")
    for chosen in (None, 1):
        names = key_names(scene, chosen)
        assert len({name["text"] for name in names}) == len(names) == count
        assert all(f"Person{name['row']}" in name["text"] for name in names)
