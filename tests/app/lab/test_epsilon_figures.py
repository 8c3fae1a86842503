"""The curves as data: lines, marks and words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.lab.epsilon_figures import curves_figure
from grace_core.measuring.epsilon_curves import Curves, Yardstick
from tests.app.lab.test_anatomy_figures import assert_drawable

NONE = np.zeros((0, 1), np.float32)
PROBES = Yardstick((), (), NONE, NONE, 9, 1, 3, strangers=1)


def made(reached: list[float] | None, touched: list[float] | None, *, edit_id: str | None = None) -> Curves:
    share = None if reached is None else np.array(reached)
    other = None if touched is None else np.array(touched)
    now = (None if reached is None else 0.5, None if touched is None else 0.25)
    return Curves(np.array([0.2, 0.4, 0.6]), share, other, share, other, (0.4, 0.4, 0.4), now, edit_id, 10, 5)


def test_both_shares_with_the_present_and_the_tried_epsilon() -> None:
    drawn = curves_figure(made([0, 0.5, 1], [0, 0, 0.25]), PROBES, 0.55, "cosine")
    names = [trace["name"] for trace in drawn.figure["data"]]
    assert names == ["phrasings reached", "phrasings reached now", "unrelated touched", "unrelated touched now"]
    assert drawn.figure["data"][1]["x"] == [0.4]
    assert [line["x0"] for line in drawn.figure["layout"]["shapes"]] == [0.4, 0.55]
    words = {mark["text"]: mark["xanchor"] for mark in drawn.figure["layout"]["annotations"]}
    assert (words["now 0.40"], words["tried 0.55"]) == ("right", "left")
    assert "1 − cos" in drawn.figure["layout"]["xaxis"]["title"]["text"]
    assert drawn.table == (
        ["epsilon", "phrasings_reached", "unrelated_touched", "reached_if_uncapped", "touched_if_uncapped"],
        [[0.2, 0.0, 0.0, 0.0, 0.0], [0.4, 0.5, 0.0, 0.5, 0.0], [0.6, 1.0, 0.25, 1.0, 0.25]],
    )
    assert "10 known phrasings, 1 of them" in drawn.note
    assert "of 3 background prompts, 1 edited prompt asked about others and 1 answer of the model itself" in drawn.note
    assert drawn.spoken == "At the present ε of 0.40, 50% of 10 phrasings are reached, 25.0% of 5 unrelated prompts are touched."
    assert_drawable(drawn.figure)


def test_names_at_the_ends_of_close_lines_stay_apart() -> None:
    drawn = curves_figure(made([1, 1, 1], [1, 1, 1]), PROBES, None, "euclidean")
    heights = [mark["y"] for mark in drawn.figure["layout"]["annotations"] if mark["xref"] == "paper"]
    assert abs(heights[0] - heights[1]) > 0.08
    assert [mark["text"] for mark in drawn.figure["layout"]["annotations"] if mark["xref"] == "x"] == ["now 0.40"]


def test_without_phrasings_it_says_how_to_get_some() -> None:
    drawn = curves_figure(made(None, [0, 0, 0], edit_id="a"), PROBES, None, "cosine")
    assert [trace["name"] for trace in drawn.figure["data"]] == ["unrelated touched", "unrelated touched now"]
    assert "No other phrasing is known here" in drawn.note
    assert "this edit" in drawn.note
    assert [row[1] for row in drawn.table[1]] == [None, None, None]


def test_now_is_the_median_of_the_radii_that_the_keys_have() -> None:
    drawn = curves_figure(replace(made([0, 0.5, 1], [0, 0, 0]), radii=(0.27, 0.38, 0.43)), PROBES, 0.5, "cosine")
    assert drawn.figure["data"][1]["x"] == [0.38]
    words = [mark["text"] for mark in drawn.figure["layout"]["annotations"]]
    assert "median now 0.38" in words
    assert "the keys' radii go from 0.27 to 0.43; their median, 0.38, is marked" in drawn.note
    assert drawn.spoken.startswith("At the present radii, 0.27 to 0.43, ")


def test_a_thin_line_shows_what_caps_keep_out() -> None:
    flat = replace(made([0, 0.5, 0.5], [0, 0, 0]), uncapped_reached=np.array([0, 0.5, 0.9]))
    drawn = curves_figure(flat, PROBES, None, "cosine")
    thin, thick, *_ = drawn.figure["data"]
    assert (thin["name"], thin["y"], thick["y"]) == ("phrasings reached, if no key were capped", [0, 0.5, 0.9], [0, 0.5, 0.5])
    assert thin["line"]["width"] < thick["line"]["width"]
    assert "Thin: what it would be if no key were capped" in drawn.note
    assert "Thin" not in curves_figure(made([0, 0.5, 1], [0, 0, 0]), PROBES, None, "cosine").note
