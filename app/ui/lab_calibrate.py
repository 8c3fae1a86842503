"""Lab › Calibrate: which layer, pooling and encoding separate paraphrases from the rest, and which ε goes with them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from app.adoption import adoption
from app.jobs import Job
from app.lab_results import LabResult, result_file
from app.prompt_file import read_prompts
from app.separation_figures import (
    ENCODING_LABELS,
    FALSE_MATCHES,
    KIND_LABELS,
    MEASURES,
    POOL_LABELS,
    Measure,
    best_choice,
    choice_id,
    choice_of,
    choice_words,
    distances_figure,
    distances_table,
    measured,
    separation_figure,
    separation_table,
)
from app.ui.components.figure import build_figure, figure_value
from app.ui.components.lab_progress import NO_STAGE, Stage, build_lab_progress, stage_value
from app.ui.components.lab_table import build_lab_table, rows_value
from app.ui.components.message import NONE, build_message, message_value
from app.ui.lab_run import stages
from app.ui.session import BUSY, PageContext, Session, failure_text, private
from grace_core.codebook import Codebook
from grace_core.config import Encoding, Pool
from grace_core.errors import Cancelled, InputError
from grace_core.models import LanguageModel
from grace_core.scan import ENCODINGS, POOLS, Changed, Scan, default_layers, make_sample, preview, scan
from grace_core.separation import KINDS, Choice, Kind, Separation

LOGGED = 1000
"""Logged queries that a preview asks again, at most; the latest."""
_SHIPPED = "Unrelated prompts: those shipped with the studio."
_COUNTED: dict[Kind, str] = {
    "unrelated": "unrelated prompts",
    "siblings": "edited questions asked about others",
    "edits": "other edits' prompts",
}
Updates = dict[Any, Any]


class CalibratePart:
    """The components and their events. The last result is shared by all browsers and survives a restart."""

    def __init__(self, context: PageContext) -> None:
        self.context, self.bench = context, context.bench
        self.kept: LabResult[Scan] = LabResult(result_file(self.bench.status(), "calibrate"), Scan.from_dict)
        self.shown = gr.State(0)
        self.own = gr.State(())
        self._layout_request()
        with gr.Column(visible=False, elem_id="gs-calibrate-result") as self.result:
            self._layout_result()
            self._layout_use()
        self._bind()

    # -- what stands where ---------------------------------------------------------------------------------------------

    def _layout_request(self) -> None:
        blocks = self.bench.blocks
        with gr.Column(elem_classes="gs-panel"):
            _heading("Calibrate: where should queries be read?")
            self.intro = build_message(
                "gs-calibrate-intro",
                message_value(
                    "Every choice of layer, pooling and encoding is another space of queries. Here the edits' paraphrases are "
                    "measured against prompts that must not match, so that you see which space keeps them apart, and at "
                    "which ε. Nothing is changed.",
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
                    "Use your own (CSV)", file_types=[".csv"], variant="secondary", elem_id="gs-calibrate-file"
                )
                self.stop = gr.Button("Stop", visible=False, elem_id="gs-calibrate-stop")
                self.go = gr.Button("Measure", variant="primary", elem_id="gs-calibrate-go")

    def _layout_result(self) -> None:
        with gr.Column(elem_classes="gs-panel"):
            _heading("Separation")
            self.summary = build_message("gs-calibrate-summary")
            with gr.Row():
                self.measure = gr.Radio(
                    label="Show",
                    choices=[(words, name) for name, words in MEASURES.items()],
                    value="recall1",
                    elem_id="gs-calibrate-measure",
                )
                self.kinds = gr.CheckboxGroup(
                    label="What must not match",
                    choices=[(KIND_LABELS[kind], kind) for kind in KINDS],
                    value=list(KINDS),
                    elem_id="gs-calibrate-kinds",
                )
            self.heat = build_figure(
                elem_id="gs-calibrate-heat",
                label="Separation by layer, pooling and encoding",
                filename="grace-studio-calibration",
                height=260,
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

    def _layout_use(self) -> None:
        with gr.Column(elem_classes="gs-panel"):
            _heading("Use this")
            self.use_note = build_message("gs-calibrate-use-note")
            with gr.Row(elem_classes="gs-field-row"):
                self.epsilon = gr.Number(
                    label="ε for every key (suggested by the histogram)", minimum=0, elem_id="gs-calibrate-epsilon", scale=1
                )
                self.preview_stop = gr.Button("Stop", visible=False, elem_id="gs-calibrate-preview-stop", scale=0)
                self.preview = gr.Button("Show what would change", elem_id="gs-calibrate-preview", scale=0)
            self.use_message = build_message("gs-calibrate-use-message")
            self.use_progress = build_lab_progress("gs-calibrate-use-progress", "Progress of the preview")
            self.changed = build_lab_table("gs-calibrate-changed", "Logged queries that would change their answer")
            self.command = gr.Code(
                label="To start the studio with this choice", language="shell", interactive=False, elem_id="gs-calibrate-command",
                lines=1,
            )  # fmt: skip

    # -- events --------------------------------------------------------------------------------------------------------

    def _bind(self) -> None:
        session = self.context.session
        views = [self.measure, self.kinds, self.choice]
        drawn = [self.result, self.summary, self.heat, self.choice, self.histogram, self.epsilon, self.use_note, self.command]
        fresh = [self.use_message, self.changed]
        private(
            self.go.click,
            self.on_measure,
            [self.layers, self.pools, self.encodings, self.edits, self.unrelated, self.own, self.measure, self.kinds, session],
            [self.message, self.progress, self.go, self.stop, self.preview, self.shown, *drawn, *fresh],
        )
        private(self.file.upload, self.on_file, self.file, [self.own, self.file_note, self.shipped])
        private(self.shipped.click, self.on_shipped, None, [self.own, self.file_note, self.shipped])
        for button in (self.stop, self.preview_stop):
            private(button.click, lambda own: own.cancel(), session, queue=False)
        private(self.context.revision.change, self.on_revision, [self.shown, *views], [self.shown, *drawn])
        private(gr.on, [self.measure.input, self.kinds.input], self.on_view, views, drawn)
        private(self.choice.input, self.on_view, views, [*drawn, *fresh])
        private(self.heat.point_click, self.on_cell, views[:2], [*drawn, *fresh])
        private(self.epsilon.input, self.on_epsilon, [self.choice, self.epsilon], self.command)
        private(
            self.preview.click,
            self.on_preview,
            [self.choice, self.epsilon, session],
            [self.use_message, self.use_progress, self.changed, self.preview, self.go, self.preview_stop],
        )

    def on_file(self, file: str) -> Updates:
        """A person's own unrelated prompts; a file that cannot be used is refused at once, and what was chosen stays."""
        try:
            prompts = read_prompts(Path(file))
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            return {self.file_note: message_value(failure_text(error))}
        said = f"Must not match: {len(prompts):,} prompts of {Path(file).name}."
        return {self.own: prompts, self.file_note: message_value(said, "plain"), self.shipped: gr.update(visible=True)}

    def on_shipped(self) -> Updates:
        return {self.own: (), self.file_note: message_value(_SHIPPED, "plain"), self.shipped: gr.update(visible=False)}

    def on_measure(
        self, layers: list[int], pools: list[Pool], encodings: list[Encoding], edits: float, unrelated: float,
        own: tuple[str, ...], measure: Measure, kinds: list[Kind], session: Session,
    ) -> Iterator[Updates]:  # fmt: skip
        """Run the scan on the model's thread; the last result stays until this one is finished."""
        if session.job is not None:
            yield {self.message: message_value(BUSY, "note")}
            return
        chosen_layers = tuple(sorted({int(layer) for layer in layers}))
        chosen_pools = tuple(pool for pool in POOLS if pool in pools)
        chosen_encodings = tuple(encoding for encoding in ENCODINGS if encoding in encodings)

        def work(model: LanguageModel, codebook: Codebook, job: Job[Scan]) -> Scan:
            began = time.monotonic()
            sample = make_sample(model, codebook.edits, unrelated=own, max_edits=int(edits), max_unrelated=int(unrelated))
            cells = scan(
                model, codebook.config, sample, chosen_layers, chosen_pools, chosen_encodings,
                progress=lambda words, fraction: job.report(Stage(words, fraction)), cancelled=lambda: job.cancelled,
            )  # fmt: skip
            counts = {kind: len(distances) for kind, distances in cells[0].others.items()}
            return Scan(
                chosen_layers, chosen_pools, chosen_encodings, len(sample.keys), len(sample.paraphrases), sample.made, counts,
                len(sample.fit), time.monotonic() - began, cells,
            )  # fmt: skip

        done: Updates
        try:
            session.job = job = self.bench.run(work)
            yield {
                self.message: NONE,
                self.progress: stage_value(Stage("Choosing prompts", 0.0)),
                self.go: gr.update(interactive=False),
                self.preview: gr.update(interactive=False),
                self.stop: gr.update(visible=True),
            }
            for stage in stages(job):
                yield {self.progress: stage_value(stage)}
            self.kept.keep(job.result())
            done = {self.shown: self.kept.number, **self._drawn(measure, kinds, None), **self._fresh()}
        except Cancelled as error:
            done = {self.message: message_value(str(error), "note")}
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            done = {self.message: message_value(failure_text(error))}
        finally:
            session.job = None
        yield {
            self.progress: NO_STAGE,
            self.go: gr.update(interactive=True),
            self.preview: gr.update(interactive=True),
            self.stop: gr.update(visible=False),
            **done,
        }

    def on_revision(self, shown: int, measure: Measure, kinds: list[Kind], chosen: str | None) -> Updates:
        """A fresh page, or another browser's new result: show the last one."""
        if shown == self.kept.number:
            return {self.shown: shown}
        return {self.shown: self.kept.number, **self._drawn(measure, kinds, chosen)}

    def on_view(self, measure: Measure, kinds: list[Kind], chosen: str | None) -> Updates:
        return self._drawn(measure, kinds, chosen)

    def on_cell(self, measure: Measure, kinds: list[Kind], event: gr.EventData) -> Updates:
        return {**self._drawn(measure, kinds, str(event.id)), **self._fresh()}

    def on_epsilon(self, chosen: str | None, epsilon: float | None) -> Any:
        result = self.kept.value
        choice = choice_of(result, chosen) if result is not None else None
        return gr.skip() if choice is None or not epsilon else self._how(choice, epsilon)

    def on_preview(self, chosen: str | None, epsilon: float | None, session: Session) -> Iterator[Updates]:
        """Ask the logged queries again under the choice, without changing anything."""
        if session.job is not None:
            yield {self.use_message: message_value(BUSY, "note")}
            return
        result = self.kept.value
        choice = choice_of(result, chosen) if result is not None else None
        if choice is None or not epsilon:
            yield {self.use_message: message_value("Choose a cell and an ε above 0 first.")}
            return
        asked = [(query.prompt, query.edit_id) for query in self.bench.map_view(max_queries=LOGGED).queries]
        wanted = choice

        def work(model: LanguageModel, codebook: Codebook, job: Job[tuple[Changed, ...]]) -> tuple[Changed, ...]:
            return preview(
                model, codebook, wanted, epsilon, asked, cancelled=lambda: job.cancelled,
                progress=lambda words, fraction: job.report(Stage(words, fraction)),
            )  # fmt: skip

        done: Updates
        try:
            session.job = job = self.bench.run(work)
            yield {
                self.use_message: NONE,
                self.use_progress: stage_value(Stage("Reading prompts", 0.0)),
                self.preview: gr.update(interactive=False),
                self.go: gr.update(interactive=False),
                self.preview_stop: gr.update(visible=True),
            }
            for stage in stages(job):
                yield {self.use_progress: stage_value(stage)}
            done = self._previewed(job.result(), len(asked), choice, epsilon)
        except Cancelled:
            done = {self.use_message: message_value("Stopped.", "note")}
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            done = {self.use_message: message_value(failure_text(error))}
        finally:
            session.job = None
        yield {
            self.use_progress: NO_STAGE,
            self.preview: gr.update(interactive=True),
            self.go: gr.update(interactive=True),
            self.preview_stop: gr.update(visible=False),
            **done,
        }

    # -- drawing -------------------------------------------------------------------------------------------------------

    def _drawn(self, measure: Measure, kinds: Sequence[Kind], wanted: str | None) -> Updates:
        """The last result as these settings show it; a choice that it does not hold gives way to its best one."""
        result = self.kept.value
        if result is None:
            return {self.result: gr.update(visible=False)}
        if measure not in get_args(Measure):
            raise InputError(f"The measure is {measure!r}; use one of {', '.join(MEASURES)}.")
        counted = tuple(kind for kind in KINDS if kind in kinds)
        choice = choice_of(result, wanted) or best_choice(result, measure, counted) or result.cells[0].choice
        cell = result.cell(choice)
        assert cell is not None  # it came from the result
        epsilon = cell.epsilon(FALSE_MATCHES[measure], counted)
        options = [(_option(one, measure, counted), choice_id(one.choice)) for one in result.cells]
        return {
            self.result: gr.update(visible=True),
            self.summary: message_value(summary(result, measure, counted, self._present()), "plain"),
            self.heat: figure_value(
                separation_figure(result, measure, counted, choice),
                note=f"{_EXPLAINED[measure]} 1 is best; the outlined cell is shown below.",
                table=separation_table(result, counted),
            ),
            self.choice: gr.update(choices=options, value=choice_id(choice)),
            self.histogram: figure_value(
                distances_figure(cell, counted, epsilon),
                note=distances_note(cell, counted, epsilon),
                table=distances_table(cell, counted),
            ),
            self.epsilon: None if epsilon is None else float(f"{epsilon:.4g}"),
            self.use_note: message_value(self._use_note(choice), "plain"),
            self.command: gr.skip() if epsilon is None else self._how(choice, float(f"{epsilon:.4g}")),
        }

    def _fresh(self) -> Updates:
        """No preview yet for this choice."""
        return {self.use_message: NONE, self.changed: rows_value((), ())}

    def _present(self) -> Choice:
        config = self.bench.codebook.config
        assert config.key_layer is not None  # resolved
        return Choice(config.key_layer, config.pool, config.encoding)

    def _use_note(self, choice: Choice) -> str:
        if choice == self._present():
            return "This codebook reads its queries this way already; another ε can be tried under “What if ε?”."
        words = (
            f"This codebook reads queries at {choice_words(self._present())}. Switching to {choice_words(choice)} begins another "
            "codebook beside it: the edits stay in the present one, and must be made again there."
        )
        if adoption(self.bench.codebook.config, choice, 1.0, self.bench.blocks).moves_values:
            words += " Values would move up to the key layer, since a query must be read before a value is written."
        return words

    def _how(self, choice: Choice, epsilon: float) -> Any:
        way = adoption(self.bench.codebook.config, choice, epsilon, self.bench.blocks)
        if way.command is not None:
            return gr.update(value=way.command, language="shell", label="To start the studio with this choice")
        label = "The command line has no flags for this pooling and encoding; in Python, this is the configuration"
        return gr.update(value=way.options, language="python", label=label)

    def _previewed(self, changed: Sequence[Changed], asked: int, choice: Choice, epsilon: float) -> Updates:
        prompts = {entry.edit_id: entry.prompt for entry in self.bench.codebook.entries}

        def who(edit_id: str | None) -> str:
            return "the model itself" if edit_id is None else f"the edit of “{prompts.get(edit_id, edit_id)}”"

        rows = [(one.prompt, who(one.before), who(one.after)) for one in changed]
        said = (
            "No query is logged yet, so nothing can change its answer."
            if not asked
            else f"With {choice_words(choice)} and ε {epsilon:g}, {len(changed):,} of the latest {asked:,} logged queries would "
            "be answered otherwise."
        )
        return {
            self.use_message: message_value(said, "plain"),
            self.changed: rows_value(("Logged query", "Answered now by", "Would be answered by"), rows),
        }


_EXPLAINED: dict[Measure, str] = {
    "recall1": "Share of paraphrases that their own key answers at the largest ε at which 1 % of what must not match does.",
    "recall0": "Share of paraphrases that their own key answers at the largest ε at which nothing matches that must not.",
    "auc": "Chance that a paraphrase is nearer to its key than a prompt that must not match is to its nearest key.",
}


def summary(result: Scan, measure: Measure, kinds: Sequence[Kind], present: Choice) -> str:
    """What was measured, and how the best choice compares with the present one."""
    made = ""
    if result.made:
        made = f" ({result.made} made here by rewording, as their edits have none; a person's own are harder)"
    against = ", ".join(f"{result.counts.get(kind, 0)} {_COUNTED[kind]}" for kind in kinds)
    parts = [
        f"{result.keys} keys, {result.paraphrases} paraphrases{made}, against {against or 'nothing: tick what must not match'}.",
        f"Whitening was fitted on {result.fit} other prompts and the keys. It took {result.seconds:.0f} s.",
    ]
    best = best_choice(result, measure, kinds)
    own = result.cell(present)
    top = result.cell(best) if best is not None else None
    if best is not None and top is not None:
        score = measured(top, measure, kinds)
        parts.append(f"Best: {choice_words(best)} ({score:.2f}).")
        if own is not None and best != present:
            parts.append(f"In use now: {choice_words(present)} ({measured(own, measure, kinds):.2f}).")
        elif best == present:
            parts.append("That is what this codebook uses.")
    return " ".join(parts)


def distances_note(cell: Separation, kinds: Sequence[Kind], epsilon: float | None) -> str:
    """The figure in one sentence."""
    words = f"Distances with {choice_words(cell.choice)}."
    if epsilon is None:
        return words
    reached, touched = cell.shares(epsilon, kinds)
    if not reached:
        return f"{words} No paraphrase is nearer than what must not match, so no ε separates them."
    return f"{words} At the suggested ε of {epsilon:.3g}, {reached:.0%} of the paraphrases and {touched:.1%} of the rest match."


def _option(cell: Separation, measure: Measure, kinds: Sequence[Kind]) -> str:
    score = measured(cell, measure, kinds)
    return choice_words(cell.choice) + ("" if score is None else f" ({score:.2f})")


def _heading(text: str) -> None:
    gr.HTML(f'<h2 class="gs-heading">{text}</h2>', apply_default_css=False, elem_classes="gs-part")


def build_calibrate(context: PageContext) -> None:
    """Builds this part inside the current tab."""
    CalibratePart(context)
