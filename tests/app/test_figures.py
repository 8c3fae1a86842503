"""The map's figure: exact colours, safe words, stable zoom."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.figures import PALETTES, Theme, escape, map_figure, themed
from app.labels import Box, distinctive, place_labels
from app.membership import CONTESTED, OUTSIDE, OWN, membership
from app.projection import Layout, Projection
from app.records import MapKey, MapQuery, MapView
from app.ui.components.edit_detail import is_web_address
from app.ui.components.key_map import key_map_value


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=1).astype(np.float32)


@pytest.fixture
def view() -> MapView:
    """Two keys 60° apart, ε 0.9 (about 53°); queries at 0°, 40°, 52°, 58° and 180°."""
    return MapView(
        "1",
        (
            MapKey("a", ("a", "a2"), "Who is <b>Ada</b>?", "A & B", 0.9),
            MapKey("b", ("b",), "Who is Bea?", "Bea", 0.9),
        ),
        (
            MapQuery("q0", "Who is <b>Ada</b>?", "<i>text</i>", "a", 0.0),
            MapQuery("q1", "q1", "t", "b", 0.35),
            MapQuery("q2", "q2", "t", "b", 0.1),
            MapQuery("q3", "q3", "t", "b", 0.03),
            MapQuery("q4", "q4", "t", None, 1.7),
        ),
        on_circle(0, 60),
        on_circle(0, 40, 52, 58, 180),
    )


@pytest.fixture
def layout(view: MapView) -> Layout:
    return Projection().layout(view)


def traces(figure: dict[str, Any], meta: str) -> list[dict[str, Any]]:
    return [trace for trace in figure["data"] if trace["meta"] == meta]


def test_membership_is_that_of_the_query_space(view: MapView) -> None:
    assert membership(view, "a", "euclidean").tolist() == [OWN, CONTESTED, CONTESTED, OUTSIDE, OUTSIDE]
    assert membership(view, "b", "euclidean").tolist() == [OUTSIDE, OWN, OWN, OWN, OUTSIDE]


def test_cosine_radii_are_exact_and_drawn_as_lengths(view: MapView, layout: Layout) -> None:
    # 0.405 is 1 - cos of the angle whose chord is 0.9: the same ball in the other measure.
    cosine = replace(view, keys=tuple(replace(key, epsilon=0.405) for key in view.keys))
    assert membership(cosine, "a", "cosine").tolist() == membership(view, "a", "euclidean").tolist()
    straight = traces(map_figure(view, layout, "a", distance="euclidean").figure, "ball")[-1]["x"]
    bent = traces(map_figure(cosine, layout, "a", distance="cosine").figure, "ball")[-1]["x"]
    assert bent[:-1] == pytest.approx(straight[:-1], abs=1e-3)


def test_an_edit_that_shares_a_key_has_that_key(view: MapView) -> None:
    assert membership(view, "a2", "euclidean").tolist() == membership(view, "a", "euclidean").tolist()


def test_an_undone_edit_answers_nothing(view: MapView) -> None:
    assert set(membership(view, "undone", "euclidean").tolist()) == {OUTSIDE}


def test_without_a_selection_colour_says_what_answered(view: MapView, layout: Layout) -> None:
    drawn = map_figure(view, layout, distance="euclidean")
    (keys,) = traces(drawn.figure, "key")
    colours = dict(zip(keys["customdata"], keys["marker"]["color"], strict=True))
    by_label = {trace["name"]: trace for trace in traces(drawn.figure, "query")}
    assert len(set(colours.values())) == 2
    assert by_label["answered by an edit"]["marker"]["color"] == [colours[name] for name in "abbb"]
    assert by_label["answered by the model itself"]["marker"]["color"] == "@grey"
    assert [item.count for item in drawn.legend] == [2, 4, 1, 2]


def test_with_a_selection_colour_says_what_it_answers_now(view: MapView, layout: Layout) -> None:
    drawn = map_figure(view, layout, "a2", distance="euclidean")
    counts = {item.label: item.count for item in drawn.legend}
    assert counts["answered by this edit"] == 1
    assert counts["inside its ε, nearer to another key"] == 2
    assert counts["outside its ε"] == 2
    (keys,) = traces(drawn.figure, "key")
    assert keys["marker"]["color"] == ["@own", "@contested"]
    assert "exact" in drawn.note
    assert "approximate" in drawn.note


def test_undoing_a_key_does_not_recolour_the_others() -> None:
    keys = tuple(MapKey(name, (name,), name, "t", 0.9) for name in ("n1", "n2", "n5"))
    whole = MapView("1", keys, (), on_circle(0, 60, 120), np.zeros((0, 3), np.float32))
    less = MapView("2", keys[:2], (), on_circle(0, 60), np.zeros((0, 3), np.float32))
    projection = Projection()
    before = traces(map_figure(whole, projection.layout(whole), distance="euclidean").figure, "key")[0]["marker"]["color"]
    after = traces(map_figure(less, projection.layout(less), distance="euclidean").figure, "key")[0]["marker"]["color"]
    assert after == before[:2]


def test_untrusted_words_are_escaped_in_hover_and_labels(view: MapView, layout: Layout) -> None:
    figure = map_figure(view, layout, distance="euclidean").figure
    words = [text for trace in figure["data"] for text in trace.get("hovertext", [])]
    words += [note["text"] for note in figure["layout"]["annotations"]]
    assert any("&lt;b&gt;Ada&lt;/b&gt;" in text for text in words)
    assert not any("<b>Ada" in text or "<i>text" in text for text in words)
    assert escape("a<b & c>\ud800") == "a&lt;b &amp; c&gt;?"


def test_hover_says_prompt_target_and_distance(view: MapView, layout: Layout) -> None:
    figure = map_figure(view, layout, "a", distance="euclidean").figure
    key = traces(figure, "key")[0]["hovertext"][0]
    assert "A &amp; B" in key
    assert "ε 0.90" in key
    queries = [text for trace in traces(figure, "query") for text in trace["hovertext"]]
    assert any("nearest key at 0.35" in text and "0.68 from the selected key" in text for text in queries)


def test_zoom_survives_until_the_layout_changes(view: MapView, layout: Layout) -> None:
    first, second = (
        map_figure(view, layout, distance="euclidean").figure,
        map_figure(view, layout, "a", distance="euclidean").figure,
    )
    assert first["layout"]["uirevision"] == second["layout"]["uirevision"]
    assert first["layout"]["xaxis"]["range"] == second["layout"]["xaxis"]["range"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_leaves_no_token(view: MapView, layout: Layout, theme: Theme) -> None:
    figure = map_figure(view, layout, "a", theme, distance="euclidean").figure
    assert '"@' not in json.dumps(figure)
    assert themed({"hovertext": ["@own"], "color": "@own"}, theme) == {
        "hovertext": ["@own"],
        "color": PALETTES[theme]["@own"],
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_that_mean_something_stand_out_from_the_ground(theme: Theme) -> None:
    palette = PALETTES[theme]
    for name, colour in palette.items():
        if name in ("@own", "@contested", "@grey") or name.startswith("@key"):
            assert contrast(colour, palette["@surface"]) >= 3.0, name
    assert contrast(palette["@muted"], palette["@surface"]) >= 4.5


def contrast(left: str, right: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        r, g, b = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(left), luminance(right)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_an_empty_map_teaches() -> None:
    nothing = np.zeros((0, 3), np.float32)
    view = MapView("0", (), (), nothing, nothing)
    value = json.loads(key_map_value(view, map_figure(view, Projection().layout(view), distance="euclidean"), None))
    assert value["empty"]["steps"]
    assert value["key_ids"] == []


def test_the_value_holds_no_markup(view: MapView, layout: Layout) -> None:
    text = key_map_value(view, map_figure(view, layout, "a2", distance="euclidean"), "a2")
    assert "<" not in text
    assert json.loads(text)["selected_key"] == "a"


def test_large_maps_use_webgl_with_keys_above_the_dots() -> None:
    rows = np.random.default_rng(0).normal(size=(1600, 8)).astype(np.float32)
    queries = tuple(MapQuery(f"q{row}", "p", "t", None, 1.0) for row in range(1600))
    view = MapView("1", (MapKey("a", ("a",), "p", "t", 0.9),), queries, rows[:1], rows)
    flat = np.zeros((1600, 2))
    figure = map_figure(view, Layout(1, "umap", False, flat[:1], flat, np.ones(1)), distance="euclidean").figure
    kinds = {trace["meta"]: trace["type"] for trace in figure["data"]}
    assert kinds == {"ball": "scatter", "query": "scattergl", "key": "scattergl"}
    assert figure["data"][-1]["meta"] == "key"


def test_labels_cover_neither_each_other_nor_a_key() -> None:
    rng = np.random.default_rng(4)
    points = [(float(x), float(y)) for x, y in rng.uniform(50, 450, size=(12, 2))]
    markers = [Box.around(x, y, 17, 17) for x, y in points]
    frame = Box(0, 0, 500, 500)
    placed = place_labels(
        [(point, "… Ada Lovelace.") for point in points], obstacles=markers, avoid=np.zeros((0, 2)), frame=frame
    )
    boxes = [label.box for label in placed if label is not None]
    assert len(boxes) >= 8
    for row, box in enumerate(boxes):
        assert box.within(frame)
        assert not any(box.overlaps(other) for other in boxes[:row] + boxes[row + 1 :] + markers)


def test_a_required_label_is_placed_even_in_a_crowd() -> None:
    crowd = [Box(0, 0, 500, 500)]
    placed = place_labels(
        [((250, 250), "x"), ((250, 250), "y")],
        obstacles=crowd,
        avoid=np.zeros((0, 2)),
        frame=Box(0, 0, 500, 500),
        required=1,
    )
    assert placed[0] is not None
    assert placed[1] is None


def test_names_from_one_template_show_where_they_differ() -> None:
    prompts = [f"Write a biography of {name} now." for name in ("Ada Lovelace", "Emmy Noether", "Lise Meitner")]
    assert distinctive(prompts)[0] == "… Ada Lovelace …"
    assert distinctive(["Only one prompt"]) == ["Only one prompt"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/a?b=1", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(text: str, expected: bool) -> None:
    assert is_web_address(text) is expected
