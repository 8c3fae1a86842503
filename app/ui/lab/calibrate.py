"""Lab › Calibrate: which layer, pooling and encoding separate paraphrases from the rest, and which ε goes with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from app.lab.kept_results import LabResult, result_file
from app.lab.query_scan import (
    ENCODING_LABELS,
    EXPLAINED,
    FALSE_MATCHES,
    KIND_LABELS,
    MEASURES,
    POOL_LABELS,
    Measure,
    best_of,
    choice_id,
    choice_of,
    distances_note,
    option_words,
    summary,
)
from app.lab.query_scan_figures import distances_figure, distances_table, separation_figure, separation_table
from app.studio.prompt_files import SUFFIXES, read_prompts
from app.ui.components.figure import build_figure, figure_value
from app.ui.components.message import build_message, message_value
from app.ui.lab.fit import FitPart
from app.ui.lab.move import MovePart
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.put_in_force import UsePart
from app.ui.lab.run import Updates, run_job, stopped_words, streams
from app.ui.sent import Point, read
from app.ui.session import PageContext, Session, bind, bind_every, failure_text
from grace_core.config import Encoding, Pool
from grace_core.errors import InputError
from grace_core.measuring.distances import KINDS, Kind
from grace_core.measuring.query_scan import ENCODINGS, POOLS, Scan, default_layers

_SHIPPED = "Unrelated prompts: those shipped with the studio."


class CalibratePart:
    """The components and their events. The last result is shared by all browsers and survives a restart."""

    def __init__(self, context: PageContext) -> None:
        self.context, self.studio = context, context.studio
        self.kept: LabResult[Scan] = LabResult(result_file(self.studio.status(), "calibrate"), Scan.from_dict)
        self.shown = gr.State(0)
        self.own = gr.State(())
        self._layout_request()
        with gr.Column(visible=False, elem_id="gs-calibrate-result") as self.result:
            self._layout_result()
            self.use = UsePart(context, self.kept, self.choice)
        self.use.build_readings()
        self._bind()
        self.use.bind()

    # -- what stands where ---------------------------------------------------------------------------------------------

    def _layout_request(self) -> None:
        blocks = self.studio.query_space().blocks
        with gr.Column(elem_classes="gs-panel"):
            _heading("Calibrate: where should queries be read?")
            self.intro = build_message(
                "gs-calibrate-intro",
                message_value(
                    "Every choice of layer, pooling and encoding is another space of queries. Here the edits' paraphrases are "
                    "measured against prompts that must not match, so that you see which space keeps them apart, and at "
                    "which ε: a heatmap with a cell for each choice, and the distances under the one that you click. Measuring "
                    "changes nothing.",
                    "plain",
                ),
            )
            with gr.Row():
                self.layers = gr.Dropdown(
                    label="Key layers",
                    choices=list(range(1, blocks + 1)),
                    value=list(default_layers(blocks)),
                    multiselect=True,
                    elem_id="gs-calibrate-layers",
                    scale=2,
                )
                self.pools = gr.CheckboxGroup(
                    label="Pooling", choices=[(POOL_LABELS[p], p) for p in POOLS], value=list(POOLS),
                    elem_id="gs-calibrate-pools", scale=2,
                )  # fmt: skip
                self.encodings = gr.CheckboxGroup(
                    label="Encoding", choices=[(ENCODING_LABELS[e], e) for e in ENCODINGS], value=list(ENCODINGS),
                    elem_id="gs-calibrate-encodings", scale=2,
                )  # fmt: skip
            with gr.Row():
                self.edits = gr.Slider(
                    5, 200, value=50, step=5, label="Edits to measure, at most", elem_id="gs-calibrate-edits", scale=1
                )
                self.unrelated = gr.Slider(
                    20, 300, value=100, step=20, label="Unrelated prompts, at most", elem_id="gs-calibrate-unrelated", scale=1
                )
            self.message = build_message("gs-calibrate-message")
            self.progress = build_lab_progress("gs-calibrate-progress", "Progress of the calibration")
            with gr.Row(elem_classes="gs-actions"):
                self.file_note = build_message("gs-calibrate-file-note", message_value(_SHIPPED, "plain"))
                self.shipped = gr.Button("Use the shipped prompts", visible=False, elem_id="gs-calibrate-shipped")
                self.file = gr.UploadButton(
                    "Use your own (CSV or JSON)", file_types=list(SUFFIXES), variant="secondary", elem_id="gs-calibrate-file"
                )
                self.stop = gr.Button("Stop", visible=False, elem_id="gs-calibrate-stop")
                self.go = gr.Button("Measure", variant="primary", elem_id="gs-calibrate-go")

    def _layout_result(self) -> None:
        with gr.Column(elem_classes="gs-panel"):
            _heading("Separation")
            self.summary = build_message("gs-calibrate-summary")
            with gr.Row():
                self.measure = gr.Radio(
                    label="Show recall at this share of false matches, or the AUC",
                    choices=[("1 %", "recall1"), ("0 %", "recall0"), ("AUC", "auc")],
                    value="recall1",
                    elem_id="gs-calibrate-measure",
                    scale=4,
                )
                self.kinds = gr.CheckboxGroup(
                    label="What must not match",
                    choices=[(KIND_LABELS[kind], kind) for kind in KINDS],
                    value=list(KINDS),
                    elem_id="gs-calibrate-kinds",
                    scale=5,
                )
            self.heat = build_figure(
                elem_id="gs-calibrate-heat",
                label="Separation by layer, pooling and encoding",
                filename="grace-studio-calibration",
                height=260,
                min_width=560,
            )
        with gr.Column(elem_classes="gs-panel"):
            _heading("Distances under one choice")
            self.choice = gr.Dropdown(
                label="Choice (or click a cell above)", choices=[], value=None, elem_id="gs-calibrate-choice"
            )
            self.histogram = build_figure(
                elem_id="gs-calibrate-distances",
                label="Distances of paraphrases and of other prompts",
                filename="grace-studio-distances",
                height=330,
            )

    # -- events --------------------------------------------------------------------------------------------------------

    def _bind(self) -> None:
        session = self.context.session
        views = [self.measure, self.kinds, self.choice]
        use = self.use
        drawn = [
            self.result,
            self.summary,
            self.heat,
            self.choice,
            self.histogram,
            use.epsilon,
            use.note,
            use.command,
            use.preview,
        ]
        fresh = [*use.fresh()]
        bind(
            self.go.click,
            self.on_measure,
            [self.layers, self.pools, self.encodings, self.edits, self.unrelated, self.own, *views, session],
            [self.message, self.progress, self.go, self.stop, self.shown, *drawn, *fresh],
        )
        bind(self.file.upload, self.on_file, self.file, [self.own, self.file_note, self.shipped])
        bind(self.shipped.click, self.on_shipped, None, [self.own, self.file_note, self.shipped])
        bind(self.stop.click, Session.cancel, session, queue=False)
        bind(self.context.redraw.change, self.on_revision, [self.shown, *views], [self.shown, *drawn])
        bind([self.measure.input, self.kinds.input], self.on_view, views, drawn)
        bind(self.choice.input, self.on_view, views, [*drawn, *fresh])
        bind_every(self.heat.point_click, self.on_cell, views[:2], [*drawn, *fresh])

    def on_file(self, file: str | None) -> Updates:
        """A person's own unrelated prompts; a file that cannot be used is refused at once, and what was chosen stays."""
        if file is None:
            return {self.file_note: message_value("No file came; choose one.")}
        path = Path(file)
        try:
            prompts = read_prompts(path)
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            return {self.file_note: message_value(failure_text(error))}
        said = f"Must not match: {len(prompts):,} prompts of {path.name}."
        return {self.own: prompts, self.file_note: message_value(said, "plain"), self.shipped: gr.update(visible=True)}

    def on_shipped(self) -> Updates:
        return {self.own: (), self.file_note: message_value(_SHIPPED, "plain"), self.shipped: gr.update(visible=False)}

    @streams
    def on_measure(
        self, layers: list[int], pools: list[Pool], encodings: list[Encoding], edits: float, unrelated: float,
        own: tuple[str, ...], measure: Measure, kinds: list[Kind] | None, chosen: str | None, session: Session,
    ) -> AsyncIterator[Updates]:  # fmt: skip
        """Run the scan on the model's thread; the last result stays until this one is finished."""
        ask = partial(
            self.studio.scan, [int(layer) for layer in layers], pools, encodings, unrelated=own, max_edits=int(edits),
            max_unrelated=int(unrelated),
        )  # fmt: skip

        def finish(found: Scan) -> Updates:
            unkept = message_value(self.kept.keep(found), "note")
            return {self.message: unkept, self.shown: self.kept.number, **self._drawn(measure, kinds, None), **self.use.fresh()}

        off, on = gr.update(interactive=False), gr.update(interactive=True)
        return run_job(
            session, ask, finish, message=self.message, progress=self.progress,
            first="Choosing prompts", stopped=lambda: stopped_words(self.kept.value is not None),
            running={self.go: off, self.use.preview: off, self.stop: gr.update(visible=True)},
            ended=lambda: {self.go: on, self.use.preview: self.use.offered_for(chosen), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def on_revision(self, shown: int, measure: Measure, kinds: list[Kind] | None, chosen: str | None) -> Updates:
        """A fresh page, or another browser's new result: show the last one."""
        if shown != self.kept.number:
            return {self.shown: self.kept.number, **self._drawn(measure, kinds, chosen)}
        # It is drawn already; but what is in use may be another choice now.
        return {self.shown: shown} | ({} if self.kept.value is None else {self.summary: self._summary(measure, kinds)})

    def on_view(self, measure: Measure, kinds: list[Kind] | None, chosen: str | None) -> Updates:
        return self._drawn(measure, kinds, chosen)

    def on_cell(self, measure: Measure, kinds: list[Kind] | None, event: gr.EventData) -> Updates:
        return {**self._drawn(measure, kinds, read(event, Point).id), **self.use.fresh()}

    # -- drawing -------------------------------------------------------------------------------------------------------

    def _drawn(self, measure: Measure, kinds: Sequence[Kind] | None, wanted: str | None) -> Updates:
        """The last result as these settings show it; a choice that it does not hold gives way to its best one."""
        result = self.kept.value
        if result is None:
            return {self.result: gr.update(visible=False)}
        if measure not in get_args(Measure):
            raise InputError(f"The measure is {measure!r}; use one of {', '.join(MEASURES)}.")
        counted = tuple(kind for kind in KINDS if kind in (kinds or ()))
        best = best_of(result, measure, counted, self.use.present())
        tied = best.tied if best is not None else ()
        choice = choice_of(result, wanted) or next(iter(tied), result.cells[0].choice)
        cell = result.cell(choice)
        assert cell is not None  # it came from the result
        epsilon = cell.epsilon(FALSE_MATCHES[measure], counted)
        options = [(option_words(one, measure, counted), choice_id(one.choice)) for one in result.cells]
        return {
            self.result: gr.update(visible=True),
            self.summary: self._summary(measure, kinds),
            self.heat: figure_value(
                separation_figure(result, measure, counted, choice, tied),
                note=f"{EXPLAINED[measure]} 1 is best. Outlined: the choice shown below; dotted: not told apart from the best.",
                table=separation_table(result, counted),
            ),
            self.choice: gr.update(choices=options, value=choice_id(choice)),
            self.histogram: figure_value(
                distances_figure(cell, counted, epsilon),
                note=distances_note(cell, counted, epsilon),
                table=distances_table(cell, counted),
            ),
            **self.use.drawn(choice, epsilon),
        }

    def _summary(self, measure: Measure, kinds: Sequence[Kind] | None) -> Any:
        result = self.kept.value
        assert result is not None
        counted = tuple(kind for kind in KINDS if kind in (kinds or ()))
        return message_value(summary(result, measure, counted, self.use.present()), "plain")


def _heading(text: str) -> None:
    gr.HTML(f'<h2 class="gs-heading">{text}</h2>', apply_default_css=False, elem_classes="gs-part")


def build_calibrate(context: PageContext) -> None:
    """Builds this part inside the current tab."""
    FitPart(context)
    CalibratePart(context)
    MovePart(context)
