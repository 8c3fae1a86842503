"""Prompts and their answers, and what reviewers say of these."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from app.errors import NotFound, StudioError
from app.journal.events import Event, Generated, Marked, Unmarked
from app.journal.state.answers import QueryRecord
from app.studio.jobs import Job
from app.studio.live import LiveCodebook, Snapshot
from app.studio.model_thread import ModelThread
from app.studio.texts import checked_author, checked_text, shown
from app.studio.views import VERDICTS, Answer, FactGiven, Mark, PartialAnswer, Trial, Verdict
from grace_core.answering.generate import Generation, generate
from grace_core.codebook.codebook import Parts
from grace_core.errors import InputError
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel

# How often an answer is read anew because another process put another query space in force meanwhile.
_READ_ATTEMPTS = 6


class Answers:
    """One method for each thing that a person can do with an answer; `app.studio.facade.Studio` says more of each."""

    def __init__(self, live: LiveCodebook, thread: ModelThread, max_new_tokens: int, in_context: bool = False) -> None:
        """max_new_tokens: of an answer. in_context: whether facts are put before prompts where whoever asks does not say."""
        self._live, self._thread, self._max_new_tokens, self._in_context = live, thread, max_new_tokens, in_context

    def generate(self, prompt: str, *, in_context: bool | None = None, author: str = "", asker: str = "") -> Job[Answer]:
        """Answer a prompt and log it."""
        self._thread.model.prompt(checked_text(prompt, "prompt"))
        author, with_facts = checked_author(author), self._checked_facts(in_context)

        def work(model: LanguageModel, job: Job[Answer]) -> Answer:
            now = self._live.now()
            answer = generate(
                model, now.codebook, prompt, max_new_tokens=self._max_new_tokens, in_context=with_facts,
                on_text=lambda text: job.report(PartialAnswer(text)), cancelled=lambda: job.cancelled,
            )  # fmt: skip
            return self._logged(model, answer, now.query_space_id, author)

        return self._thread.submit(work, asker)

    def _checked_facts(self, in_context: object) -> bool:
        wanted = self._in_context if in_context is None else in_context
        if not isinstance(wanted, bool):
            raise InputError(f"in_context is {shown(repr(wanted))}; give true or false.")
        if wanted and self._thread.model.labels:
            raise InputError("No fact can be put before a prompt: this model gives labels and answers no question. Leave it off.")
        config = self._live.now().codebook.config
        if wanted and config.distance != "two_keys":
            raise InputError(
                "No fact can be put before a prompt: this codebook's queries do not tell the subject from the question. Leave it "
                "off, or move the codebook to the learned encoder (Lab, Calibrate)."
            )
        return wanted

    def try_prompt(self, prompt: str, *, asker: str = "") -> Job[Trial]:
        """Read a prompt as a query without answering or logging it."""
        read = self._thread.model.prompt(checked_text(prompt, "prompt"))

        def work(model: LanguageModel, job: Job[Trial]) -> Trial:
            now = self._live.now()
            (activation,) = activations_of(model, now.codebook.reader, [read])
            return Trial(read.text, activation, now.query_space_id)

        return self._thread.submit(work, asker)

    def answer(self, query_id: str) -> Answer:
        """A logged answer again."""
        now = self._live.now()
        return _answer(now, now.query(query_id))

    def mark(self, query_id: str, start: int, end: int, verdict: Verdict, *, author: str = "") -> Mark:
        """Give a verdict on text[start:end] of a logged answer."""
        mark_id = uuid.uuid4().hex

        def decide(now: Snapshot) -> Sequence[Event]:
            return [_marked(now, mark_id, query_id, start, end, verdict)]

        return _mark(self._live.commit(decide, author=author), mark_id)

    def replace_mark(self, mark_id: str, verdict: Verdict, *, author: str = "") -> Mark:
        """Give another verdict on the words of a mark: the former one goes, in one transaction."""
        new_id = uuid.uuid4().hex

        def decide(now: Snapshot) -> Sequence[Event]:
            old = _mark(now, mark_id)
            return [Unmarked(mark_id), _marked(now, new_id, old.query_id, old.start, old.end, verdict)]

        return _mark(self._live.commit(decide, author=author), new_id)

    def unmark(self, mark_id: str, *, author: str = "") -> None:
        """Remove a mark; the journal keeps that it was there."""

        def decide(now: Snapshot) -> Sequence[Event]:
            return [Unmarked(_mark(now, mark_id).mark_id)]

        self._live.commit(decide, author=author)

    def marks(self, query_id: str) -> tuple[Mark, ...]:
        """The marks on one answer."""
        return self._live.now().state.marks(query_id)

    def _logged(self, model: LanguageModel, answer: Generation, query_space_id: str, author: str) -> Answer:
        match = answer.match
        data = Generated(
            query_id=uuid.uuid4().hex,
            prompt=answer.prompt,
            text=answer.text,
            edit_id=match.edit_id,
            nearest_edit_id=match.entry.edit_id if match.entry is not None else None,
            distance=match.distance,
            epsilon=float(match.entry.epsilon) if match.entry is not None else None,
            truncated=answer.truncated,
            activation=answer.activation,
            reading=query_space_id,
            in_context_of=answer.in_context_of,
        )

        def decide(now: Snapshot) -> Sequence[Event]:
            return [data] if now.query_space_id == data.reading else []

        for _ in range(_READ_ATTEMPTS):
            after = self._live.commit(decide, author=author)
            if data.query_id in after.state.queries:
                return _answer(after, after.state.queries[data.query_id])
            # Another process put another query space in force meanwhile.
            (activation,) = activations_of(model, after.codebook.reader, [model.prompt(answer.prompt)])
            data = replace(data, activation=activation, reading=after.query_space_id)
        raise StudioError("Others kept changing how this codebook reads prompts, so the answer was not logged. Ask once more.")


def _marked(now: Snapshot, mark_id: str, query_id: str, start: int, end: int, verdict: Verdict) -> Marked:
    if verdict not in get_args(Verdict):
        raise InputError(f"The verdict is {verdict!r}; use one of {', '.join(VERDICTS)}.")
    text = now.query(query_id).generated.text
    if not 0 <= start < end <= len(text):
        raise InputError(
            f"The span {start}–{end} is not inside the answer, which has {len(text)} characters; select a part of it."
        )
    return Marked(mark_id, query_id, start, end, text[start:end], verdict)


def _mark(now: Snapshot, mark_id: str) -> Mark:
    mark = now.state.mark(mark_id)
    if mark is None:
        raise NotFound(f"There is no mark {mark_id!r}; it may have been removed in another browser.")
    return mark


def _answer(now: Snapshot, record: QueryRecord) -> Answer:
    q = record.generated
    return Answer(
        q.query_id, q.prompt, q.text, q.edit_id, q.nearest_edit_id, q.distance, q.epsilon,
        record.event.at, record.event.author, q.truncated, now.answers_now(q.query_id), _parts(now, record, q.nearest_edit_id),
        None if q.in_context_of is None else FactGiven(q.in_context_of, _parts(now, record, q.in_context_of)),
    )  # fmt: skip


def _parts(now: Snapshot, record: QueryRecord, edit_id: str | None) -> Parts | None:
    entry = now.codebook.entry_of(edit_id or "")
    return None if entry is None else now.codebook.parts(record.activation, entry)
