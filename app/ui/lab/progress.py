"""How far a measurement of the Lab is: a stage in words and a bar. Its events are `Stage`s."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from app.studio.progress import Stage
from app.ui.scripts import script

TEMPLATE = """
<div class="gs-progress" hidden>
  <div class="gs-progress-head"><span class="gs-stage" role="status"></span><span class="gs-loss"></span></div>
  <div class="gs-bar" role="progressbar" aria-label="{label}" aria-valuemin="0" aria-valuemax="100" data-running="true">
    <div class="gs-bar-fill"></div></div>
</div>
"""

NO_STAGE: dict[str, Any] = {"stage": "", "fraction": 0.0}


def stage_value(stage: Stage) -> dict[str, Any]:
    """What progress.js draws."""
    return {"stage": stage.words, "fraction": min(1.0, max(0.0, stage.fraction))}


def build_lab_progress(elem_id: str, label: str) -> gr.HTML:
    return gr.HTML(
        NO_STAGE,
        html_template=TEMPLATE.replace("{label}", escape(label)),
        js_on_load=script("lab/progress.js"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="gs-part gs-lab-progress",
    )
