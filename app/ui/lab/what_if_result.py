"""What another ε would change: counts, the logged queries whose answer would be another one, and what caps a radius."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.lab.what_if import cap_text
from app.ui.components import asset
from app.ui.scripts import script
from grace_core.measuring.what_if import ChangedAnswer, WhatIf

SHOWN = 200
CAPS_SHOWN = 50
# So many changed answers a CSV holds: more would make every movement of the slider slow.
SAVED = 2000
KINDS = {"gained": "gained", "lost": "lost", "switched": "another edit"}
MODEL = "the model itself"

TEMPLATE = """
<section class="gs-whatif" aria-label="What would change">
  <div class="gs-whatif-tiles"></div>
  <p class="gs-whatif-sentence" role="status"></p>
  <div class="gs-whatif-empty" hidden></div>
  <div class="gs-whatif-changes"></div>
  <div class="gs-whatif-caps"></div>
</section>
"""

NO_EDITS = {
    "title": "No edits yet",
    "steps": [
        "On the Review page, ask the model something, mark what is wrong, type what it should say and press Edit.",
        "The edit gets a key and a radius ε: every question within ε of the key is answered by the edit.",
        "Here you then try another ε, and see at once which of the questions asked so far would be answered otherwise.",
    ],
}
NO_QUERIES = {
    "title": "No logged queries yet",
    "steps": [
        "Every prompt asked on the Review page is logged, and its place is kept.",
        "Ask a few: phrasings that an edit should answer, and questions about others that it should leave alone.",
        "Then move ε here: the ones whose answer would change are listed, without asking the model again.",
    ],
}


def whatif_value(*, sentence: str = "", found: WhatIf | None = None, empty: dict[str, Any] | None = None) -> dict[str, Any]:
    """What what_if_result.js draws. found: None while nothing is tried."""
    value: dict[str, Any] = {
        "sentence": sentence, "empty": empty, "tiles": [], "rows": [], "more": 0, "table": None, "caps": [], "caps_more": 0,
    }  # fmt: skip
    if found is None:
        return value
    counts = found.counts
    value["tiles"] = [
        {"count": counts["gained"], "label": "gained by an edit", "kind": "gained"},
        {"count": counts["lost"], "label": "back to the model", "kind": "lost"},
        {"count": counts["switched"], "label": "to another edit", "kind": "switched"},
        {"count": found.queries - len(found.changed), "label": "stay as they are", "kind": "same"},
    ]
    value["rows"] = [_row(change) for change in found.changed[:SHOWN]]
    value["more"] = max(0, len(found.changed) - SHOWN)
    value["table"] = {"columns": list(COLUMNS), "rows": [_saved(change) for change in found.changed[:SAVED]]}
    value["caps"] = [{"id": cap.edit_id, "prompt": cap.prompt, "text": cap_text(cap)} for cap in found.caps[:CAPS_SHOWN]]
    value["caps_more"] = max(0, len(found.caps) - CAPS_SHOWN)
    return value


def _row(change: ChangedAnswer) -> dict[str, Any]:
    return {
        "id": change.after or change.before,
        "prompt": change.query.prompt,
        "text": change.query.text,
        "kind": change.kind,
        "kind_label": KINDS[change.kind],
        "now": MODEL if change.target_before is None else change.target_before,
        "now_model": change.target_before is None,
        "then": MODEL if change.target_after is None else change.target_after,
        "then_model": change.target_after is None,
        "distance": f"{change.distance:.3f}",
        "parts": "" if change.parts is None else str(change.parts),
        "radii": f"{change.epsilon_before:.3f} → {change.epsilon_after:.3f}",
    }


COLUMNS = (
    "query", "answer then", "change", "answered now by", "would be answered by", "edit now", "edit then",
    "distance", "epsilon now", "epsilon then", "subject", "question",
)  # fmt: skip


def _saved(change: ChangedAnswer) -> list[Any]:
    """One line of the CSV, with the numbers unrounded."""
    return [
        change.query.prompt, change.query.text, KINDS[change.kind], change.target_before or MODEL, change.target_after or MODEL,
        change.before, change.after, float(change.distance), float(change.epsilon_before), float(change.epsilon_after),
        *((None, None) if change.parts is None else (change.parts.subject, change.parts.question)),
    ]  # fmt: skip


def build_whatif_result(value: dict[str, Any]) -> gr.HTML:
    """The component; it triggers `open_map` {edit_id}."""
    return gr.HTML(
        value,
        html_template=TEMPLATE,
        css_template=asset("lab/what_if_result.css"),
        js_on_load=script("lab/what_if_result.js", "open_map"),
        apply_default_css=False,
        elem_id="gs-whatif",
        elem_classes="gs-part",
    )
