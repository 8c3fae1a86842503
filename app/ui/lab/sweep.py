"""Lab › Layer sweep: at which layer values take, and at which ε other phrasings reach them (the paper's Figure 2, live)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr

from app.lab.kept_results import LabResult, result_file
from app.lab.value_sweep_figures import sweep_figure, sweep_table
from app.ui.components.figure import build_figure, figure_value
from app.ui.components.message import build_message, message_value
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.run import Updates, run_job, stopped_words, streams
from app.ui.lab.table import build_lab_table, rows_value
from app.ui.session import PageContext, Session, bind
from grace_core.measuring.value_sweep import Sweep, default_value_layers


class SweepPart:
    """The components and their events. The last result is shared by all browsers and survives a restart."""

    def __init__(self, context: PageContext) -> None:
        self.context, self.studio = context, context.studio
        self.kept: LabResult[Sweep] = LabResult(result_file(self.studio.status(), "sweep"), Sweep.from_dict)
        self.shown = gr.State(0)
        space = self.studio.query_space()
        with gr.Column(elem_classes="gs-panel"):
            gr.HTML(
                '<h2 class="gs-heading">Layer sweep: where do values take?</h2>', apply_default_css=False, elem_classes="gs-part"
            )
            build_message(
                "gs-sweep-intro",
                message_value(
                    "A few of the codebook's own edits are learned again at several layers, without their other phrasings, "
                    "and then asked in those. The values are measured and thrown away: nothing is changed.",
                    "plain",
                ),
            )
            with gr.Row():
                self.layers = gr.Dropdown(
                    label="Value layers",
                    choices=list(range(space.key_layer, space.blocks + 1)),
                    value=list(default_value_layers(space.blocks, space.config)),
                    multiselect=True,
                    elem_id="gs-sweep-layers",
                    scale=2,
                )
                self.edits = gr.Slider(1, 16, value=4, step=1, label="Edits to learn", elem_id="gs-sweep-edits", scale=1)
                self.steps = gr.Slider(20, 200, value=60, step=10, label="Steps, at most", elem_id="gs-sweep-steps", scale=1)
            self.message = build_message("gs-sweep-message")
            self.progress = build_lab_progress("gs-sweep-progress", "Progress of the layer sweep")
            with gr.Row(elem_classes="gs-actions"):
                self.stop = gr.Button("Stop", visible=False, elem_id="gs-sweep-stop")
                self.go = gr.Button("Sweep", variant="primary", elem_id="gs-sweep-go")
        with gr.Column(visible=False, elem_classes="gs-panel", elem_id="gs-sweep-result") as self.result:
            self.summary = build_message("gs-sweep-summary")
            self.figure = build_figure(
                elem_id="gs-sweep-figure", label="Layer sweep", filename="grace-studio-layer-sweep", height=320
            )
            self.table = build_lab_table("gs-sweep-table", "The layer sweep in numbers")
        self._bind()

    def _bind(self) -> None:
        drawn = [self.shown, self.result, self.summary, self.figure, self.table]
        bind(
            self.go.click,
            self.on_sweep,
            [self.layers, self.edits, self.steps, self.context.session],
            [self.message, self.progress, self.go, self.stop, *drawn],
        )
        bind(self.stop.click, Session.cancel, self.context.session, queue=False)
        bind(self.context.redraw.change, self.on_revision, self.shown, drawn)
        bind(self.context.redraw.change, self.on_reading, self.layers, self.layers)

    def on_revision(self, shown: int) -> Updates:
        """A fresh page, or another browser's new result: show the last one."""
        return {self.shown: shown} if shown == self.kept.number else self._drawn()

    def on_reading(self, layers: list[int]) -> Any:
        """Values lie at or above the key layer, which may be another one by now."""
        space = self.studio.query_space()
        offered = range(space.key_layer, space.blocks + 1)
        kept = [layer for layer in layers or () if layer in offered]
        return gr.update(choices=list(offered), value=kept or list(default_value_layers(space.blocks, space.config)))

    @streams
    def on_sweep(self, layers: list[int], edits: float, steps: float, session: Session) -> AsyncIterator[Updates]:
        """Learn the sample at each layer on the model's thread; the last result stays until this one is finished."""

        def finish(found: Sweep) -> Updates:
            unkept = self.kept.keep(found)
            return {self.message: message_value(unkept, "note"), **self._drawn()}

        ask = partial(self.studio.sweep, [int(layer) for layer in layers], edits=int(edits), max_steps=int(steps))
        return run_job(
            session, ask, finish, message=self.message, progress=self.progress, first="Choosing edits",
            stopped=lambda: stopped_words(self.kept.value is not None),
            running={self.go: gr.update(interactive=False), self.stop: gr.update(visible=True)},
            ended=lambda: {self.go: gr.update(interactive=True), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def _drawn(self) -> Updates:
        result = self.kept.value
        if result is None:
            return {self.shown: 0, self.result: gr.update(visible=False)}
        return {
            self.shown: self.kept.number,
            self.result: gr.update(visible=True),
            self.summary: message_value(summary(result), "plain"),
            self.figure: figure_value(
                sweep_figure(result),
                note=(
                    "Left: steps until a value was learned (thin: one edit, thick: their mean). Right: a phrasing counts where "
                    "its own key is nearest and within ε, and the value gives the exact target. Dotted: the layer in use."
                ),
                table=sweep_table(result),
            ),
            self.table: _rows(result),
        }


def summary(sweep: Sweep) -> str:
    """What was learned and asked."""
    made = f", {sweep.made} of them made here by rewording, as their edits have none" if sweep.made else ""
    seconds = sum(result.seconds for result in sweep.layers)
    return (
        f"{len(sweep.prompts)} edits at {len(sweep.layers)} layers, asked in {len(sweep.phrasings)} other phrasings{made}; "
        f"at most {sweep.max_steps} steps each. It took {seconds:.0f} s."
    )


def _rows(sweep: Sweep) -> dict[str, Any]:
    columns = [
        "Value layer",
        "Steps, mean",
        "Edited prompts answered",
        *(f"Phrasings at ε {e:g}" for e in sweep.epsilons),
        "Seconds",
    ]
    rows = []
    for result in sweep.layers:
        shares = [sweep.phrasing_success(result, epsilon) for epsilon in sweep.epsilons]
        mean = sum(result.steps) / len(result.steps)
        percents = [None if share is None else f"{share:.0%}" for share in (sweep.success(result), *shares)]
        rows.append([result.layer, mean, *percents, result.seconds])
    return rows_value(columns, rows)


def build_sweep(context: PageContext) -> None:
    """Builds this part inside the current tab."""
    SweepPart(context)
