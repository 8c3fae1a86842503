from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.lab.value_sweep_figures import spaced, sweep_figure, sweep_table
from grace_core.measuring.value_sweep import LayerResult, Sweep
from tests.app.lab.test_anatomy_figures import assert_drawable

LAYERS = (
    LayerResult(3, (60, 40), (1.0, 0.1), (False, True), (False, True), 2.0),
    LayerResult(21, (10, 20), (0.01, 0.02), (True, True), (True, True), 1.0),
)
SWEEP = Sweep(("p", "q"), ("a", "b"), 0, (0.1, 0.5), (True, True), (0.2, 0.45, 0.6), 21, 0.45, 60, LAYERS)


def test_three_panels_over_the_layer() -> None:
    figure = sweep_figure(SWEEP)
    assert_drawable(figure)
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert by_name["mean"]["y"] == [50.0, 15.0]
    assert by_name["edited prompts"]["y"] == [0.5, 1.0]
    assert by_name["ε 0.2"]["y"] == [0.0, 0.5]
    assert by_name["ε 0.6"]["y"] == [0.5, 1.0]
    assert by_name["ε 0.45"]["line"]["width"] > by_name["ε 0.2"]["line"]["width"]  # the one in use
    assert all(shape["x0"] == 21 for shape in figure["layout"]["shapes"])


def test_one_layer_alone_and_no_phrasings() -> None:
    alone = Sweep(("p",), (), 0, (), (), (0.2,), 5, 0.2, 60, (LayerResult(5, (1,), (0.0,), (True,), (), 0.1),))
    assert_drawable(sweep_figure(alone))
    assert sweep_table(alone)[1][0][4] is None


def test_a_row_for_each_layer_and_epsilon() -> None:
    columns, rows = sweep_table(SWEEP)
    assert len(rows) == 6
    assert dict(zip(columns, rows[0], strict=True)) | {"seconds": 0} == {
        "value_layer": 3, "epsilon": 0.2, "mean_steps": 50.0, "edited_prompts_answered": 0.5, "phrasings_answered": 0.0,
        "phrasings_reached": 0.5, "seconds": 0,
    }  # fmt: skip


@given(st.lists(st.floats(0, 1), max_size=6))
def test_labels_never_lie_on_each_other(places: list[float]) -> None:
    out = sorted(spaced(places, 0.085))
    assert all(b - a > 0.084 for a, b in pairwise(out))
    assert all(place <= 1.03 + 1e-9 for place in out)
