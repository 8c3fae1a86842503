"""The query spaces that this codebook has had, newest first, each but the present one with its Go back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.lab.query_scan import choice_words
from app.studio.views import QuerySpaceRow
from app.ui.components import asset, drawing_number
from app.ui.scripts import script
from grace_core.measuring.distances import Choice

SHOWN = 50
TEMPLATE = '<section class="gs-eps-history" aria-label="How prompts were read"></section>'


def query_spaces_value(rows: Sequence[QuerySpaceRow]) -> dict[str, Any]:
    """What query_spaces.js draws. The first one is always shown, so that there is a way back to it."""
    shown = [*rows[: SHOWN - 1], *rows[SHOWN - 1 :][-1:]]
    return {
        "drawing": drawing_number(),
        "more": len(rows) - len(shown),
        "rows": [
            {
                "id": row.query_space_id,
                "title": query_space_words(row),
                "epsilon": f"{row.epsilon:g}",
                "author": row.author or "",
                "at": row.at.isoformat() if row.at is not None else "",
                "in_force": row.in_force,
            }
            for row in shown
        ],
    }


def query_space_words(row: QuerySpaceRow) -> str:
    """Layer, pooling and encoding as a person reads them."""
    return choice_words(Choice(row.key_layer, row.pool, row.encoding))


def build_query_spaces(value: dict[str, Any]) -> gr.HTML:
    """The component; it triggers `go_back` {reading_id}."""
    return gr.HTML(
        value,
        html_template=TEMPLATE,
        css_template=asset("lab/epsilon_history.css"),
        js_on_load=script("lab/query_spaces.js", "go_back"),
        apply_default_css=False,
        elem_id="gs-readings",
        elem_classes="gs-part",
    )
