"""The curves as data: lines, marks and words."""

from __future__ import annotations

import numpy as np

from app.lab.epsilon_figures import curves_figure
from grace_core.measuring.what_if import Curves, Yardstick
from tests.app.lab.test_anatomy_figures import assert_drawable

NONE = np.zeros((0, 1), np.float32)
PROBES = Yardstick((), (), NONE, NONE, 9, 1, 3, strangers=1)


def made(reached: list[float] | None, touched: list[float] | None, *, edit_id: str | None = None) -> Curves:
    share = None if reached is None else np.array(reached)
    other = None if touched is None else np.array(touched)
    now = (0.4, None if reached is None else 0.5, None if touched is None else 0.25)
    return Curves(np.array([0.2, 0.4, 0.6]), share, other, now, edit_id, 10, 5)


def test_both_shares_with_the_present_and_the_tried_epsilon() -> None:
    drawn = curves_figure(made([0, 0.5, 1], [0, 0, 0.25]), PROBES, 0.55, "cosine")
    names = [trace["name"] for trace in drawn.figure["data"]]
    assert names == ["phrasings reached", "phrasings reached now", "unrelated touched", "unrelated touched now"]
    assert drawn.figure["data"][1]["x"] == [0.4]
    assert [line["x0"] for line in drawn.figure["layout"]["shapes"]] == [0.4, 0.55]
    words = {mark["text"]: mark["xanchor"] for mark in drawn.figure["layout"]["annotations"]}
    assert (words["now 0.40"], words["tried 0.55"]) == ("right", "left")
    assert "cosine" in drawn.figure["layout"]["xaxis"]["title"]["text"]
    assert drawn.table == (
        ["epsilon", "phrasings_reached", "unrelated_touched"],
        [[0.2, 0.0, 0.0], [0.4, 0.5, 0.0], [0.6, 1.0, 0.25]],
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
