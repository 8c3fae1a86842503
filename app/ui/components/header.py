"""The slim line at the top: product, model, number of edits in force, and the switch between light and dark."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.studio.views import Status
from app.ui.scripts import script

HEADER_TEMPLATE = """
<header class="gs-head"><h1 class="gs-brand">Grace Studio</h1>
  <div class="gs-facts"><b class="gs-model"></b><span class="gs-count" role="status"></span></div></header>
"""

MODE_TEMPLATE = """
<button type="button" class="gs-mode" aria-label="Switch between light and dark" title="Switch between light and dark">
  <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6" aria-hidden="true">
    <circle cx="10" cy="10" r="7"></circle>
    <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" stroke="none"></path></svg>
</button>
"""


def header_value(status: Status) -> dict[str, Any]:
    """What header.js draws."""
    changed = ", read otherwise since (Lab, Calibrate)" if status.reread else ""
    detail = (
        f"Preset {status.preset}{changed}: key after block {status.key_layer}, value after block {status.value_layer}, "
        f"ε {status.epsilon:g}. {status.queries} queries logged in {status.data_dir}."
    )
    return {"model": status.model_name, "edits": status.active_edits, "detail": detail}


def build_header(status: Status) -> gr.HTML:
    return gr.HTML(
        header_value(status),
        html_template=HEADER_TEMPLATE,
        js_on_load=script("components/header.js"),
        apply_default_css=False,
        elem_id="gs-status",
        elem_classes="gs-part",
    )


def build_mode_switch() -> gr.HTML:
    return gr.HTML(
        html_template=MODE_TEMPLATE,
        js_on_load=script("components/mode.js"),
        apply_default_css=False,
        elem_id="gs-mode",
        elem_classes="gs-part",
    )
