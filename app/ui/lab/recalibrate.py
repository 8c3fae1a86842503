"""Lab › Calibrate › Recalibrate: let the journal's own prompts join the encoder's background, by hand and after a look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import gradio as gr

from app.charts.labels import counted
from app.studio.query_space import Foreseen
from app.ui.components.message import NONE, build_message, message_value
from app.ui.lab.changed_table import NOTHING, changed_value
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.run import Updates, only, run_job, streams
from app.ui.lab.table import build_lab_table
from app.ui.session import PageContext, Session, bind, failure_text

FILE = "grace-studio-recalibrated-answers"
INTRO = (
    "The encoder tells prompts apart by what is usual among those that it knows: its background. Edited prompts and logged "
    "queries can join it, which keeps questions in the same words apart. Everything is computed from what is stored, and no "
    "model runs. Undoing an edit later does not take its prompt out again."
)
RAW = (
    "Queries are raw here, compared as they are, so there is no encoder to calibrate. “Use this” can choose a whitened encoding."
)
_FIRST = "Show what would change first."


class RecalibratePart:
    """Its components and events. What a browser has looked at is its own."""

    def __init__(self, context: PageContext) -> None:
        """Builds the components where it is called."""
        self.context, self.studio = context, context.studio
        self.seen = gr.State(None)
        whitened = self._whitened()
        with gr.Column(elem_classes="gs-panel"):
            heading = '<h2 class="gs-heading">Recalibrate on this journal’s prompts</h2>'
            gr.HTML(heading, apply_default_css=False, elem_classes="gs-part")
            self.note = build_message("gs-recalibrate-note", message_value(INTRO if whitened else RAW, "plain"))
            with gr.Row(elem_classes="gs-actions"):
                self.stop = gr.Button("Stop", visible=False, elem_id="gs-recalibrate-stop")
                self.look = gr.Button("Show what would change", interactive=whitened, elem_id="gs-recalibrate-look")
                self.go = gr.Button("Recalibrate", variant="primary", interactive=False, elem_id="gs-recalibrate-go")
            self.message = build_message("gs-recalibrate-message")
            self.progress = build_lab_progress("gs-recalibrate-progress", "Progress of the recalibration")
            self.changed = build_lab_table("gs-recalibrate-changed", "Logged queries that change their answer by recalibrating")
        self._bind()

    def _bind(self) -> None:
        session, revision = self.context.session, self.context.revision
        shown = [self.message, self.changed, self.seen, self.go]
        bind(self.look.click, self.on_look, None, shown)
        bind(
            self.go.click,
            self.on_go,
            [self.seen, self.context.author, session],
            [*shown, self.progress, self.look, self.stop, revision],
        )
        bind(self.stop.click, Session.cancel, session, queue=False)
        bind(self.context.redraw.change, self.on_revision, None, [self.note, self.look])

    def on_look(self) -> Updates:
        """Say what would change, and let it be done."""
        try:
            found = self.studio.foresee_recalibration()
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            return {**self._fresh(), self.message: message_value(failure_text(error), "note")}
        words = (
            f"{counted(found.edits, 'edited prompt')} and {counted(found.queries, 'logged prompt')} would join the background. "
        )
        words += _answers(found.foreseen, "would be")
        return {
            self.message: message_value(words, "plain"),
            self.changed: changed_value(found.foreseen.changed, FILE),
            self.seen: found.foreseen.seen,
            self.go: gr.update(interactive=True),
        }

    @streams
    def on_go(self, seen: int | None, author: str, session: Session) -> AsyncIterator[Updates]:
        """One event in the journal, if nothing has changed since the look."""
        if seen is None:
            return only({self.message: message_value(_FIRST), self.go: gr.update(interactive=False)})

        def finish(found: Foreseen) -> Updates:
            return {
                **self._fresh(),
                self.message: message_value(f"Recalibrated. {_answers(found, 'are')}", "note"),
                self.changed: changed_value(found.changed, FILE),
                self.context.revision: self.studio.revision(),
            }

        off = gr.update(interactive=False)
        return run_job(
            session, partial(self.studio.recalibrate, seen=seen, author=author), finish,
            message=self.message, progress=self.progress, first="Recalibrating",
            running={self.look: off, self.go: off, self.stop: gr.update(visible=True)},
            ended=lambda: {self.look: gr.update(interactive=True), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def on_revision(self) -> Updates:
        """The encoding may be another one now."""
        whitened = self._whitened()
        return {self.note: message_value(INTRO if whitened else RAW, "plain"), self.look: gr.update(interactive=whitened)}

    def _fresh(self) -> Updates:
        return {self.message: NONE, self.changed: NOTHING, self.seen: None, self.go: gr.update(interactive=False)}

    def _whitened(self) -> bool:
        return self.studio.query_space().config.encoding == "whiten"


def _answers(found: Foreseen, verb: str) -> str:
    if not found.queries:
        return "No query is logged yet, so nothing can change its answer."
    return f"{len(found.changed):,} of {found.queries:,} logged queries {verb} answered otherwise."
