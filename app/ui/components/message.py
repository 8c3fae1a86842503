"""One line for a person beside the field it is about: what was wrong, or what goes on."""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr

from app.ui.scripts import script

Tone = Literal["error", "note", "good", "plain"]

TEMPLATE = '<div class="gs-message-slot"><p class="gs-message" role="alert"></p><p class="gs-note" role="status"></p></div>'

NONE: dict[str, Any] = {"text": "", "tone": "note"}


def message_value(text: str, tone: Tone = "error") -> dict[str, Any]:
    """error: read aloud at once; note: the same box, calmer; good: it is done; plain: a line of text without a box."""
    return {"text": text, "tone": tone}


def build_message(elem_id: str, value: dict[str, Any] = NONE) -> gr.HTML:
    return gr.HTML(
        value,
        html_template=TEMPLATE,
        js_on_load=script("components/message.js"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="gs-part gs-message-block",
    )
