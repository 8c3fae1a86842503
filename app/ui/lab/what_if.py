"""Lab > What if ε?: try another radius on what was asked so far, see who would answer, then apply it or leave it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from app.lab.epsilon_figures import curves_figure
from app.lab.what_if import present_sentence, tried_sentence
from app.ui.components.figure import build_figure, figure_value
from app.ui.components.message import NONE, build_message, message_value
from app.ui.lab.epsilon_history import build_history, history_value
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.run import Updates, run_job
from app.ui.lab.what_if_result import NO_EDITS, NO_QUERIES, build_whatif_result, whatif_value
from app.ui.session import PageContext, Session, each, failure_text, private, warn
from grace_core.codebook.codebook import Codebook
from grace_core.errors import GraceError
from grace_core.measuring.epsilon_curves import Curves, Yardstick, curves
from grace_core.measuring.what_if import Moment, asked_epsilon, slider_end, slider_step, what_if

ALL = ""
Tried = tuple[float, str]
"""The ε that a browser tries, and the id of the reading in whose unit it is."""
_LABEL = 90

INTRO = (
    "ε is how far from an edit's key a question may be and still get the edit's answer. Try another one on every question "
    "asked so far: nothing is generated, and what is predicted here is exactly what the model does once you apply it."
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
        self.probes = gr.State(None)
        view = self.studio.moment()
        with gr.Row(elem_classes="gs-columns"):
            with gr.Column(scale=3, min_width=420, elem_classes="gs-panel"):
                gr.HTML(
                    f'<h2 class="gs-heading">What if ε were another one?</h2><p class="gs-note">{escape(INTRO)}</p>',
                    apply_default_css=False,
                    elem_classes="gs-part",
                )
                self.choice = gr.Dropdown(
                    choices=self._choices(view), value=ALL, label="Whose ε", filterable=True, elem_id="gs-whatif-choice"
                )
                self.slider = gr.Slider(0.01, 1.0, value=0.5, step=0.01, label="ε to try", elem_id="gs-whatif-slider", buttons=[])
                with gr.Row(elem_classes="gs-actions"):
                    self.reset = gr.Button("Back to the present ε", elem_id="gs-whatif-reset", interactive=False)
                    self.apply = gr.Button("Apply", variant="primary", elem_id="gs-whatif-apply", interactive=False)
                self.message = build_message("gs-whatif-message")
                self.result = build_whatif_result(self._result(view, ALL, None))
            with gr.Column(scale=2, min_width=340):
                with gr.Column(elem_classes="gs-panel"):
                    gr.HTML(
                        '<h2 class="gs-heading">Rephrasings reached, unrelated prompts touched</h2>',
                        apply_default_css=False,
                        elem_classes="gs-part",
                    )
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
                    gr.HTML('<h2 class="gs-heading">Changes of ε</h2>', apply_default_css=False, elem_classes="gs-part")
                    self.history = build_history(history_value(self.studio.epsilon_changes()))
        self._bind()

    def _bind(self) -> None:
        context = self.context
        controls = [self.choice, self.slider, self.reset, self.apply]
        shown = [*controls, self.result, self.figure, self.history, self.tried, self.message]
        looking = [self.choice, self.tried, self.probes]
        private(context.redraw.change, self.on_revision, looking, shown)
        private(self.choice.input, self.on_choice, [self.choice, self.probes], shown)
        private(self.reset.click, self.on_choice, [self.choice, self.probes], shown)
        private(
            self.slider.input,
            self.on_try,
            [self.choice, self.slider, self.probes],
            [self.result, self.figure, self.reset, self.apply, self.tried, self.message],
            trigger_mode="always_last",
        )
        private(
            self.apply.click,
            self.on_apply,
            [*looking, context.author],
            [*shown, context.revision],
        )
        acting = [*looking, context.author]
        each(self.history.undo, self.on_undo, acting, [*shown, context.revision])
        each(self.history.redo, self.on_redo, acting, [*shown, context.revision])
        read = private(
            self.draw_curves.click,
            self.on_draw,
            context.session,
            [self.probes, self.drawing, self.progress, self.draw_curves, self.stop],
        )
        private(read.then, self.on_read, looking, self.figure)
        private(self.stop.click, self.on_stop, context.session, queue=False)
        each(self.result.open_map, self.on_open_map, None, [context.selected_edit, context.tabs])

    # --- events ---------------------------------------------------------------------------------------------------

    def on_choice(self, choice: str, probes: Yardstick | None) -> tuple[Any, ...]:
        """Another key, or back to how it is: nothing is tried."""
        return self._drawn(choice, None, probes)

    def on_revision(self, choice: str, tried: Tried | None, probes: Yardstick | None) -> tuple[Any, ...]:
        """The journal has grown: keep what this browser is trying, on the new state."""
        # What the page said of its own last action stays.
        return *self._drawn(choice, tried, probes)[:-1], gr.skip()

    def on_try(self, choice: str, epsilon: float | None, probes: Yardstick | None) -> tuple[Any, ...]:
        """The slider moves: predict."""
        if epsilon is None:
            return tuple(gr.skip() for _ in range(6))
        try:
            view = self.studio.moment()
            result = self._result(view, choice, epsilon)
        except GraceError as error:
            off = gr.Button(interactive=False)
            return gr.skip(), gr.skip(), gr.Button(interactive=True), off, None, message_value(failure_text(error))
        able = gr.Button(interactive=bool(view.codebook.entries))
        return result, self._figure(view, choice, epsilon, probes), able, able, (epsilon, view.query_space_id), NONE

    def on_apply(self, choice: str, tried: Tried | None, probes: Yardstick | None, author: str) -> tuple[Any, ...]:
        """One event in the journal; other browsers see it at once."""
        if tried is None:
            return *(gr.skip() for _ in range(9)), gr.skip()
        try:
            row = self.studio.set_epsilon(tried[0], choice or None, query_space_id=tried[1], author=author)
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            *rest, _ = self._drawn(choice, tried, probes)
            return *rest, message_value(failure_text(error)), gr.skip()
        whose = "every edit" if row.prompt is None else f"“{row.prompt}”"
        *rest, _ = self._drawn(choice, None, probes)
        done = f"Applied: ε {row.epsilon:g} for {whose}. Undo it under “Changes of ε” at any time."
        return *rest, message_value(done, "good"), self.studio.revision()

    def on_undo(
        self, choice: str, tried: Tried | None, probes: Yardstick | None, author: str, event: gr.EventData
    ) -> tuple[Any, ...]:
        return self._acted(self.studio.undo_epsilon, str(event.change_id), choice, tried, probes, author)

    def on_redo(
        self, choice: str, tried: Tried | None, probes: Yardstick | None, author: str, event: gr.EventData
    ) -> tuple[Any, ...]:
        return self._acted(self.studio.redo_epsilon, str(event.change_id), choice, tried, probes, author)

    def _acted(
        self, act: Any, change_id: str, choice: str, tried: Tried | None, probes: Yardstick | None, author: str
    ) -> tuple[Any, ...]:
        try:
            act(change_id, author=author)
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            warn(error)
        return *self._drawn(choice, tried, probes), self.studio.revision()

    def on_draw(self, session: Session) -> Iterator[Updates]:
        """Read the prompts that the curves are about, once."""
        yield from run_job(
            session, self.studio.yardstick, lambda probes: {self.probes: probes}, message=self.drawing, progress=self.progress,
            first="Reading the prompts",
            running={self.draw_curves: gr.update(interactive=False), self.stop: gr.update(visible=True)},
            ended=lambda: {self.draw_curves: gr.update(interactive=True), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def on_read(self, choice: str, tried: Tried | None, probes: Yardstick | None) -> str:
        """Draw what was read: for the key and the ε that the page shows by now."""
        view = self.studio.moment()
        # Another browser may have changed how prompts are read meanwhile.
        epsilon = tried[0] if tried is not None and tried[1] == view.query_space_id else None
        return self._figure(view, choice, epsilon, probes)

    def on_stop(self, session: Session) -> None:
        session.cancel()

    def on_open_map(self, event: gr.EventData) -> tuple[str, Any]:
        return str(event.edit_id), gr.update(selected="map")

    # --- drawing --------------------------------------------------------------------------------------------------

    def _drawn(self, choice: str, tried: Tried | None, probes: Yardstick | None) -> tuple[Any, ...]:
        """Everything but the progress of a job. A key that is gone gives way to all, an ε in another unit to the present one."""
        view = self.studio.moment()
        if tried is not None and tried[1] != view.query_space_id:
            tried = None
        if choice and view.codebook.entry_of(choice) is None:
            choice, tried = ALL, None
        some = bool(view.codebook.entries)
        tried = tried if some else None
        end = slider_end(view.codebook)
        step = slider_step(end)
        slider = gr.skip()
        if tried is None:
            value = asked_epsilon(view.codebook, choice or None)[1] if some else view.codebook.config.epsilon
            slider = gr.Slider(minimum=step, maximum=max(end, value), step=step, value=round(value, 4), interactive=some)
        able = gr.Button(interactive=tried is not None)
        epsilon = None if tried is None else tried[0]
        return (
            gr.Dropdown(choices=self._choices(view), value=choice, interactive=some),
            slider,
            able,
            able,
            self._result(view, choice, epsilon),
            self._figure(view, choice, epsilon, probes),
            history_value(self.studio.epsilon_changes()),
            tried,
            NONE,
        )

    def _choices(self, view: Moment) -> list[tuple[str, str]]:
        count = len(view.codebook.entries)
        names = [(_short(f"{entry.prompt} → {entry.target}"), entry.edit_id) for entry in reversed(view.codebook.entries)]
        return [(f"All edits ({count:,} {'key' if count == 1 else 'keys'})", ALL), *names]

    def _result(self, view: Moment, choice: str, tried: float | None) -> dict[str, Any]:
        if not view.codebook.entries:
            return whatif_value(empty=NO_EDITS)
        empty = None if view.queries else NO_QUERIES
        if tried is None:
            return whatif_value(sentence=present_sentence(view, choice or None), empty=empty)
        found = what_if(view, tried, choice or None)
        return whatif_value(sentence=tried_sentence(found, choice or None), found=found, empty=empty)

    def _figure(self, view: Moment, choice: str, tried: float | None, probes: Yardstick | None) -> str:
        if probes is None or probes.query_space_id != view.query_space_id or not view.codebook.entries:
            return figure_value(None, empty=TEACH_CURVES)
        kept = self._curves
        if kept is None or kept[0] is not view.codebook or kept[1] != choice or kept[2] is not probes:
            found = curves(view.codebook, probes, choice or None, slider_end(view.codebook))
            kept = self._curves = (view.codebook, choice, probes, found)
        drawn = curves_figure(kept[3], probes, tried, view.codebook.config.distance)
        return figure_value(drawn.figure, note=drawn.note, table=drawn.table, spoken=drawn.spoken)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LABEL else flat[: _LABEL - 1].rstrip() + "…"


def build_whatif(context: PageContext) -> None:
    """Builds this part inside the current tab."""
    WhatIfPage(context)
