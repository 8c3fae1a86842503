"""A running edit: how far it is, and the loss of each step as a small SVG curve (log scale)."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.studio.views import EditProgress
from app.ui.scripts import script

TEMPLATE = """
<div class="gs-progress" hidden>
  <div class="gs-progress-head"><span class="gs-stage" role="status"></span><span class="gs-loss"></span></div>
  <div class="gs-bar" role="progressbar" aria-label="Steps of this edit" aria-valuemin="0">
    <div class="gs-bar-fill"></div></div>
  <svg class="gs-curve" viewBox="0 0 400 110" role="img" aria-label="Loss of each step, on a logarithmic scale"></svg>
  <div class="gs-loss-downloads" hidden></div>
</div>
"""

HIDDEN: dict[str, Any] = {"stage": "", "step": 0, "limit": 0, "losses": [], "running": False}


def progress_value(progress: EditProgress, *, running: bool = True) -> dict[str, Any]:
    """What loss_curve.js draws; losses keep four significant digits, as more cannot be seen."""
    return {
        "stage": progress.stage,
        "step": progress.step,
        "limit": progress.limit,
        "losses": [float(f"{loss:.4g}") for loss in progress.losses],
        "running": running,
    }


def build_loss_curve() -> gr.HTML:
    """The component; it triggers nothing."""
    return gr.HTML(
        HIDDEN,
        html_template=TEMPLATE,
        js_on_load=script("review/loss_curve.js"),
        apply_default_css=False,
        elem_id="gs-progress",
        elem_classes="gs-part",
    )
