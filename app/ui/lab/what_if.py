"""Lab > What if ε?: try another radius on what was asked so far, see who would answer, then apply it or leave it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import escape
from itertools import islice
from typing import Any

import gradio as gr

from app.charts.labels import counted
from app.charts.plotly import shorten
from app.lab.epsilon_figures import curves_figure
from app.lab.what_if import present_sentence, tried_sentence, turn_sentence
from app.ui.components.figure import build_figure, figure_value
from app.ui.components.message import NONE, build_message, message_value
from app.ui.lab.epsilon_history import build_history, history_value
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.run import Updates, run_job, streams
from app.ui.lab.what_if_result import NO_EDITS, NO_QUERIES, build_whatif_result, whatif_value
from app.ui.open_map import bind_open_map
from app.ui.sent import OfChange, read
from app.ui.session import PageContext, Session, bind, bind_every, failure_text, warn
from grace_core.codebook.codebook import Codebook
from grace_core.errors import GraceError
from grace_core.measuring.epsilon_curves import Curves, Yardstick, curves
from grace_core.measuring.what_if import Moment, asked_epsilon, slider_end, slider_step, turn_of, what_if

ALL = ""
Tried = tuple[float, str]
"""The ε that a browser tries, and the id of the reading in whose unit it is."""
_LABEL = 90
OFFERED = 50
"""So many keys or queries a list offers; the search beside it goes through all of them."""

INTRO = (
    "ε is how far from an edit's key a question may be and still get the edit's answer. Try another one on every question "
    "asked so far: nothing is generated, and what is predicted here is exactly what the model does once you apply it."
)
TWO_PARTS = "A distance has two parts, the subject's and the question's; the larger counts, and the subject's may end sooner."
TEACH_TURN = (
    "Choose one with a wrong answer: you see how far it is from its nearest key, and which ε makes the answer another one."
)
TEACH_CURVES = (
    "Shows how many rephrasings an ε reaches and how many unrelated prompts it touches. “Draw the curves” reads those "
    "prompts once, up to the key layer."
)


class WhatIfPage:
    """The page and its events. What a browser tries is its own; nothing is written until Apply."""

    def __init__(self, context: PageContext) -> None:
        self.context = context
        self.studio = context.studio
        self._curves: tuple[Codebook, str, Yardstick, Curves] | None = None
        self.tried = gr.State(None)
        self.yardstick = gr.State(None)
        view = self.studio.moment()
        with gr.Row(elem_classes="gs-columns"):
            with gr.Column(scale=3, min_width=420, elem_classes="gs-panel"):
                self._layout_trying(view)
            with gr.Column(scale=2, min_width=340):
                self._layout_beside(view)
        self._bind()

    # --- what stands where ----------------------------------------------------------------------------------------

    def _layout_trying(self, view: Moment) -> None:
        two = view.codebook.config.distance == "two_keys"
        _heading("What if ε were another one?", f"{INTRO} {TWO_PARTS}" if two else INTRO)
        with gr.Row():
            # Beside the list, not in it: Gradio's list loses what is typed into it when its choices change meanwhile.
            self.search = gr.Textbox(
                label="Find a key", placeholder="Words of its prompt", max_lines=1, elem_id="gs-whatif-search", scale=1
            )
            self.choice = gr.Dropdown(
                choices=key_choices(view, ALL),
                value=ALL,
                label="Whose ε",
                filterable=True,
                elem_id="gs-whatif-choice",
                scale=2,
                min_width=240,
            )
        with gr.Row(elem_classes="gs-field-row"):
            self.slider = gr.Slider(
                0.001, 1.0, value=0.5, step=0.001, label="ε to try", elem_id="gs-whatif-slider", buttons=[], scale=4
            )
            # In place of the slider's own, which cuts what is typed to the slider's end (what_if.css hides it).
            self.number = gr.Number(0.5, label="As a number", elem_id="gs-whatif-epsilon", min_width=110, scale=1)
        with gr.Row(elem_classes="gs-actions"):
            self.reset = gr.Button("Back to the present ε", elem_id="gs-whatif-reset", interactive=False)
            self.apply = gr.Button("Apply", variant="primary", elem_id="gs-whatif-apply", interactive=False)
        self.message = build_message("gs-whatif-message")
        self.result = build_whatif_result(self._result(view, ALL, None))

    def _layout_beside(self, view: Moment) -> None:
        with gr.Column(elem_classes="gs-panel"):
            _heading("Which ε would have answered otherwise?")
            self.search_query = gr.Textbox(
                label="Find a logged query", placeholder="Words of it", max_lines=1, elem_id="gs-whatif-search-query"
            )
            self.query = gr.Dropdown(
                choices=query_choices(view), value=None, label="The logged query", filterable=True, elem_id="gs-whatif-query"
            )
            self.turn = build_message("gs-whatif-turn", message_value(TEACH_TURN, "plain"))
        with gr.Column(elem_classes="gs-panel"):
            _heading("Rephrasings reached, unrelated prompts touched")
            self.figure = build_figure(
                elem_id="gs-whatif-curves",
                label="Share of phrasings reached and of unrelated prompts touched, against ε",
                filename="grace-studio-epsilon-curves",
                height=300,
                value=figure_value(None, empty=TEACH_CURVES),
            )
            self.drawing = build_message("gs-whatif-drawing")
            self.progress = build_lab_progress("gs-whatif-progress", "Progress of the curves")
            with gr.Row(elem_classes="gs-actions"):
                self.stop = gr.Button("Stop", visible=False, elem_id="gs-whatif-stop")
                self.draw_curves = gr.Button("Draw the curves", elem_id="gs-whatif-draw")
        with gr.Column(elem_classes="gs-panel"):
            _heading("Changes of ε")
            self.history = build_history(history_value(self.studio.epsilon_changes()))

    # --- events ---------------------------------------------------------------------------------------------------

    def _bind(self) -> None:
        context = self.context
        controls = [self.choice, self.slider, self.number, self.reset, self.apply]
        shown = [*controls, self.result, self.figure, self.history, self.tried, self.message]
        looking = [self.choice, self.tried, self.yardstick]
        acting, written = [*looking, context.author], [*shown, context.revision]
        redrawn = bind(context.redraw.change, self.on_revision, looking, shown)
        # Then, with what is searched by then: drawing takes a moment, in which a person goes on typing.
        searches = [self.search, self.choice, self.search_query, self.query]
        bind(redrawn.then, self.on_offer, searches, [self.choice, self.query])
        bind([self.choice.input, self.reset.click], self.on_choice, [self.choice, self.yardstick], shown)
        for field, handler in ((self.slider, self.on_try), (self.number, self.on_type)):
            bind(field.input, handler, [self.choice, field, self.yardstick], shown, trigger_mode="always_last")
        bind(self.apply.click, self.on_apply, acting, written)
        bind_every(self.history.undo, self.on_undo, acting, written)
        bind_every(self.history.redo, self.on_redo, acting, written)
        # A change: Gradio calls only a key press the input of a text box, not what is pasted, dictated or deleted.
        bind(self.search.change, self.on_search, [self.search, self.choice], self.choice, trigger_mode="always_last")
        bind(self.search_query.change, self.on_search_query, searches[2:], self.query, trigger_mode="always_last")
        bind(self.query.input, self.on_query, [self.query, self.yardstick], [*shown, self.turn])
        drawn = [self.yardstick, self.drawing, self.progress, self.draw_curves, self.stop]
        read = bind(self.draw_curves.click, self.on_draw, context.session, drawn)
        bind(read.then, self.on_read, looking, self.figure)
        bind(self.stop.click, Session.cancel, context.session, queue=False)
        bind_open_map(context, self.result)

    def on_choice(self, choice: str, yardstick: Yardstick | None) -> Updates:
        """Another key, or back to how it is: nothing is tried."""
        return self._drawn(choice, None, yardstick)

    def on_revision(self, choice: str, tried: Tried | None, yardstick: Yardstick | None) -> Updates:
        """The journal has grown: keep what this browser is trying, on the new state, and what it said of its own last action."""
        return {**self._drawn(choice, tried, yardstick), self.message: gr.skip()}

    def on_offer(self, search: str | None, choice: str, words: str | None, query_id: str | None) -> tuple[Any, Any]:
        """The keys and the logged queries of the new state, as far as they are searched for."""
        return self.on_search(search, choice), self.on_search_query(words, query_id)

    def on_search(self, search: str | None, choice: str) -> Any:
        """What is typed narrows the keys that are offered: a codebook has thousands. None: its tab was never opened."""
        return gr.update(choices=key_choices(self.studio.moment(), choice, search or ""))

    def on_search_query(self, search: str | None, query_id: str | None) -> Any:
        """The same for logged queries."""
        return gr.update(choices=query_choices(self.studio.moment(), search or "", query_id))

    def on_query(self, query_id: str | None, yardstick: Yardstick | None) -> Updates:
        """Try the ε that would have made another answer of this query."""
        view = self.studio.moment()
        turn = turn_of(view, query_id or "")
        if turn is None:
            return {self.turn: message_value(TEACH_TURN, "plain")}
        found = None if turn.other is None else what_if(view, turn.other, turn.edit_id)
        said = turn_sentence(turn, found)
        tried = None if turn.other is None else (turn.other, view.query_space_id)
        updates = self._drawn(turn.edit_id, tried, yardstick, view)
        # Its key is chosen, and the slider goes where the answer turns.
        updates[self.choice] |= {"choices": key_choices(view, turn.edit_id)}
        if turn.other is not None:
            updates |= self._epsilon(view, turn.other)
        return {**updates, self.turn: message_value(said, "plain")}

    def on_try(self, choice: str, epsilon: float | None, yardstick: Yardstick | None) -> Updates:
        """The slider moves: predict. The number follows."""
        return {**self._tried(choice, epsilon, yardstick), self.number: epsilon}

    def on_type(self, choice: str, epsilon: float | None, yardstick: Yardstick | None) -> Updates:
        """A number is typed: predict. The slider follows, and grows where it is too short."""
        updates = self._tried(choice, epsilon, yardstick)
        if epsilon is not None and updates.get(self.tried):
            updates[self.slider] = self._epsilon(self.studio.moment(), epsilon)[self.slider]
        return updates

    def _tried(self, choice: str, epsilon: float | None, yardstick: Yardstick | None) -> Updates:
        if epsilon is None:
            return {self.message: gr.skip()}
        try:
            view = self.studio.moment()
            result = self._result(view, choice, epsilon)
        except GraceError as error:
            return {
                self.reset: gr.update(interactive=True),
                self.apply: gr.update(interactive=False),
                self.tried: None,
                self.message: message_value(failure_text(error)),
            }
        able = gr.update(interactive=bool(view.codebook.entries))
        return {
            self.result: result,
            self.figure: self._figure(view, choice, epsilon, yardstick),
            self.reset: able,
            self.apply: able,
            self.tried: (epsilon, view.query_space_id),
            self.message: NONE,
        }

    def on_apply(self, choice: str, tried: Tried | None, yardstick: Yardstick | None, author: str) -> Updates:
        """One event in the journal; other browsers see it at once."""
        if tried is None:
            return {self.message: gr.skip()}
        try:
            row = self.studio.set_epsilon(tried[0], choice or None, query_space_id=tried[1], author=author)
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            return {**self._drawn(choice, tried, yardstick), self.message: message_value(failure_text(error))}
        whose = "every edit" if row.prompt is None else f"“{row.prompt}”"
        done = f"Applied: ε {row.epsilon:g} for {whose}. Undo it under “Changes of ε” at any time."
        return {
            **self._drawn(choice, None, yardstick),
            self.message: message_value(done, "good"),
            self.context.revision: self.studio.revision(),
        }

    def on_undo(self, choice: str, tried: Tried | None, yardstick: Yardstick | None, author: str, event: gr.EventData) -> Updates:
        return self._acted(self.studio.undo_epsilon, read(event, OfChange).change_id, choice, tried, yardstick, author)

    def on_redo(self, choice: str, tried: Tried | None, yardstick: Yardstick | None, author: str, event: gr.EventData) -> Updates:
        return self._acted(self.studio.redo_epsilon, read(event, OfChange).change_id, choice, tried, yardstick, author)

    def _acted(
        self, act: Any, change_id: str, choice: str, tried: Tried | None, yardstick: Yardstick | None, author: str
    ) -> Updates:
        try:
            act(change_id, author=author)
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            warn(error)
        return {**self._drawn(choice, tried, yardstick), self.context.revision: self.studio.revision()}

    @streams
    def on_draw(self, session: Session) -> AsyncIterator[Updates]:
        """Read the prompts that the curves are about, once."""
        return run_job(
            session, self.studio.yardstick, lambda found: {self.yardstick: found}, message=self.drawing, progress=self.progress,
            first="Reading the prompts",
            running={self.draw_curves: gr.update(interactive=False), self.stop: gr.update(visible=True)},
            ended=lambda: {self.draw_curves: gr.update(interactive=True), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def on_read(self, choice: str, tried: Tried | None, yardstick: Yardstick | None) -> str:
        """Draw what was read: for the key and the ε that the page shows by now."""
        view = self.studio.moment()
        # Another browser may have changed how prompts are read meanwhile.
        epsilon = tried[0] if tried is not None and tried[1] == view.query_space_id else None
        return self._figure(view, choice, epsilon, yardstick)

    # --- drawing --------------------------------------------------------------------------------------------------

    def _drawn(
        self, choice: str, tried: Tried | None, yardstick: Yardstick | None, view: Moment | None = None
    ) -> Updates:  # fmt: skip
        """Everything but the progress of a job. A key that is gone gives way to all, an ε in another unit to the present one."""
        view = view or self.studio.moment()
        if tried is not None and tried[1] != view.query_space_id:
            tried = None
        if choice and view.codebook.entry_of(choice) is None:
            choice, tried = ALL, None
        some = bool(view.codebook.entries)
        tried = tried if some else None
        present = asked_epsilon(view.codebook, choice or None)[1] if some else view.codebook.config.epsilon
        shown = {self.slider: gr.skip(), self.number: gr.skip()} if tried is not None else self._epsilon(view, present)
        able = gr.update(interactive=tried is not None)
        epsilon = None if tried is None else tried[0]
        return {
            self.choice: gr.update(value=choice, interactive=some),
            **shown,
            self.reset: able,
            self.apply: able,
            self.result: self._result(view, choice, epsilon),
            self.figure: self._figure(view, choice, epsilon, yardstick),
            self.history: history_value(self.studio.epsilon_changes()),
            self.tried: tried,
            self.message: NONE,
        }

    def _epsilon(self, view: Moment, value: float) -> Updates:
        """An ε in the slider, which grows where it is too short, and as a number."""
        end = slider_end(view.codebook)
        step, some, shown = slider_step(end), bool(view.codebook.entries), round(value, 4)
        return {
            self.slider: gr.update(minimum=step, maximum=max(end, value), step=step, value=shown, interactive=some),
            self.number: gr.update(value=shown, interactive=some),
        }

    def _result(self, view: Moment, choice: str, tried: float | None) -> dict[str, Any]:
        if not view.codebook.entries:
            return whatif_value(empty=NO_EDITS)
        empty = None if view.queries else NO_QUERIES
        if tried is None:
            return whatif_value(sentence=present_sentence(view, choice or None), empty=empty)
        found = what_if(view, tried, choice or None)
        return whatif_value(sentence=tried_sentence(found, choice or None), found=found, empty=empty)

    def _figure(self, view: Moment, choice: str, tried: float | None, yardstick: Yardstick | None) -> str:
        if yardstick is None or yardstick.query_space_id != view.query_space_id or not view.codebook.entries:
            return figure_value(None, empty=TEACH_CURVES)
        kept = self._curves
        if kept is None or kept[0] is not view.codebook or kept[1] != choice or kept[2] is not yardstick:
            found = curves(view.codebook, yardstick, choice or None, slider_end(view.codebook))
            kept = self._curves = (view.codebook, choice, yardstick, found)
        drawn = curves_figure(kept[3], yardstick, tried, view.codebook.config.distance)
        return figure_value(drawn.figure, note=drawn.note, table=drawn.table, spoken=drawn.spoken)


def key_choices(view: Moment, chosen: str, search: str = "") -> list[tuple[str, str]]:
    """All edits, the key that is chosen, and the newest keys whose prompt or target holds all of the words of `search`."""
    count = len(view.codebook.entries)
    words = search.casefold().split()
    found = (
        (name, entry.edit_id)
        for entry in reversed(view.codebook.entries)
        if entry.edit_id != chosen and _holds(name := f"{entry.prompt} → {entry.target}", words)
    )
    own = view.codebook.entry_of(chosen) if chosen else None
    kept = [] if own is None else [(shorten(f"{own.prompt} → {own.target}", _LABEL), chosen)]
    more = [(shorten(name, _LABEL), edit_id) for name, edit_id in islice(found, OFFERED)]
    return [(f"All edits ({counted(count, 'key')})", ALL), *kept, *more]


def query_choices(view: Moment, search: str = "", chosen: str | None = None) -> list[tuple[str, str]]:
    """The logged query that is chosen, and the latest ones that hold all of the words of `search`."""
    words = search.casefold().split()
    own = [query for query in view.queries if query.query_id == chosen] if chosen else []
    found = (query for query in reversed(view.queries) if query.query_id != chosen and _holds(query.prompt, words))
    return [(shorten(query.prompt, _LABEL), query.query_id) for query in [*own, *islice(found, OFFERED)]]


def _holds(text: str, words: list[str]) -> bool:
    folded = text.casefold()
    return all(word in folded for word in words)


def _heading(title: str, note: str = "") -> None:
    below = f'<p class="gs-note">{escape(note)}</p>' if note else ""
    gr.HTML(f'<h2 class="gs-heading">{title}</h2>{below}', apply_default_css=False, elem_classes="gs-part")


def build_whatif(context: PageContext) -> None:
    """Builds this part inside the current tab."""
    WhatIfPage(context)
