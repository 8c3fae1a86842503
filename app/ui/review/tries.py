"""Other phrasings asked after an edit, newest first: what came back and whether the edit answered."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.studio.views import Answer
from app.ui.scripts import script

KEPT = 5
TEMPLATE = '<ul class="gs-tries" aria-live="polite" aria-label="Phrasings tried"></ul>'


def try_value(answer: Answer, edit_id: str, target: str) -> dict[str, Any]:
    """One phrasing as tries.js draws it; edit_id and target are those of the edit being tried out."""
    distance = "" if answer.distance is None else f" · distance {answer.distance:.2f}"
    if answer.edit_id is not None and answer.edit_id == edit_id:
        exact = answer.text == target
        kind, label = ("good", "This edit answered") if exact else ("other", "This edit answered, in other words")
    elif answer.edit_id is not None:
        kind, label = "other", "Another edit answered"
    else:
        kind, label = "none", "The model itself answered"
        if answer.fact is not None:
            label += f", with {'this' if answer.fact.edit_id == edit_id else 'another'} edit's fact before the prompt"
    if answer.edit_id != edit_id and answer.epsilon is not None:
        distance += f" (nearest ε {answer.epsilon:.2f})"
    return {"prompt": answer.prompt, "text": answer.text, "kind": kind, "label": label + distance}


def build_tries() -> gr.HTML:
    return gr.HTML(
        [],
        html_template=TEMPLATE,
        js_on_load=script("review/tries.js"),
        apply_default_css=False,
        elem_id="gs-tries",
        elem_classes="gs-part",
    )
