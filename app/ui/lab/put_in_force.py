"""Lab › Calibrate › Use this: what a choice would change, putting it in force, and going back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr

from app.lab.kept_results import LabResult
from app.lab.query_scan import choice_id, choice_of, choice_words
from app.lab.start_command import adoption
from app.studio.query_space import Foreseen
from app.ui.components.message import NONE, build_message, message_value
from app.ui.lab.changed_table import NOTHING, changed_value
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.query_spaces import build_query_spaces, query_space_words, query_spaces_value
from app.ui.lab.run import Updates, only, run_job, streams
from app.ui.lab.table import build_lab_table
from app.ui.sent import OfReading, read
from app.ui.session import PageContext, Session, bind
from grace_core.measuring.distances import Choice
from grace_core.measuring.query_scan import Scan

Seen = tuple[str, float, int]
"""What was previewed: the choice's id, its ε, and the state that the preview is of."""
FILE = "grace-studio-changed-answers"
_FIRST = "Show what would change first: it must be for this very choice and ε."


class UsePart:
    """Its components and events. What a browser has previewed is its own; the readings are the codebook's."""

    def __init__(self, context: PageContext, kept: LabResult[Scan], choice: gr.Dropdown) -> None:
        """kept: the last scan, whose choices are offered in `choice`. Builds the components where it is called."""
        self.context, self.studio, self.kept, self.choice = context, context.studio, kept, choice
        self.seen = gr.State(None)
        with gr.Column(elem_classes="gs-panel"):
            gr.HTML('<h2 class="gs-heading">Use this</h2>', apply_default_css=False, elem_classes="gs-part")
            self.note = build_message("gs-calibrate-use-note")
            with gr.Row(elem_classes="gs-field-row"):
                self.epsilon = gr.Number(
                    label="ε for every key (suggested by the histogram)", minimum=0, elem_id="gs-calibrate-epsilon", scale=1
                )
                self.stop = gr.Button("Stop", visible=False, elem_id="gs-calibrate-preview-stop", scale=0)
                self.preview = gr.Button("Show what would change", elem_id="gs-calibrate-preview", scale=0)
                self.use = gr.Button("Use this", variant="primary", interactive=False, elem_id="gs-calibrate-use", scale=0)
            self.message = build_message("gs-calibrate-use-message")
            self.progress = build_lab_progress("gs-calibrate-use-progress", "Progress of reading the journal's prompts")
            self.changed = build_lab_table("gs-calibrate-changed", "Logged queries that change their answer")
            self.command = gr.Code(
                label="To start the studio with this choice", interactive=False, elem_id="gs-calibrate-command",
                lines=1, show_line_numbers=False,
            )  # fmt: skip

    def build_readings(self) -> None:
        """The list of readings, in a panel of its own: there is a way back even where nothing was measured."""
        with gr.Column(elem_classes="gs-panel"):
            gr.HTML('<h2 class="gs-heading">How prompts were read</h2>', apply_default_css=False, elem_classes="gs-part")
            self.back_message = build_message("gs-readings-message")
            self.back_progress = build_lab_progress("gs-readings-progress", "Progress of going back")
            self.back_stop = gr.Button("Stop", visible=False, elem_id="gs-readings-stop", size="sm")
            self.readings = build_query_spaces(query_spaces_value(self.studio.query_spaces()))

    def bind(self) -> None:
        """Bind the events; after `build_readings`."""
        session, revision = self.context.session, self.context.revision
        for button in (self.stop, self.back_stop):
            bind(button.click, Session.cancel, session, queue=False)
        bind(self.epsilon.input, self.on_epsilon, [self.choice, self.epsilon], [self.command, *self.fresh()])
        buttons = [self.preview, self.use, self.stop]
        told = [self.message, self.progress, self.changed, self.seen, *buttons]
        bind(self.preview.click, self.on_preview, [self.choice, self.epsilon, session], told)
        bind(
            self.use.click,
            self.on_use,
            [self.choice, self.epsilon, self.seen, self.context.author, session],
            [*told, self.note, self.readings, revision],
        )
        bind(
            self.readings.go_back,
            self.on_back,
            [self.choice, self.context.author, session],
            [
                self.back_message,
                self.back_progress,
                self.back_stop,
                self.note,
                self.preview,
                self.readings,
                *self.fresh(),
                revision,
            ],
        )
        bind(self.context.redraw.change, self.on_revision, [self.choice, session], [self.note, self.preview, self.readings])

    # -- events --------------------------------------------------------------------------------------------------------

    def on_epsilon(self, chosen: str | None, epsilon: float | None) -> Updates:
        """Another ε: what was previewed is of no use for it."""
        choice = self._chosen(chosen)
        return self.fresh() if choice is None or not epsilon else {self.command: self.how(choice, epsilon), **self.fresh()}

    @streams
    def on_preview(self, chosen: str | None, epsilon: float | None, session: Session) -> AsyncIterator[Updates]:
        """Read everything under the choice, without changing anything."""
        choice = self._chosen(chosen)
        if choice is None or not epsilon:
            return only({self.message: message_value("Choose a cell and an ε above 0 first.")})

        def finish(found: Foreseen) -> Updates:
            return {
                self.message: message_value(foreseen_words(found, choice, epsilon), "plain"),
                self.changed: changed_value(found.changed, FILE),
                self.seen: (choice_id(choice), epsilon, found.seen),
                self.use: gr.update(interactive=True),
            }

        return self._job(session, choice, partial(self.studio.foresee_query_space, choice, epsilon), finish)

    @streams
    def on_use(
        self, chosen: str | None, epsilon: float | None, seen: Seen | None, author: str, session: Session
    ) -> AsyncIterator[Updates]:
        """Put in force what was previewed."""
        choice = self._chosen(chosen)
        if choice is None or not epsilon or seen is None or seen[:2] != (choice_id(choice), epsilon):
            return only({self.message: message_value(_FIRST), self.use: gr.update(interactive=False)})

        def finish(found: Foreseen) -> Updates:
            words = (
                f"Queries are now read at {choice_words(choice)}, and every edit made so far asks for ε {epsilon:g}. "
                f"{answers_words(found)} “Go back” below returns to how it was, exactly."
            )
            return {
                **self.fresh(),
                self.message: message_value(words, "good"),
                self.changed: changed_value(found.changed, FILE),
                **self._now(choice),
            }

        ask = partial(self.studio.use_query_space, choice, epsilon, seen=seen[2], author=author)
        return self._job(session, choice, ask, finish)

    @streams
    def on_back(self, chosen: str | None, author: str, session: Session, event: gr.EventData) -> AsyncIterator[Updates]:
        """Return to a former reading."""
        reading_id = read(event, OfReading).reading_id

        def finish(found: Foreseen) -> Updates:
            now = next(row for row in self.studio.query_spaces() if row.in_force)
            words = f"Queries are read at {query_space_words(now)} again, with the keys and radii of then. {answers_words(found)}"
            return {**self.fresh(), self.back_message: message_value(words, "good"), **self._now(self._chosen(chosen))}

        return run_job(
            session, partial(self.studio.return_to, reading_id, author=author), finish,
            message=self.back_message, progress=self.back_progress, first="Reading prompts",
            running={self.back_stop: gr.update(visible=True)},
            # Also where it was refused: drawing the list anew frees its buttons.
            ended=lambda: {
                self.back_stop: gr.update(visible=False), self.readings: query_spaces_value(self.studio.query_spaces()),
            },
        )  # fmt: skip

    def on_revision(self, chosen: str | None, session: Session) -> Updates:
        """Somebody may have changed how prompts are read. A job of this page keeps its buttons until it ends."""
        choice = self._chosen(chosen)
        note = gr.skip() if choice is None else message_value(self.use_note(choice), "plain")
        offered = gr.skip() if choice is None or session.busy else self.offered(choice)
        return {self.note: note, self.preview: offered, self.readings: query_spaces_value(self.studio.query_spaces())}

    # -- drawing -------------------------------------------------------------------------------------------------------

    def drawn(self, choice: Choice, epsilon: float | None) -> Updates:
        """Everything about a choice, with the ε that is suggested for it."""
        rounded = None if epsilon is None else float(f"{epsilon:.4g}")
        return {
            self.epsilon: rounded,
            self.note: message_value(self.use_note(choice), "plain"),
            self.command: gr.update(value="") if rounded is None else self.how(choice, rounded),
            self.preview: self.offered(choice),
        }

    def fresh(self) -> Updates:
        """No preview yet for this choice and ε."""
        return {self.message: NONE, self.changed: NOTHING, self.seen: None, self.use: gr.update(interactive=False)}

    def present(self) -> Choice:
        """How queries are read now."""
        return self.studio.query_space().choice

    def offered(self, choice: Choice) -> Any:
        """Whether a preview can be asked for: not of the choice that is in use, of which there is nothing to show."""
        return gr.update(interactive=choice != self.present())

    def offered_for(self, chosen: str | None) -> Any:
        """`offered` for the choice of this id in the last result; where it holds none, what is drawn next decides."""
        choice = self._chosen(chosen)
        return gr.update(interactive=False) if choice is None else self.offered(choice)

    def use_note(self, choice: Choice) -> str:
        """What Use this would do with a choice, in one or two sentences."""
        space = self.studio.query_space()
        present = space.choice
        if choice == present:
            return (
                "This codebook reads its queries this way already, so there is no change to show; another ε can be tried under "
                "“What if ε?”."
            )
        if adoption(space.config, choice, 1.0, space.blocks).moves_values:
            return (
                f"{choice_words(choice).capitalize()} is above the layer where values are put in: they would have to be learned "
                "anew. The command below starts the studio with another codebook beside this one; the edits stay here."
            )
        return (
            f"This codebook reads queries at {choice_words(present)}. Switching to {choice_words(choice)} reads every edit and "
            "every logged query anew; nothing is learned again, and you can go back exactly."
        )

    def how(self, choice: Choice, epsilon: float) -> Any:
        """The command, or the library's options."""
        space = self.studio.query_space()
        way = adoption(space.config, choice, epsilon, space.blocks)
        if way.command is not None:
            return gr.update(value=way.command, label="To start the studio with this choice")
        label = "The command line has no flags for this pooling and encoding; in Python, this is the configuration"
        return gr.update(value=way.options, label=label)

    def _now(self, choice: Choice | None) -> Updates:
        note = gr.skip() if choice is None else message_value(self.use_note(choice), "plain")
        return {
            self.note: note,
            self.preview: gr.skip() if choice is None else self.offered(choice),
            self.readings: query_spaces_value(self.studio.query_spaces()),
            self.context.revision: self.studio.revision(),
        }

    def _job(self, session: Session, choice: Choice, ask: Any, finish: Any) -> AsyncIterator[Updates]:
        off = gr.update(interactive=False)
        return run_job(
            session, ask, finish, message=self.message, progress=self.progress, first="Reading prompts",
            running={self.preview: off, self.use: off, self.stop: gr.update(visible=True)},
            ended=lambda: {self.preview: self.offered(choice), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def _chosen(self, chosen: str | None) -> Choice | None:
        result = self.kept.value
        return choice_of(result, chosen) if result is not None else None


def foreseen_words(found: Foreseen, choice: Choice, epsilon: float) -> str:
    """A preview in one sentence."""
    if not found.queries:
        return "No query is logged yet, so nothing can change its answer. “Use this” puts the choice in force."
    return (
        f"With {choice_words(choice)} and ε {epsilon:g}, {len(found.changed):,} of {found.queries:,} logged queries would be "
        "answered otherwise. “Use this” puts the choice in force."
    )


def answers_words(found: Foreseen) -> str:
    """How many answers changed."""
    if not found.queries:
        return "No query is logged yet."
    return f"{len(found.changed):,} of {found.queries:,} logged queries are answered otherwise."
