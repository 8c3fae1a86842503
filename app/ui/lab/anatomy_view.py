"""The verdict on one prompt and its two answers, with and without the codebook, side by side."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.ui.components import asset
from app.ui.scripts import script
from grace_core.answering.anatomy import Anatomy

TEMPLATE = """
<section class="gs-anatomy" aria-label="What answers, and why" hidden>
  <div role="status"><h3 class="gs-heading gs-anatomy-title"></h3><p class="gs-note gs-anatomy-verdict"></p></div>
  <p class="gs-anatomy-edit"></p>
  <p class="gs-anatomy-target" hidden></p>
  <div class="gs-pair">
    <div class="gs-side with"><h3>With the codebook<span class="gs-cut-note"></span></h3><p></p></div>
    <div class="gs-side without"><h3>Without it, the model alone<span class="gs-cut-note"></span></h3><p></p></div>
  </div>
</section>
"""


def anatomy_value(anatomy: Anatomy) -> dict[str, Any]:
    """What anatomy_view.js draws."""
    answering = anatomy.keys[0] if anatomy.edit_id is not None else None
    return {
        "matched": answering is not None,
        "title": "Match" if answering is not None else "Defer",
        "verdict": anatomy.verdict(),
        "edit_id": answering.edit_id if answering is not None else None,
        "edit_prompt": answering.prompt if answering is not None else "",
        "target": answering.target if answering is not None and not anatomy.exact else "",
        "with": anatomy.with_codebook,
        "without": anatomy.without_codebook,
        "with_cut": anatomy.cut,
        "without_cut": anatomy.cut_without,
        "same": anatomy.with_codebook == anatomy.without_codebook,
    }


def build_anatomy_view() -> gr.HTML:
    """The component; it triggers `open_map` {edit_id}."""
    return gr.HTML(
        None,
        html_template=TEMPLATE,
        css_template=asset("lab/anatomy_view.css"),
        js_on_load=script("lab/anatomy_view.js", "open_map"),
        apply_default_css=False,
        elem_id="gs-anatomy-view",
        elem_classes="gs-part",
    )
