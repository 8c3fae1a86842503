"""The Lab page: what another ε would do, which encoding separates best, where values take, why a prompt got its answer."""

from __future__ import annotations

import gradio as gr

from app.ui.lab.anatomy import build_anatomy
from app.ui.lab.calibrate import build_calibrate
from app.ui.lab.sweep import build_sweep
from app.ui.lab.what_if import build_whatif
from app.ui.session import PageContext


def build_lab(context: PageContext) -> None:
    """Builds the page inside the current tab."""
    with gr.Tabs(elem_id="gs-lab-tabs"):
        with gr.Tab("What if ε?", id="whatif", elem_id="gs-lab-whatif"):
            build_whatif(context)
        with gr.Tab("Calibrate", id="calibrate", elem_id="gs-lab-calibrate"):
            build_calibrate(context)
        with gr.Tab("Layer sweep", id="sweep", elem_id="gs-lab-sweep"):
            build_sweep(context)
        with gr.Tab("Anatomy of an answer", id="anatomy", elem_id="gs-lab-anatomy"):
            build_anatomy(context)
