"""A Plotly figure with its sentence of explanation and downloads as PNG, SVG and CSV: for the map, the Lab, all pages.

Colours in the figure are tokens of `palette.PALETTES` ("@own"), so that changing the mode asks no server. Texts in it
must be escaped (`plotly.escape`): Plotly reads tags.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from app.charts.plotly import Table
from app.ui.components import asset
from app.ui.scripts import script


def figure_value(
    figure: Mapping[str, Any] | None, *, note: str = "", table: Table | None = None, empty: str = "", spoken: str = ""
) -> str:
    """What figure.js draws, as JSON.

    figure: Plotly's {"data", "layout"}; None shows `empty` instead (what a person must do to see something).
    note: one sentence under the figure. table: the CSV's content; without it, x and y of every trace.
    spoken: the figure in words for screen readers; `note` where it is missing.
    """
    value: dict[str, Any] = {"figure": figure, "note": note, "empty": empty, "spoken": spoken or note, "table": None}
    if table is not None:
        value["table"] = {"columns": list(table[0]), "rows": [list(row) for row in table[1]]}
    # "<" as an escape: the text is nobody's markup, wherever it ends up.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def build_figure(
    *,
    elem_id: str,
    label: str,
    filename: str,
    height: int = 320,
    min_width: int = 0,
    value: str | None = None,
    visible: bool = True,
) -> gr.HTML:
    """The component. label: what it shows, in a few words. filename: of downloads, without ending.

    height, min_width: in pixels; where there is less room across, the figure scrolls.

    Clicking a point that has `customdata` triggers `point_click` {id, x, y} with it.
    """
    template = (
        f'<figure class="gs-figure" data-filename="{escape(filename)}" data-label="{escape(label)}">'
        f'<div class="gs-figure-room"><div class="gs-figure-plot" role="img" style="height:{int(height)}px;'
        f'min-width:{int(min_width)}px"></div></div>'
        '<p class="gs-figure-empty gs-note" hidden></p><p class="gs-figure-error" role="alert" hidden></p>'
        '<figcaption><span class="gs-figure-note"></span></figcaption></figure>'
    )
    return gr.HTML(
        value if value is not None else figure_value(None),
        html_template=template,
        css_template=asset("components/figure.css"),
        js_on_load=script("components/figure.js", "point_click"),
        apply_default_css=False,
        elem_classes="gs-part",
        elem_id=elem_id,
        visible=visible,
    )
