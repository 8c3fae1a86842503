"""Lab › Calibrate › Learned encoder: move a codebook that reads its queries otherwise to it, after a look at what changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial

import gradio as gr

from app.studio.jobs import Job
from app.studio.query_space import Foreseen
from app.ui.components.message import NONE, build_message, message_value
from app.ui.lab.changed_table import NOTHING, changed_value
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.run import Updates, only, run_job, streams
from app.ui.lab.table import build_lab_table
from app.ui.session import PageContext, Session, bind

FILE = "grace-studio-moved-answers"
INTRO = (
    "The learned encoder tells both who or what a prompt is about and what it asks, so that an edit answers its question in "
    "other words and no other question about the same subject. It was fitted once for this model, and no edit changes it. "
    "This codebook reads its queries otherwise. Moving reads every prompt of the journal anew; “Go back” above returns."
)
THERE = "This codebook uses the learned encoder: it tells who or what a prompt is about and what it asks, and no edit changes it."
_FIRST = "Show what would change first."


class MovePart:
    """Its components and events. What a browser has looked at is its own."""

    def __init__(self, context: PageContext) -> None:
        """Builds the components where it is called."""
        self.context, self.studio = context, context.studio
        self.seen = gr.State(None)
        can = self._can_move()
        with gr.Column(elem_classes="gs-panel"):
            gr.HTML('<h2 class="gs-heading">Learned encoder</h2>', apply_default_css=False, elem_classes="gs-part")
            self.note = build_message("gs-move-note", message_value(INTRO if can else THERE, "plain"))
            with gr.Row(elem_classes="gs-actions"):
                self.stop = gr.Button("Stop", visible=False, elem_id="gs-move-stop")
                self.look = gr.Button("Show what would change", visible=can, elem_id="gs-move-look")
                self.go = gr.Button("Use it", variant="primary", interactive=False, visible=can, elem_id="gs-move-go")
            self.message = build_message("gs-move-message")
            self.progress = build_lab_progress("gs-move-progress", "Progress of reading the journal's prompts")
            self.changed = build_lab_table("gs-move-changed", "Logged queries that change their answer under the learned encoder")
        self._bind()

    def _bind(self) -> None:
        session, revision = self.context.session, self.context.revision
        shown = [self.message, self.changed, self.seen, self.go, self.progress, self.look, self.stop]
        bind(self.look.click, self.on_look, [session], shown)
        bind(self.go.click, self.on_go, [self.seen, self.context.author, session], [*shown, revision])
        bind(self.stop.click, Session.cancel, session, queue=False)
        bind(self.context.redraw.change, self.on_revision, None, [self.note, self.look, self.go])

    @streams
    def on_look(self, session: Session) -> AsyncIterator[Updates]:
        """Say what would change, and let it be done."""

        def finish(found: Foreseen) -> Updates:
            return {
                self.message: message_value(_answers(found, "would be"), "plain"),
                self.changed: changed_value(found.changed, FILE),
                self.seen: found.seen,
                self.go: gr.update(interactive=True),
            }

        return self._job(session, self.studio.foresee_learned, finish)

    @streams
    def on_go(self, seen: int | None, author: str, session: Session) -> AsyncIterator[Updates]:
        """Two events in the journal, if nothing has changed since the look."""
        if seen is None:
            return only({self.message: message_value(_FIRST), self.go: gr.update(interactive=False)})

        def finish(found: Foreseen) -> Updates:
            return {
                **self._fresh(),
                self.message: message_value(f"The learned encoder reads queries now. {_answers(found, 'are')}", "good"),
                self.changed: changed_value(found.changed, FILE),
                self.context.revision: self.studio.revision(),
            }

        return self._job(session, partial(self.studio.use_learned, seen=seen, author=author), finish)

    def on_revision(self) -> Updates:
        """The encoder may be another one now."""
        can = self._can_move()
        shown = gr.update(visible=can)
        return {self.note: message_value(INTRO if can else THERE, "plain"), self.look: shown, self.go: shown}

    def _job(
        self, session: Session, ask: Callable[..., Job[Foreseen]], finish: Callable[[Foreseen], Updates]
    ) -> AsyncIterator[Updates]:
        off = gr.update(interactive=False)
        return run_job(
            session, ask, finish,
            message=self.message, progress=self.progress, first="Reading prompts",
            running={self.look: off, self.go: off, self.stop: gr.update(visible=True)},
            ended=lambda: {self.look: gr.update(interactive=True), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def _fresh(self) -> Updates:
        return {self.message: NONE, self.changed: NOTHING, self.seen: None, self.go: gr.update(interactive=False)}

    def _can_move(self) -> bool:
        return self.studio.query_space().config.encoding != "learned"


def _answers(found: Foreseen, verb: str) -> str:
    if not found.queries:
        return "No query is logged yet, so nothing can change its answer."
    return f"{len(found.changed):,} of {found.queries:,} logged queries {verb} answered otherwise."
