"""The Review page: prompt, marks on the answer, correction, and what the edit did.

It shows and asks; what may be asked and what an edit does is the studio's business.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from app.studio.views import Answer, EditOutcome, EditProgress, PartialAnswer
from app.ui.components.message import NONE, message_value
from app.ui.open_map import bind_open_map
from app.ui.review.diff import HIDDEN as NO_OUTCOME
from app.ui.review.diff import outcome_value
from app.ui.review.loss_curve import HIDDEN as NO_PROGRESS
from app.ui.review.loss_curve import progress_value
from app.ui.review.marker import Now, marker_value, same_span
from app.ui.review.parts import ReviewParts, Updates
from app.ui.review.tries import KEPT, try_value
from app.ui.sent import Marking, OfEdit, OfMark, read
from app.ui.session import (
    Busy,
    Pace,
    PageContext,
    Session,
    Waiting,
    bind,
    bind_every,
    failure_text,
    in_thread,
    waiting_text,
    warn,
)
from grace_core.errors import Cancelled

CUT = (
    "This answer was cut off: {why}. It ends in the middle, and what you leave here is learned as it stands: "
    "complete the last sentence, or remove it."
)
WIDEN = "An edit answers it: add other phrasings below and press Edit, and it answers them too."
_CUT_END = 20
"""So many characters at the end tell that a text still ends where the answer was cut off."""
# A browser cannot show more, and every update is a message through the queue.
ANSWER_INTERVAL = 0.06
PROGRESS_INTERVAL = 0.1


@dataclass(frozen=True)
class Current:
    """The answer on screen. query_id is None where it was stopped, so not logged; edit_id and target: of the edit made.

    cut: why the answer ends in the middle, in words; or "". edited: an edit of this very prompt gave it.
    """

    prompt: str = ""
    text: str = ""
    query_id: str | None = None
    edit_id: str | None = None
    target: str = ""
    cut: str = ""
    edited: bool = False


def phrasing_lines(text: str | None) -> tuple[str, ...]:
    """One phrasing per line; empty lines do not count."""
    return tuple(line.strip() for line in (text or "").splitlines() if line.strip())


def _cut_words(target: str, current: Current) -> str:
    """The warning about a text that ends as the answer does which was cut off; nothing about any other."""
    end = current.text.strip()[-_CUT_END:]
    return CUT.format(why=current.cut) if current.cut and end and target.strip().endswith(end) else ""


def keeps_typed(current: Current, prompt: str, target: str | None) -> bool:
    """Whether a new answer must not replace the correction: the same prompt asked again, and the person has typed."""
    return prompt == current.prompt and bool((target or "").strip()) and target != current.text


def failure_message(error: Exception) -> dict[str, Any]:
    """Why there is no result; a person's own Cancel is no alarm."""
    return message_value(failure_text(error), "note" if isinstance(error, Cancelled | Busy) else "error")


class ReviewPage:
    """The page and its events."""

    def __init__(self, context: PageContext) -> None:
        self.context = context
        self.studio = context.studio
        self.current = gr.State(Current())
        self.tried = gr.State([])
        self.parts = ReviewParts(in_context=self.studio.status().in_context)
        self._bind()

    # --- events ---------------------------------------------------------------------------------------------------
    def _bind(self) -> None:
        context, parts = self.context, self.parts
        person = [context.author, self.current, context.session]
        asked, shown = [*parts.all(), self.current, self.tried, context.revision], [parts.marker, context.revision]
        bind(
            [parts.send.click, parts.prompt.submit],
            self.on_send,
            [parts.prompt, parts.in_context, parts.target, *person],
            asked,
            failed=self.on_send_failed,
        )
        bind(
            parts.edit.click,
            self.on_edit,
            [parts.target, parts.phrasings, parts.source_url, *person],
            asked,
            failed=self.on_edit_failed,
        )
        bind(
            [parts.ask.click, parts.phrasing.submit],
            self.on_ask,
            [parts.phrasing, parts.in_context, self.tried, *person],
            asked,
            failed=self.on_ask_failed,
        )
        bind(parts.target.blur, self.on_target_left, [parts.target, self.current], parts.cut)
        for button in (parts.stop, parts.cancel, parts.ask_stop):
            bind(button.click, self.on_cancel, context.session, queue=False)
        bind_every(parts.marker.mark, self.on_mark, context.author, shown)
        bind_every(parts.marker.unmark, self.on_unmark, [context.author, self.current], shown, failed=self.on_unmark_failed)
        bind(
            parts.outcome.undo,
            self.on_undo,
            [context.author, context.session],
            [parts.outcome, parts.try_panel, context.revision],
        )
        bind(context.redraw.change, self.on_redraw, self.current, parts.marker)
        bind_open_map(context, parts.marker, parts.outcome)

    async def on_send(
        self, prompt: str, in_context: bool, target: str, author: str, current: Current, session: Session
    ) -> AsyncIterator[Updates]:  # fmt: skip
        """Ask the model; the answer is drawn as it comes."""
        text = ""
        try:
            async with session.asking(self.studio.generate, prompt, in_context=in_context, author=author) as job:
                waiting = marker_value("waiting", status="Reading the prompt…")
                yield {**self.parts.busy(self.parts.stop), self.parts.prompt_message: NONE, self.parts.marker: waiting}
                drawn = Pace(ANSWER_INTERVAL)
                async for event in job:
                    if isinstance(event, Waiting):
                        yield {self.parts.marker: marker_value("waiting", status=waiting_text(event.ahead))}
                    elif isinstance(event, PartialAnswer):
                        text = event.text
                        if drawn.due():
                            yield {self.parts.marker: marker_value("writing", text, status="Writing…")}
                answer = job.result()
        except Cancelled:
            shown = Current(prompt, text, cut="it was stopped") if text else current
            marker = marker_value("stopped", text, status="Stopped. This answer was not logged and cannot be marked.")
        else:
            cut = "it reached the longest length allowed" if answer.truncated else ""
            edited = await in_thread(self._prompt_of, answer.edit_id) == answer.prompt
            shown = Current(answer.prompt, answer.text, answer.query_id, cut=cut, edited=edited)
            marker = await in_thread(self._answer_value, answer)
        yield {
            **self.parts.idle(can_edit=bool(shown.prompt)),
            **self._offer(shown, current, target),
            self.parts.marker: marker,
            self.current: shown,
            self.context.revision: await in_thread(self.studio.revision),
        }

    def on_send_failed(
        self, error: Exception, prompt: str, in_context: bool, target: str, author: str, current: Current, session: Session
    ) -> Updates:  # fmt: skip
        """Nothing was answered: say why, and show again what was there."""
        message = {self.parts.prompt_message: failure_message(error)}
        if isinstance(error, Busy):  # Enter in a field, while the buttons are off
            return message
        return {**self.parts.idle(can_edit=bool(current.prompt)), **message, self.parts.marker: self._redrawn(current)}

    def _offer(self, shown: Current, before: Current, target: str) -> Updates:
        """The correction's fields for a new answer. What belongs to the same prompt and was typed stays."""
        if not shown.prompt:
            return {}
        same = shown.prompt == before.prompt
        keep = keeps_typed(before, shown.prompt, target)
        more = f" {WIDEN}" if shown.edited else ""
        cut = "" if keep else _cut_words(shown.text, shown)
        return {
            self.parts.corrects: message_value(f"What should the answer to “{shown.prompt}” be?{more}", "plain"),
            self.parts.cut: message_value(cut, "note"),
            self.parts.target: gr.update(interactive=True) if keep else gr.update(value=shown.text, interactive=True),
            self.parts.phrasings: gr.update(interactive=True) if same else gr.update(value="", interactive=True),
            self.parts.source_url: gr.update(interactive=True) if same else gr.update(value="", interactive=True),
            self.parts.edit_message: NONE,
            self.parts.progress: NO_PROGRESS,
            self.parts.result: gr.update(visible=False),
            self.parts.outcome: NO_OUTCOME,
            self.parts.try_panel: gr.update(visible=False),
        }

    def on_target_left(self, target: str | None, current: Current) -> dict[str, Any]:
        """The warning stays as long as the text still ends where the answer was cut off."""
        return message_value(_cut_words(target or "", current), "note")

    async def on_edit(
        self, target: str, phrasings: str, source_url: str, author: str, current: Current, session: Session
    ) -> AsyncIterator[Updates]:  # fmt: skip
        """Learn the correction; the loss is drawn as it falls."""
        latest = EditProgress("starting", 0, 0, ())
        async with session.asking(
            self.studio.edit, current.prompt, target, paraphrases=phrasing_lines(phrasings), source_url=source_url,
            query_id=current.query_id, author=author,
        ) as job:  # fmt: skip
            yield {
                **self.parts.busy(self.parts.cancel),
                self.parts.edit_message: NONE,
                self.parts.progress: progress_value(latest),
            }
            drawn = Pace(PROGRESS_INTERVAL)
            async for event in job:
                if isinstance(event, Waiting):
                    latest = EditProgress(waiting_text(event.ahead), 0, 0, ())
                    yield {self.parts.progress: progress_value(latest)}
                elif isinstance(event, EditProgress):
                    latest = event
                    if drawn.due():
                        yield {self.parts.progress: progress_value(latest)}
            outcome = job.result()
        yield await in_thread(self._finished, outcome, current, session)

    def on_edit_failed(self, error: Exception, *arguments: Any) -> Updates:
        """Nothing was learned: say why."""
        message = {self.parts.edit_message: failure_message(error)}
        if isinstance(error, Busy):
            return message
        return {**self.parts.idle(can_edit=bool(arguments[-2].prompt)), **message, self.parts.progress: NO_PROGRESS}

    def _finished(self, outcome: EditOutcome, current: Current, session: Session) -> Updates:
        session.known = self.studio.edits_mark()
        steps = len(outcome.losses)
        stage = f"learned in {steps} steps" if outcome.success else f"stopped after {steps} steps"
        last = EditProgress(stage, 0, steps, outcome.losses)
        return {
            **self.parts.idle(can_edit=bool(current.prompt)),
            self.parts.progress: progress_value(last, running=False),
            self.parts.result: gr.update(visible=True),
            self.parts.outcome: outcome_value(outcome),
            self.parts.marker: self._redrawn(current),
            self.parts.try_panel: gr.update(visible=outcome.success),
            self.parts.phrasing: "",
            self.parts.cut: NONE if outcome.success else message_value(_cut_words(outcome.target, current), "note"),
            self.parts.try_message: NONE,
            self.parts.tries: [],
            self.tried: [],
            self.current: replace(current, edit_id=outcome.edit_id, target=outcome.target),
            self.context.revision: self.studio.revision(),
        }

    async def on_ask(
        self, phrasing: str, in_context: bool, tried: list[dict[str, Any]], author: str, current: Current, session: Session
    ) -> AsyncIterator[Updates]:  # fmt: skip
        """Ask another phrasing, to see whether the edit answers it."""
        async with session.asking(self.studio.generate, phrasing, in_context=in_context, author=author) as job:
            yield {**self.parts.busy(self.parts.ask_stop), self.parts.try_message: message_value("Reading the prompt…", "plain")}
            drawn = Pace(ANSWER_INTERVAL)
            async for event in job:
                if isinstance(event, Waiting):
                    yield {self.parts.try_message: message_value(waiting_text(event.ahead), "plain")}
                elif isinstance(event, PartialAnswer) and drawn.due():
                    partial = {"prompt": phrasing, "text": event.text, "kind": "none", "label": "Writing…"}
                    yield {self.parts.tries: [partial, *tried], self.parts.try_message: NONE}
            tried = [try_value(job.result(), current.edit_id or "", current.target), *tried][:KEPT]
        yield {
            **self.parts.idle(can_edit=bool(current.prompt)),
            self.parts.try_message: NONE,
            self.parts.tries: tried,
            self.tried: tried,
            self.parts.phrasing: "",
            self.context.revision: await in_thread(self.studio.revision),
        }

    def on_ask_failed(
        self, error: Exception, phrasing: str, in_context: bool, tried: list[dict[str, Any]], author: str, current: Current,
        session: Session,
    ) -> Updates:  # fmt: skip
        message = {self.parts.try_message: failure_message(error)}
        if isinstance(error, Busy):
            return message
        return {**self.parts.idle(can_edit=bool(current.prompt)), **message, self.parts.tries: tried}

    def on_cancel(self, session: Session) -> None:
        session.cancel()

    def on_mark(self, author: str, event: gr.EventData) -> tuple[Any, Any]:
        """Put a verdict on a span; a second verdict on exactly the same words replaces the first."""
        sent = read(event, Marking)
        old = same_span(self.studio.marks(sent.query_id), sent.start, sent.end)
        if old is None:
            self.studio.mark(sent.query_id, sent.start, sent.end, sent.verdict, author=author)
        elif old.verdict != sent.verdict:
            self.studio.replace_mark(old.mark_id, sent.verdict, author=author)
        return self._answer_value(self.studio.answer(sent.query_id)), self.studio.revision()

    def on_unmark(self, author: str, current: Current, event: gr.EventData) -> tuple[Any, Any]:
        self.studio.unmark(read(event, OfMark).mark_id, author=author)
        return self._redrawn(current), self.studio.revision()

    def on_unmark_failed(self, error: Exception, author: str, current: Current, *event: Any) -> tuple[Any, Any]:
        """Another browser may have removed it: show what is there."""
        warn(error)
        return self._redrawn(current), self.studio.revision()

    def on_undo(self, author: str, session: Session, event: gr.EventData) -> tuple[Any, Any, Any]:
        """Withdraw the edit just made, from its result."""
        row = self.studio.undo(read(event, OfEdit).edit_id, author=author)
        session.known = self.studio.edits_mark()
        note = f"The edit of “{row.prompt}” is undone; the model answers as before it. The Edits page can redo it."
        hidden = {**NO_OUTCOME, "visible": True, "undone": note}
        return hidden, gr.update(visible=False), self.studio.revision()

    def on_redraw(self, current: Current) -> Any:
        """The journal has gone on: what answered may not be what answers now."""
        return gr.skip() if current.query_id is None else self._redrawn(current)

    # --- drawing --------------------------------------------------------------------------------------------------
    def _answer_value(self, answer: Answer) -> dict[str, Any]:
        given_by = answer.fact.edit_id if answer.fact is not None else answer.edit_id
        return marker_value(
            "done", answer=answer, marks=self.studio.marks(answer.query_id), edit_prompt=self._prompt_of(given_by),
            now=Now(answer.edit_id_now, self._prompt_of(answer.edit_id_now)) if answer.past else None,
        )  # fmt: skip

    def _prompt_of(self, edit_id: str | None) -> str:
        return "" if edit_id is None else self.studio.detail(edit_id).row.prompt

    def _redrawn(self, current: Current) -> dict[str, Any]:
        """The answer that was on screen before, from the log."""
        if current.query_id is not None:
            return self._answer_value(self.studio.answer(current.query_id))
        return marker_value("stopped" if current.prompt else "empty", current.text)


def build_review(context: PageContext) -> ReviewPage:
    """Build the page inside the tab that is open."""
    return ReviewPage(context)
