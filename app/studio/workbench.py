"""One method for each thing that a person can do: here prompting, marking and editing; looking and the Lab's are in the desks.

The model's thread runs generations and edits one at a time; everything else is a short look at the replayed state under
one lock.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

from app.errors import NotFound, StudioError
from app.journal.events import (
    Calibrated,
    Edited,
    EventData,
    Generated,
    Marked,
    Redone,
    Undone,
    Unmarked,
)  # fmt: skip
from app.journal.replay import QueryRecord
from app.journal.store import JournalStore
from app.studio.jobs import Job
from app.studio.listing import LookDesk
from app.studio.measurements import Measurements
from app.studio.views import (
    VERDICTS,
    Answer,
    EditOutcome,
    EditProgress,
    EditRow,
    Mark,
    PartialAnswer,
    Status,
    Verdict,
)  # fmt: skip
from grace_core.answering.anatomy import Anatomy
from grace_core.answering.generate import MAX_NEW_TOKENS, Generation, generate
from grace_core.codebook.codebook import Codebook
from grace_core.config import Encoding, GraceConfig, Pool
from grace_core.editing.editor import Editor, EditResult
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.query_scan import Scan
from grace_core.measuring.value_sweep import Sweep
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel

# How often an answer is offered to the journal, or read anew for it, while other processes keep writing.
_LOG_ATTEMPTS = 6


class Workbench(LookDesk):
    """The product without a page: prompt, mark, edit, look, undo. Safe to call from any thread."""

    def __init__(
        self, model: LanguageModel, config: GraceConfig, store: JournalStore, *,
        data_dir: Path | None = None, max_new_tokens: int = MAX_NEW_TOKENS,
        progress: Callable[[str, float], None] | None = None,
    ) -> None:  # fmt: skip
        """Replay the journal of this model and these layers, or begin one. `config` need not be resolved."""
        super().__init__(model, config, store, progress)
        self._data_dir = data_dir
        self._max_new_tokens = max_new_tokens
        self._editor = Editor(model)
        self._measurements = Measurements(model, self._worker, self.present, self.moment, self.calibrated_on)

    @classmethod
    def open(
        cls, model: LanguageModel, config: GraceConfig, store: JournalStore, *,
        data_dir: Path | None = None, max_new_tokens: int = MAX_NEW_TOKENS,
        progress: Callable[[str, float], None] | None = None,
    ) -> Workbench:  # fmt: skip
        """The same as the constructor, under the name that says what happens."""
        return cls(model, config, store, data_dir=data_dir, max_new_tokens=max_new_tokens, progress=progress)

    def status(self) -> Status:
        """What is open and how much is in it."""
        with self._lock:
            self._catch_up()
            config = self._codebook.config
            assert config.key_layer is not None  # resolved
            assert config.value_layer is not None
            return Status(
                model_name=self._model.name,
                fingerprint=self._model.fingerprint,
                preset=config.preset,
                key_layer=config.key_layer,
                value_layer=config.value_layer,
                epsilon=config.epsilon,
                active_edits=sum(len(entry.edit_ids) for entry in self._codebook.entries),
                queries=len(self._replay.queries),
                data_dir=str(self._data_dir or self._store.label),
                codebook_id=self._id,
                pool=config.pool,
                encoding=config.encoding,
                reread=self._replay.reading.reread is not None,
            )

    # ── prompt ──────────────────────────────────────────────────────────────────────────────────────────────────

    def generate(self, prompt: str, *, author: str = "", asker: str = "") -> Job[Answer]:
        """Answer a prompt and log it. The job reports `PartialAnswer`.

        Raises:
            InputError: an empty prompt, or one beyond the context window.
        """
        self._model.prompt(prompt)

        def work(job: Job[Answer]) -> Answer:
            with self._lock:
                self._catch_up()
                codebook, reading = self._codebook, self._replay.reading.reading_id
            answer = generate(
                self._model, codebook, prompt, max_new_tokens=self._max_new_tokens,
                on_text=lambda text: job.report(PartialAnswer(text)), cancelled=lambda: job.cancelled,
            )  # fmt: skip
            return self._log(answer, reading, author)

        return self._worker.submit(work, asker)

    def answer(self, query_id: str) -> Answer:
        """A logged answer again."""
        with self._lock:
            return _answer(self._query(query_id))

    def _log(self, answer: Generation, reading: str, author: str) -> Answer:
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
            reading=reading,
        )
        for _ in range(_LOG_ATTEMPTS):
            with self._lock:
                self._catch_up()
                codebook, present = self._codebook, self._replay.reading.reading_id
                if data.reading == present:
                    if self._append_at(self._replay.revision, data, author):
                        return _answer(self._replay.queries[data.query_id])
                    continue
            # Another process changed how prompts are read meanwhile. The lock is free here, so no page waits for the model.
            prompt = self._model.prompt(answer.prompt)
            (activation,) = activations_of(self._model, codebook.config, codebook.encoder.weights, [prompt])
            data = replace(data, activation=activation, reading=present)
        raise StudioError("Others kept writing to this journal meanwhile, so the answer was not logged. Ask once more.")

    # ── mark ────────────────────────────────────────────────────────────────────────────────────────────────────

    def mark(self, query_id: str, start: int, end: int, verdict: Verdict, *, author: str = "") -> Mark:
        """Give a verdict on text[start:end] (code points) of a logged answer.

        Raises:
            InputError: an unknown verdict, or a span that is empty or outside the answer.
            NotFound: an unknown answer.
        """
        if verdict not in get_args(Verdict):
            raise InputError(f"The verdict is {verdict!r}; use one of {', '.join(VERDICTS)}.")
        with self._lock:
            text = self._query(query_id).generated.text
            if not 0 <= start < end <= len(text):
                raise InputError(
                    f"The span {start}–{end} is not inside the answer, which has {len(text)} characters; select a part of it."
                )
            data = Marked(uuid.uuid4().hex, query_id, start, end, text[start:end], verdict)
            self._commit(data, author=author)
            mark = self._replay.mark(data.mark_id)
            assert mark is not None
            return mark

    def unmark(self, mark_id: str, *, author: str = "") -> None:
        """Remove a mark; the journal keeps that it was there."""
        with self._lock:
            self._catch_up()
            if self._replay.mark(mark_id) is None:
                raise NotFound(f"There is no mark {mark_id!r}; it may have been removed in another browser.")
            self._commit(Unmarked(mark_id), author=author)

    def marks(self, query_id: str) -> tuple[Mark, ...]:
        """The marks on one answer."""
        with self._lock:
            return self._replay.marks(query_id)

    # ── edit, undo, redo ────────────────────────────────────────────────────────────────────────────────────────

    def edit(
        self, prompt: str, target: str, *, paraphrases: Sequence[str] = (), source_url: str = "",
        query_id: str | None = None, author: str = "", asker: str = "",
    ) -> Job[EditOutcome]:  # fmt: skip
        """Make the model answer `prompt` with `target`. The job reports `EditProgress`; cancelling it keeps nothing.

        Raises:
            InputError: an empty prompt or target, or one that does not fit.
        """
        text = self._model.prompt(prompt).text
        self._model.target_ids(text, target)
        if isinstance(paraphrases, str):
            raise InputError("The paraphrases are one text; give a list of texts.")
        if query_id is not None:
            self.answer(query_id)

        def work(job: Job[EditOutcome]) -> EditOutcome:
            return self._edit(job, text, target, tuple(paraphrases), source_url.strip(), query_id, author)

        return self._worker.submit(work, asker)

    def _edit(
        self, job: Job[EditOutcome], prompt: str, target: str, paraphrases: tuple[str, ...], source_url: str,
        query_id: str | None, author: str,
    ) -> EditOutcome:  # fmt: skip
        with self._lock:
            self._catch_up()
            before, reading = self._codebook, self._replay.reading.reading_id
        losses: list[float] = []
        stage = "Starting"

        def on_stage(words: str) -> None:
            nonlocal stage
            stage = words
            job.report(EditProgress(stage, len(losses), before.config.max_steps, tuple(losses)))

        def on_step(step: int, loss: float) -> None:
            losses.append(loss)
            job.report(EditProgress(stage, step, before.config.max_steps, tuple(losses)))

        result = self._editor.edit(
            before, prompt, target, paraphrases=paraphrases, text_before=self._said(before, query_id, prompt),
            max_new_tokens=self._max_new_tokens,
            on_stage=on_stage, on_step=on_step, cancelled=lambda: job.cancelled,
        )  # fmt: skip
        if result.edit is None or result.change is None:
            return _failed(result)
        change = self._described(result.change, result.codebook)
        data = Edited(
            edit_id=result.edit.edit_id, query_id=query_id, prompt=result.prompt, target=result.target,
            target_ids=result.edit.target_ids, paraphrases=result.edit.paraphrases, source_url=source_url,
            text_before=result.text_before, text_after=result.text_after,
            change={**asdict(change), "sentence": change.sentence()}, requested_epsilon=float(result.edit.epsilon),
            losses=result.losses, seconds=result.seconds, activation=result.edit.activation, value=result.edit.value,
            reading=reading,
        )  # fmt: skip
        if job.cancelled:
            raise Cancelled("Stopped; nothing was kept.")
        with self._lock:
            self._catch_up()
            if self._codebook.encoder is not before.encoder:
                raise StudioError("The codebook was recalibrated meanwhile; nothing was kept. Edit once more.")
            events: list[EventData] = []
            if (step := result.calibration) is not None:
                events = [Calibrated(self._replay.next_version, step.reason, step.prompts, step.activations, reading)]
            self._commit(*events, data, author=author)
            # The snapshot comes from the journal's own record, as after a restart; without another's edit in between
            # it is the one that was checked above.
            changed = self._changed_answers(before, self._codebook)
        return EditOutcome(
            True, data.edit_id, data.prompt, data.target, data.text_before, data.text_after, change, change.epsilon,
            data.losses, data.seconds, note=_note(result, changed),
        )  # fmt: skip

    def _said(self, codebook: Codebook, query_id: str | None, prompt: str) -> str | None:
        """The logged answer where the codebook would still give it (greedy answers repeat); None: ask the model."""
        if query_id is None:
            return None
        with self._lock:
            record = self._query(query_id)
        logged = record.generated
        match = codebook.match(codebook.encoder(record.activation[None]))[0]
        return logged.text if logged.prompt == prompt and match.edit_id == logged.edit_id else None

    def undo(self, edit_id: str, *, author: str = "") -> EditRow:
        """Withdraw an edit; the codebook becomes the one that never saw it.

        Raises:
            NotFound: an unknown edit.
            InputError: it is undone already.
        """
        with self._lock:
            if self._edit_record(edit_id).undone:
                raise InputError("This edit is undone already; Redo brings it back.")
            self._commit(Undone(edit_id), author=author)
            return self._row(self._replay.edits[edit_id], self._matches())

    def redo(self, edit_id: str, *, author: str = "") -> EditRow:
        """Restore an undone edit, at its old place in the order.

        Raises:
            NotFound: an unknown edit.
            InputError: it is not undone.
        """
        with self._lock:
            if not self._edit_record(edit_id).undone:
                raise InputError("This edit is not undone; there is nothing to restore.")
            self._commit(Redone(edit_id), author=author)
            return self._row(self._replay.edits[edit_id], self._matches())

    # ── measure ─────────────────────────────────────────────────────────────────────────────────────────────────

    def anatomy(self, prompt: str, *, asker: str = "") -> Job[Anatomy]:
        """Why this prompt gets its answer; nothing is logged. The job reports `Stage`s."""
        return self._measurements.anatomy(prompt, asker=asker)

    def scan(
        self, layers: Sequence[int], pools: Sequence[Pool], encodings: Sequence[Encoding], *,
        unrelated: Sequence[str] = (), max_edits: int = 50, max_unrelated: int = 100, asker: str = "",
    ) -> Job[Scan]:  # fmt: skip
        """How well each choice tells paraphrases from what must not match. The job reports `Stage`s."""
        return self._measurements.scan(
            layers, pools, encodings, unrelated=unrelated, max_edits=max_edits, max_unrelated=max_unrelated, asker=asker
        )

    def sweep(self, layers: Sequence[int], *, edits: int = 4, max_steps: int = 60, asker: str = "") -> Job[Sweep]:
        """Learn some edits at each layer, and ask their phrasings; the values are thrown away. The job reports `Stage`s."""
        return self._measurements.sweep(layers, edits=edits, max_steps=max_steps, asker=asker)


def _answer(record: QueryRecord) -> Answer:
    q = record.generated
    return Answer(
        q.query_id, q.prompt, q.text, q.edit_id, q.nearest_edit_id, q.distance, q.epsilon,
        record.event.at, record.event.author, q.truncated,
    )  # fmt: skip


def _failed(result: EditResult) -> EditOutcome:
    return EditOutcome(
        False, None, result.prompt, result.target, result.text_before, result.text_after, None, None,
        result.losses, result.seconds, reason=result.reason,
    )  # fmt: skip


def _note(result: EditResult, changed: int) -> str:
    parts = []
    if result.unreached:
        parts.append("Not reached by this key: " + "; ".join(f"“{text}”" for text in result.unreached) + ".")
    if result.inexact:
        parts.append("Reached, but not answered word for word: " + "; ".join(f"“{text}”" for text in result.inexact) + ".")
    if result.calibration is not None:
        count = len(result.calibration.prompts)
        parts.append(f"The encoder was calibrated on {count} prompts like this one, so that other subjects stay apart.")
    if changed:
        parts.append(f"That changed what answers {changed} earlier {'query' if changed == 1 else 'queries'}.")
    return " ".join(parts)
