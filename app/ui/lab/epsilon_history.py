"""Every change of ε, newest first, each with its Undo or Redo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.studio.views import EpsilonRow
from app.ui.components import asset, drawing_number
from app.ui.scripts import script

SHOWN = 50
TEMPLATE = '<section class="gs-eps-history" aria-label="Changes of ε"></section>'


def history_value(rows: Sequence[EpsilonRow]) -> dict[str, Any]:
    """What epsilon_history.js draws."""
    return {
        "drawing": drawing_number(),
        "more": max(0, len(rows) - SHOWN),
        "rows": [
            {
                "id": row.change_id,
                "epsilon": f"{row.epsilon:g}",
                "about": f"all {row.edits:,} edits made until then" if row.prompt is None else row.prompt,
                "all": row.prompt is None,
                "author": row.author,
                "at": row.at.isoformat(),
                "undone": row.undone,
            }
            for row in rows[:SHOWN]
        ],
    }


def build_history(value: dict[str, Any]) -> gr.HTML:
    """The component; it triggers `undo` {change_id} and `redo` {change_id}."""
    return gr.HTML(
        value,
        html_template=TEMPLATE,
        css_template=asset("lab/epsilon_history.css"),
        js_on_load=script("lab/epsilon_history.js", "undo", "redo"),
        apply_default_css=False,
        elem_id="gs-eps-history",
        elem_classes="gs-part",
    )
