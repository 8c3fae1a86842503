"""The Lab page: what another ε would do, which encoding separates best, where values take, why a prompt got its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from app.ui.lab.anatomy import build_anatomy
from app.ui.lab.calibrate import build_calibrate
from app.ui.lab.sweep import build_sweep
from app.ui.lab.what_if import build_whatif
from app.ui.session import PageContext, bind

PARTS: dict[str, tuple[str, Callable[[PageContext], object]]] = {
    "whatif": ("What if ε?", build_whatif),
    "calibrate": ("Calibrate", build_calibrate),
    "sweep": ("Layer sweep", build_sweep),
    "anatomy": ("Anatomy of an answer", build_anatomy),
}
FIRST = "whatif"


class LabPage:
    """The tabs of the Lab. Only the open one draws itself; header.js keeps its name in the page's address."""

    def __init__(self, context: PageContext) -> None:
        self.context = context
        self.part = gr.State(FIRST)
        self.redraws = {name: gr.State(-1) for name in PARTS}
        with gr.Tabs(selected=FIRST, elem_id="gs-lab-tabs") as self.tabs:
            for name, (title, build) in PARTS.items():
                with gr.Tab(title, id=name, elem_id=f"gs-lab-{name}") as tab:
                    build(replace(context, redraw=self.redraws[name]))
                bind(tab.select, partial(self.on_part, name), None, self.part)
        for changed in (context.redraw, self.part):
            bind(changed.change, self.on_redraw, [context.redraw, self.part], [*self.redraws.values()])

    def on_part(self, name: str) -> str:
        """A part is opened."""
        return name

    def on_redraw(self, revision: int, part: str) -> tuple[Any, ...]:
        """The open part shows this revision; the others wait until they are opened."""
        return tuple(revision if name == part else gr.skip() for name in self.redraws)

    def on_load(self, request: gr.Request) -> tuple[Any, Any]:
        """A fresh page: the address may name a part."""
        name = request.query_params.get("lab")
        return (gr.update(selected=name), name) if name in PARTS else (gr.skip(), gr.skip())


def build_lab(context: PageContext) -> LabPage:
    """Builds the page inside the current tab."""
    return LabPage(context)
