"""Heatmaps and histograms hold the numbers of the scan they show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.lab.query_scan import measured
from app.lab.query_scan_figures import distances_figure, distances_table, separation_figure, separation_table
from grace_core.measuring.distances import KINDS, Choice, Separation
from grace_core.measuring.query_scan import Scan
from tests.app.lab.test_anatomy_figures import assert_drawable


def cell(layer: int, encoding: str, own: tuple[float, ...], rest: tuple[float, ...]) -> Separation:
    choice = Choice(layer, "mean", encoding)  # type: ignore[arg-type]
    return Separation(choice, own, (True,) * len(own), {"unrelated": rest, "siblings": (0.95,), "edits": ()})


CELLS = (
    cell(1, "raw", (0.1, 0.5), (0.3, 0.9)),
    cell(1, "whiten", (0.1, 0.2), (0.8, 0.9)),
    cell(8, "raw", (0.5, 0.6), (0.3, 0.4)),
    cell(8, "whiten", (0.1, 0.2), (0.15, 0.9)),
)
SCAN = Scan((1, 8), ("mean",), ("raw", "whiten"), 2, 2, 0, {"unrelated": 2, "siblings": 1, "edits": 0}, 10, 1.0, CELLS)


def test_each_cell_holds_its_own_measure() -> None:
    figure = separation_figure(SCAN, "recall0", KINDS, Choice(1, "mean", "whiten"))
    assert_drawable(figure)
    raw, whitened = figure["data"]
    assert raw["z"] == [[0.5, 0.0]]
    assert whitened["z"] == [[1.0, 0.5]]
    assert whitened["customdata"] == [["1-mean-whiten", "8-mean-whiten"]]
    outline = figure["layout"]["shapes"][0]
    assert (outline["xref"], outline["x0"] < 0 < outline["x1"]) == ("x2", True)


def test_the_best_ones_are_outlined_with_dots() -> None:
    chosen, other = CELLS[0].choice, CELLS[1].choice
    shapes = separation_figure(SCAN, "auc", KINDS, chosen, (chosen, other))["layout"]["shapes"]
    assert [(shape["xref"], shape["line"].get("dash")) for shape in shapes] == [("x", None), ("x2", "dot")]


@pytest.mark.parametrize(("layers", "size"), [(2, 14), (8, 12), (15, 10), (16, None)])
def test_figures_are_written_into_cells_that_have_room_for_them(layers: int, size: int | None) -> None:
    trace = separation_figure(replace(SCAN, layers=tuple(range(1, layers + 1))), "recall0", KINDS, None)["data"][0]
    assert trace["textfont"]["size"] == size
    assert bool(trace["texttemplate"]) == (size is not None)


def test_nothing_ticked_is_drawn_as_nothing() -> None:
    figure = separation_figure(SCAN, "auc", (), None)
    assert_drawable(figure)
    assert figure["data"][0]["z"] == [[None, None]]
    assert_drawable(distances_figure(CELLS[0], (), None))


def test_every_choice_is_a_row_of_the_table() -> None:
    columns, rows = separation_table(SCAN, KINDS)
    assert len(rows) == 4
    first = dict(zip(columns, rows[0], strict=True))
    assert first["recall_at_0"] == measured(CELLS[0], "recall0", KINDS) == 0.5
    assert first["must_not_match"] == 3


def test_the_histograms_hold_every_distance() -> None:
    figure = distances_figure(CELLS[0], KINDS, 0.2)
    assert_drawable(figure)
    own, *rest = figure["data"]
    assert sum(own["y"]) == pytest.approx(1)
    assert sum(sum(trace["y"]) for trace in rest) == pytest.approx(-1, abs=1e-5)
    low, high = figure["layout"]["yaxis"]["range"]
    assert high > max(own["y"])
    assert low < np.sum([trace["y"] for trace in rest], axis=0).min()
    line = figure["layout"]["shapes"][1]
    assert line["x0"] == line["x1"] == 0.2
    assert len(distances_table(CELLS[0], KINDS)[1]) == 5


def test_equal_distances_still_make_a_figure() -> None:
    assert_drawable(distances_figure(cell(1, "raw", (0.0, 0.0), (0.0,)), ["unrelated"], 0.0))
