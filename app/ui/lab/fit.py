"""Lab › Calibrate › Your own questions: what an edit should answer and what not, and which ε agrees best with that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr

from app.lab.epsilon_fit import fit_figure, fit_sentence, fit_table
from app.ui.components.figure import build_figure, figure_value
from app.ui.components.message import build_message, message_value
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.run import Updates, only, run_job, streams
from app.ui.lab.table import build_lab_table, rows_value
from app.ui.lab.what_if import key_choices
from app.ui.session import PageContext, Session, bind, failure_text
from grace_core.measuring.epsilon_curves import known_phrasings
from grace_core.measuring.epsilon_fit import EpsilonFit

FILE = "grace-studio-own-questions"
INTRO = (
    "Write what one edit should answer, and what it should not, one prompt a line. Each is read, and you see how far it is from "
    "the edit's key and which ε makes the fewest mistakes. Nothing changes until you set that ε."
)
_NO_EDIT = "Choose an edit first."


class FitPart:
    """Its components and events. What a browser writes and measures is its own."""

    def __init__(self, context: PageContext) -> None:
        """Builds the components where it is called."""
        self.context, self.studio = context, context.studio
        self.found = gr.State(None)
        with gr.Column(elem_classes="gs-panel"):
            gr.HTML('<h2 class="gs-heading">Your own questions</h2>', apply_default_css=False, elem_classes="gs-part")
            build_message("gs-fit-intro", message_value(INTRO, "plain"))
            with gr.Row():
                self.search = gr.Textbox(
                    label="Find an edit", placeholder="Words of its prompt", max_lines=1, elem_id="gs-fit-search", scale=1
                )
                self.edit = gr.Dropdown(
                    label="The edit", choices=self._offered("", None), value=None, filterable=True, elem_id="gs-fit-edit", scale=2
                )
            with gr.Row():
                self.should = gr.Textbox(
                    label="Should answer", placeholder="One prompt a line", lines=5, max_lines=12, elem_id="gs-fit-should"
                )
                self.should_not = gr.Textbox(
                    label="Should not answer", placeholder="One prompt a line", lines=5, max_lines=12, elem_id="gs-fit-should-not"
                )
            self.message = build_message("gs-fit-message")
            self.progress = build_lab_progress("gs-fit-progress", "Progress of reading your questions")
            with gr.Row(elem_classes="gs-actions"):
                self.stop = gr.Button("Stop", visible=False, elem_id="gs-fit-stop")
                self.go = gr.Button("Compare", variant="primary", elem_id="gs-fit-go")
            with gr.Column(visible=False, elem_id="gs-fit-result") as self.result:
                self.said = build_message("gs-fit-said")
                self.figure = build_figure(
                    elem_id="gs-fit-figure", label="Mistakes against ε", filename="grace-studio-epsilon-fit", height=280
                )
                self.table = build_lab_table("gs-fit-table", "Your questions and what answers them")
                with gr.Row(elem_classes="gs-actions"):
                    self.set = gr.Button("Set ε", variant="primary", interactive=False, elem_id="gs-fit-set")
        self._bind()

    def _bind(self) -> None:
        session, revision = self.context.session, self.context.revision
        shown = [self.message, self.progress, self.go, self.stop, self.result, self.said, self.figure, self.table, self.set]
        bind(self.edit.input, self.on_edit, self.edit, [self.should, self.should_not])
        bind(self.search.change, self.on_search, [self.search, self.edit], self.edit, trigger_mode="always_last")
        bind(self.go.click, self.on_go, [self.edit, self.should, self.should_not, session], [*shown, self.found])
        bind(self.set.click, self.on_set, [self.found, self.context.author], [self.message, self.set, revision])
        bind(self.stop.click, Session.cancel, session, queue=False)
        bind(self.context.redraw.change, self.on_search, [self.search, self.edit], self.edit)

    def on_search(self, search: str | None, chosen: str | None) -> Any:
        """What is typed narrows the edits that are offered."""
        return gr.update(choices=self._offered(search or "", chosen))

    def on_edit(self, edit_id: str | None) -> tuple[str, str]:
        """What is known already: phrasings and answers marked fine; and answers of this edit that somebody found fault with.

        Not what it answered and nobody judged: that may be what it should not answer.
        """
        moment = self.studio.moment()
        should = [text for text, owner in known_phrasings(moment)[0] if owner == edit_id]
        faulted = dict.fromkeys(query.prompt for query in moment.queries if query.faulted and query.edit_id == edit_id)
        return "\n".join(map(_one_line, should)), "\n".join(_one_line(text) for text in faulted if text not in should)

    @streams
    def on_go(self, edit_id: str | None, should: str, should_not: str, session: Session) -> AsyncIterator[Updates]:
        """Read both lists and compare."""
        ask = partial(self.studio.fit_epsilon, edit_id or "", _lines(should), _lines(should_not))
        if not edit_id:
            return only({self.message: message_value(_NO_EDIT)})
        return run_job(
            session, ask, self._drawn, message=self.message, progress=self.progress, first="Reading prompts",
            running={self.go: gr.update(interactive=False), self.stop: gr.update(visible=True)},
            ended=lambda: {self.go: gr.update(interactive=True), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def _drawn(self, fit: EpsilonFit) -> Updates:
        columns, rows = fit_table(fit)
        said = fit_sentence(fit)
        return {
            self.found: fit,
            self.result: gr.update(visible=True),
            self.said: message_value(said, "plain"),
            self.figure: figure_value(fit_figure(fit, self.studio.query_space().config.distance), note=NOTE, spoken=said),
            self.table: rows_value(columns, rows, filename=FILE),
            self.set: gr.update(
                value=f"Set ε {fit.suggested:g}" if fit.suggested != fit.asked else f"ε stays {fit.asked:g}",
                interactive=fit.suggested != fit.asked,
            ),
        }

    def on_set(self, fit: EpsilonFit | None, author: str) -> Updates:
        """The event that What if's Apply writes."""
        if fit is None:
            return {self.message: gr.skip()}
        try:
            row = self.studio.set_epsilon(fit.suggested, fit.edit_id, query_space_id=fit.query_space_id, author=author)
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            return {self.message: message_value(failure_text(error))}
        done = f"Set: ε {row.epsilon:g} for “{fit.prompt}”. Undo it in What if ε?, under “Changes of ε”, at any time."
        return {
            self.message: message_value(done, "good"),
            self.set: gr.update(interactive=False),
            self.context.revision: self.studio.revision(),
        }

    def _offered(self, search: str, chosen: str | None) -> list[tuple[str, str]]:
        return key_choices(self.studio.moment(), chosen or "", search)[1:]


NOTE = "Mistakes that each ε would make, by the codebook as it would be. Shaded: as few as can be."


def _lines(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.strip() for line in (text or "").splitlines() if line.strip()))


def _one_line(text: str) -> str:
    return " ".join(text.split())
