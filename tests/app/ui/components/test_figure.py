"""The reusable figure: its value is data."""

from __future__ import annotations

import json

from app.ui.components.figure import build_figure, figure_value


def test_the_value_is_data_without_markup() -> None:
    figure = {"data": [{"type": "scatter", "x": [1], "y": [2]}], "layout": {}}
    text = figure_value(figure, note="<b>a</b>", table=(["x"], [(1,), ("<i>",)]))
    assert "<" not in text
    value = json.loads(text)
    assert value["figure"] == figure
    assert value["table"] == {"columns": ["x"], "rows": [[1], ["<i>"]]}
    assert value["spoken"] == "<b>a</b>"


def test_an_empty_figure_says_what_to_do() -> None:
    value = json.loads(figure_value(None, empty="Make an edit first."))
    assert value["figure"] is None
    assert value["empty"] == "Make an edit first."


def test_a_click_on_a_point_is_an_event() -> None:
    component = build_figure(elem_id="f", label='A "figure"', filename="f")
    assert callable(component.point_click)
    assert "A &quot;figure&quot;" in component.html_template
