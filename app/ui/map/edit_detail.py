"""Everything about one edit beside the map: what it says, what it answers, what is near it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.charts.labels import distinctive
from app.studio.views import EditDetail
from app.ui.components import asset
from app.ui.components.edit_words import STATE_LABELS, is_web_address
from app.ui.scripts import script

# The page shows the nearest; the Edits page and the endpoints have all of them.
SHOWN_QUERIES = 50
SHOWN_NEIGHBORS = 6

_HINT = "Click a key on the map. Its target, its radius and the queries it answers appear here, with Undo."
_HINT_EMPTY = "When there are keys on the map, the selected one is explained here."


def edit_detail_value(detail: EditDetail | None, *, any_key: bool = True) -> dict[str, Any]:
    """What edit_detail.js draws."""
    if detail is None:
        return {"edit": None, "title": "No edit selected", "hint": _HINT if any_key else _HINT_EMPTY}
    row = detail.row
    shown = detail.neighbors[:SHOWN_NEIGHBORS]
    # The full prompt is the tooltip; in the narrow column, prompts of one template would all look the same.
    names = distinctive([row.prompt, *(other.prompt for other in shown)])[1:]
    nearest_first = sorted(detail.matched, key=lambda query: query.distance)
    return {
        "edit": {
            "id": row.edit_id,
            "prompt": row.prompt,
            "target": row.target,
            "paraphrases": list(row.paraphrases),
            "epsilon": row.epsilon,
            "subject_end": detail.subject_end,
            "state": row.state,
            "state_label": STATE_LABELS[row.state],
            "change": detail.change,
            "author": row.author,
            "at": row.at.isoformat(),
            "source_url": row.source_url,
            "source_is_link": is_web_address(row.source_url),
            "text_before": detail.text_before,
        },
        "matched": [
            {
                "prompt": query.prompt,
                "text": query.text,
                "distance": query.distance,
                "at": query.at.isoformat(),
                # Asked before the edit, or when its ε was another one: the answer logged is not the edit's.
                "said_then": query.said_by not in {row.edit_id, *detail.serves},
            }
            for query in nearest_first[:SHOWN_QUERIES]
        ],
        "matched_total": len(detail.matched),
        "matched_more": max(0, len(detail.matched) - SHOWN_QUERIES),
        "neighbors": [
            {
                "edit_id": other.edit_id,
                "name": name,
                "prompt": other.prompt,
                "target": other.target,
                "distance": other.distance,
                "gap": other.gap,
            }
            for name, other in zip(names, shown, strict=True)
        ],
    }


def build_edit_detail() -> gr.HTML:
    """The component; it triggers `open_edit` {edit_id} when a neighbour is clicked."""
    return gr.HTML(
        edit_detail_value(None),
        html_template='<div class="gs-detail" role="region" aria-label="The selected edit"></div>',
        css_template=asset("map/edit_detail.css"),
        js_on_load=script("map/edit_detail.js", "open_edit"),
        apply_default_css=False,
        elem_classes="gs-part",
        elem_id="gs-edit-detail",
    )
