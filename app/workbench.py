"""One method for each thing that a person can do: here prompting, marking, editing and looking; the Lab's are in the desks.

The model's thread runs generations and edits one at a time; everything else is a short look at the replayed state under
one lock.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from app.errors import NotFound, StudioError
from app.jobs import Job
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
from app.journal.replay import EditRecord, QueryRecord
from app.journal.store import JournalStore
from app.reading_desk import ReadingDesk
from app.records import (
    VERDICTS,
    Answer,
    Change,
    EditDetail,
    EditOutcome,
    EditPage,
    EditProgress,
    EditRow,
    EditState,
    MapKey,
    MapMoment,
    MapQuery,
    MapView,
    Mark,
    MatchedQuery,
    Neighbor,
    PartialAnswer,
    Probe,
    Status,
    UndoneKeys,
    Verdict,
)  # fmt: skip
from grace_core.adapter import activations_of
from grace_core.codebook import Change as CoreChange
from grace_core.codebook import Codebook, Entry
from grace_core.config import GraceConfig
from grace_core.editor import Editor, EditResult
from grace_core.errors import Cancelled, InputError
from grace_core.generation import MAX_NEW_TOKENS, Generation, generate
from grace_core.geometry import pair_distances
from grace_core.models import LanguageModel

NEIGHBORS_SHOWN = 5
# How often an answer is offered to the journal, or read anew for it, while other processes keep writing.
_LOG_ATTEMPTS = 6


class Workbench(ReadingDesk):
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
        self._view: MapView | None = None

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

    def generate(self, prompt: str, *, author: str = "") -> Job[Answer]:
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

        return self._worker.submit(work)

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
        query_id: str | None = None, author: str = "",
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

        return self._worker.submit(work)

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

    # ── look ────────────────────────────────────────────────────────────────────────────────────────────────────

    def edits(self, *, search: str = "", state: EditState | None = None, offset: int = 0, limit: int = 50) -> EditPage:
        """Edits, newest first: those whose prompt, target, author, source or id contains all of `search`'s words."""
        words = search.lower().split()
        with self._lock:
            self._catch_up()
            matches = self._matches()
            rows = [self._row(record, matches) for record in reversed(self._replay.edits.values())]
        counts: dict[EditState, int] = dict.fromkeys(get_args(EditState), 0)
        for row in rows:
            counts[row.state] += 1
        rows = [
            row
            for row in rows
            if (state is None or row.state == state)
            and all(word in " ".join((row.prompt, row.target, row.author, row.source_url, row.edit_id)).lower() for word in words)
        ]
        return EditPage(tuple(rows[max(0, offset) : max(0, offset) + limit]), len(rows), counts)

    def detail(self, edit_id: str) -> EditDetail:
        """One edit with its neighbours and the logged queries that it answers under the present codebook.

        Raises:
            NotFound: an unknown edit.
        """
        with self._lock:
            self._catch_up()
            record = self._edit_record(edit_id)
            codebook = self._codebook
            row = self._row(record, self._matches())
            entry = codebook.entry_of(edit_id)
            query = codebook.encoder(record.edit.activation[None])[0]
            matched = [] if entry is None else self._answered_by(entry, codebook)
        return EditDetail(
            row=row,
            text_before=record.edited.text_before,
            text_after=record.edited.text_after,
            change=str(record.edited.change.get("sentence", "")),
            neighbors=_neighbors(codebook, query, entry, 0.0 if entry is None else entry.epsilon),
            matched=tuple(matched),
        )

    def map_view(self, *, max_queries: int = 20_000) -> MapView:
        """Keys in force and the latest queries with their vectors, as the present codebook answers them."""
        with self._lock:
            self._catch_up()
            codebook = self._codebook
            version = f"{self._id}-{codebook.encoder.version}-{self._replay.revision}-{max_queries}"
            if self._view is not None and self._view.version == version:
                return self._view
            matched = self._query_matches(codebook)
            matched = matched[max(0, len(matched) - max_queries) :]
            keys = tuple(MapKey(e.edit_id, e.edit_ids, e.prompt, e.target, float(e.epsilon)) for e in codebook.entries)
            queries = tuple(
                MapQuery(
                    item.generated.query_id, item.generated.prompt, item.generated.text,
                    match.edit_id, match.distance,
                )
                for item, _, match in matched
            )  # fmt: skip
            width = codebook.encoder.dimensions
            vectors = np.stack([vector for _, vector, _ in matched]) if matched else np.zeros((0, width), np.float32)
            self._view = MapView(version, keys, queries, codebook.keys.reshape(-1, width), vectors)
            return self._view

    def map_moment(self) -> MapMoment:
        """`map_view` and what it was made from; another browser may change that right after."""
        with self._lock:
            return MapMoment(self.map_view(), self._codebook, self._replay.reading.reading_id)

    def undone_keys(self, limit: int) -> UndoneKeys:
        """The newest undone edits, at most `limit`, with the queries of their prompts under the present codebook."""
        with self._lock:
            version, codebook, matches = self.map_view().version, self._codebook, self._matches()
            undone = [record for record in reversed(self._replay.edits.values()) if record.undone]
            rows = tuple(self._row(record, matches) for record in undone[:limit])
            activations = [record.edit.activation for record in undone[:limit]]
        if not rows:
            return UndoneKeys(version, len(undone), (), np.zeros((0, codebook.encoder.dimensions), np.float32))
        return UndoneKeys(version, len(undone), rows, codebook.encoder(np.stack(activations)))

    def probe(self, prompt: str) -> Job[Probe]:
        """Read a prompt as a query without answering or logging it: what would answer it is the codebook's to say.

        Raises:
            InputError: an empty prompt, or one beyond the context window.
        """
        read = self._model.prompt(prompt)

        def work(job: Job[Probe]) -> Probe:
            with self._lock:
                self._catch_up()
                codebook, reading = self._codebook, self._replay.reading.reading_id
            (activation,) = activations_of(self._model, codebook.config, codebook.encoder.weights, [read])
            return Probe(read.text, activation, reading)

        return self._worker.submit(work)

    def _answered_by(self, entry: Entry, codebook: Codebook) -> list[MatchedQuery]:
        """Logged queries that this entry answers now, nearest first."""
        found = [(record, vector) for record, vector, match in self._query_matches(codebook) if match.edit_id == entry.edit_id]
        distances = [float(pair_distances(vector, entry.key[None], codebook.config.distance)[0]) for _, vector in found]
        rows = [_matched(record, distance) for (record, _), distance in zip(found, distances, strict=True)]
        return sorted(rows, key=lambda row: row.distance)

    def _matches(self) -> Counter[str]:
        """How many logged queries each edit answered when they were asked."""
        return Counter(q.generated.edit_id for q in self._replay.queries.values() if q.generated.edit_id is not None)

    def _changed_answers(self, before: Codebook, after: Codebook) -> int:
        """Logged queries that another edit, or none, would answer now; other than by the edits' own coming and going."""
        if before.encoder.version == after.encoder.version:
            return 0
        then = [match.edit_id for _, _, match in self._query_matches(before)]
        now = [match.edit_id for _, _, match in self._query_matches(after)]
        old = {entry.edit_id for entry in before.entries}
        return sum(a != b for a, b in zip(then, now, strict=True) if a in old or b in old)

    def _row(self, record: EditRecord, matches: Counter[str]) -> EditRow:
        edit = record.edit
        entry = None if record.undone else self._codebook.entry_of(edit.edit_id)
        state: EditState = "undone" if record.undone else "active" if entry is not None else "superseded"
        return EditRow(
            edit_id=edit.edit_id, prompt=edit.prompt, target=edit.target, author=record.event.author, at=record.event.at,
            epsilon=float(entry.epsilon) if entry is not None else None, matches=matches[edit.edit_id], state=state,
            change=record.edited.change.get("kind", "added"), paraphrases=edit.paraphrases, source_url=record.edited.source_url,
        )  # fmt: skip

    def _described(self, change: CoreChange, codebook: Codebook) -> Change:
        entry, near = change.entry, change.nearest
        nearest = None
        if near.entry is not None and near.distance is not None:
            nearest = _neighbor(codebook, near.entry, near.distance, entry.epsilon)
        prompts = {e.edit_id: e.prompt for e in codebook.entries}
        shrunk = tuple((s.edit_id, prompts.get(s.edit_id, ""), float(s.before), float(s.after)) for s in change.shrunk)
        return Change(change.kind, float(entry.epsilon), nearest, shrunk, change.superseded)


def _answer(record: QueryRecord) -> Answer:
    q = record.generated
    return Answer(
        q.query_id, q.prompt, q.text, q.edit_id, q.nearest_edit_id, q.distance, q.epsilon,
        record.event.at, record.event.author, q.truncated,
    )  # fmt: skip


def _matched(record: QueryRecord, distance: float) -> MatchedQuery:
    return MatchedQuery(record.generated.query_id, record.generated.prompt, record.generated.text, distance, record.event.at)


def _neighbor(codebook: Codebook, entry: Entry, distance: float, epsilon: float) -> Neighbor:
    now = codebook.entry_of(entry.edit_id) or entry
    return Neighbor(
        entry.edit_id, entry.prompt, entry.target, distance, float(now.epsilon), distance - epsilon - float(now.epsilon)
    )


def _neighbors(codebook: Codebook, query: Any, own: Entry | None, epsilon: float) -> tuple[Neighbor, ...]:
    others = [entry for entry in codebook.entries if entry is not own]
    if not others:
        return ()
    distances = pair_distances(query, np.stack([entry.key for entry in others]), codebook.config.distance)
    order = np.argsort(distances, kind="stable")[:NEIGHBORS_SHOWN]
    return tuple(_neighbor(codebook, others[i], float(distances[i]), epsilon) for i in order)


def _failed(result: EditResult) -> EditOutcome:
    return EditOutcome(
        False, None, result.prompt, result.target, result.text_before, result.text_after, None, None,
        result.losses, result.seconds, reason=result.reason,
    )  # fmt: skip


def _note(result: EditResult, changed: int) -> str:
    parts = []
    if result.unreached:
        parts.append("Not reached by this key: " + "; ".join(f"“{text}”" for text in result.unreached) + ".")
    if result.calibration is not None:
        count = len(result.calibration.prompts)
        parts.append(f"The encoder was calibrated on {count} prompts like this one, so that other subjects stay apart.")
    if changed:
        parts.append(f"That changed what answers {changed} earlier {'query' if changed == 1 else 'queries'}.")
    return " ".join(parts)
