"""A plain table of texts and numbers, every cell a text node."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from app.ui.components import asset
from app.ui.scripts import script


def rows_value(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    caption: str = "",
    empty: str = "",
    filename: str = "",
    shown: int | None = None,
) -> dict[str, Any]:
    """What table.js draws; without rows it shows `empty`.

    filename: of a CSV with all rows, without ending; "" offers none. shown: how many rows are drawn, at most.
    """
    return {
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "caption": caption,
        "empty": empty,
        "filename": filename,
        "shown": shown,
    }


def build_lab_table(elem_id: str, label: str, value: dict[str, Any] | None = None) -> gr.HTML:
    return gr.HTML(
        value,
        html_template=f'<div class="gs-lab-table" role="region" aria-label="{escape(label)}"></div>',
        css_template=asset("lab/table.css"),
        js_on_load=script("lab/table.js"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="gs-part",
    )
