"""A journal in use: its replayed state, the codebook that follows from it, and the thread that owns the model.

Append first, then swap: what the journal did not take did not happen. What a person can do is in the desks above
(`epsilon_desk`, `reading_desk`, `look_desk`, `workbench`); they share this state and its one lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from app.errors import JournalConflict, NotFound
from app.journal.events import Calibrated, EventData, StoredEvent
from app.journal.readings import FIRST
from app.journal.replay import EditRecord, QueryRecord, Replay
from app.journal.store import JournalStore
from app.studio.jobs import Worker
from grace_core.codebook.codebook import Codebook, Match
from grace_core.config import GraceConfig
from grace_core.editing.fitting import Calibration, encoder_of, first_calibration
from grace_core.measuring.what_if import LoggedQuery
from grace_core.models.language_model import LanguageModel


def codebook_of(model: LanguageModel, base: GraceConfig, replay: Replay) -> Codebook:
    """The codebook that a journal's state amounts to, from nothing. base: the configuration that it began with."""
    reading = replay.reading
    config = reading.config(base)
    weighed = len(reading.weighed)
    steps = [Calibration(c.version, c.reason, c.prompts, c.activations, weighed) for c in reading.calibrations]
    return Codebook(config, encoder_of(model, config, steps), replay.active_edits(), fingerprint=model.fingerprint)


class BenchState:
    """What all desks share. Safe to call from any thread; `_` methods that touch the state are called under `_lock`.

    _base: the configuration that the codebook began with; the one in force is `codebook.config`.
    """

    def __init__(
        self, model: LanguageModel, config: GraceConfig, store: JournalStore,
        progress: Callable[[str, float], None] | None = None,
    ) -> None:  # fmt: skip
        """Replay the journal of this model and these layers, or begin one. `config` need not be resolved."""
        self._model = model
        self._base = config.resolved(len(model.blocks))
        self._store = store
        self._lock = threading.RLock()
        report = progress or (lambda stage, fraction: None)
        self._id = store.codebook_id(
            fingerprint=model.fingerprint, model_name=model.name, config=self._base.identity(), kept=("directions",)
        )
        self._base = replace(self._base, directions=store.config_of(self._id)["directions"])
        report("Reading the journal", 0.0)
        self._replay = Replay.of(store.events(self._id))
        self._codebook: Codebook
        self._folded = -1  # `Replay.folded` of the state that the codebook is of; none yet
        if not self._replay.readings[FIRST].calibrations:
            first = first_calibration(model, self._base, report)
            if first is not None:
                try:
                    self._append(Calibrated(first.version, first.reason, first.prompts, first.activations))
                except JournalConflict:
                    self._catch_up()  # another process began the same codebook meanwhile; its calibration counts
        self._swap()
        self._matched: tuple[Codebook, list[tuple[QueryRecord, Any, Match]]] | None = None
        self._worker = Worker()

    def close(self) -> None:
        """Call off what runs and end the model's thread; the store stays open, it is its opener's."""
        self._worker.close()

    def leave(self, asker: str) -> None:
        """Call off all jobs of an asker who is gone: what waits is dropped, what runs stops; what is written stays."""
        self._worker.leave(asker)

    @property
    def codebook(self) -> Codebook:
        """The current snapshot; immutable."""
        with self._lock:
            return self._codebook

    def present(self) -> Codebook:
        """The snapshot of now, with what other processes wrote."""
        with self._lock:
            self._catch_up()
            return self._codebook

    def revision(self) -> int:
        """Rises with every event of the journal, whoever wrote it."""
        with self._lock:
            self._catch_up()
            return self._replay.revision

    def _append(self, *data: EventData, author: str = "") -> tuple[StoredEvent, ...]:
        stored = self._store.append(self._id, *data, author=author, expected_seq=self._replay.revision)
        for event in stored:
            self._replay.apply(event)
        return stored

    def _commit(self, *data: EventData, author: str = "") -> None:
        """Append, apply, swap. Another process's events are taken in first, and once more where one comes between."""
        for attempt in range(3):
            self._catch_up()
            for item in data:
                self._replay.check(item)
            try:
                self._append(*data, author=author.strip())
                break
            except JournalConflict:
                if attempt == 2:
                    raise
        self._swap()

    def _catch_up(self) -> None:
        """Take in what another process wrote to the same journal."""
        if self._store.last_seq(self._id) != self._replay.revision:
            for event in self._store.events(self._id, after=self._replay.revision):
                self._replay.apply(event)
        self._swap()

    def _swap(self) -> None:
        """Let the codebook follow the state, also where reading the journal broke off half way the last time."""
        if self._folded != self._replay.folded:
            self._codebook = self._refolded()
            self._folded = self._replay.folded

    def _refolded(self) -> Codebook:
        edits = self._replay.active_edits()
        current: Codebook | None = getattr(self, "_codebook", None)
        # No two encoders of a journal share a version, in whichever reading.
        if current is not None and current.encoder.version == self._replay.reading.version:
            return current.with_edits(edits)
        return codebook_of(self._model, self._base, self._replay)

    def _query(self, query_id: str) -> QueryRecord:
        self._catch_up()
        record = self._replay.queries.get(query_id)
        if record is None:
            raise NotFound(f"There is no logged answer {query_id!r}; prompt the model again.")
        return record

    def _edit_record(self, edit_id: str) -> EditRecord:
        self._catch_up()
        record = self._replay.edits.get(edit_id)
        if record is None:
            raise NotFound(f"There is no edit {edit_id!r} in this codebook; the Edits page lists those that are.")
        return record

    def _query_matches(self, codebook: Codebook) -> list[tuple[QueryRecord, Any, Match]]:
        """Each logged query with its vector and what the codebook says of it now; kept until the codebook changes.

        After an edit or an undo only those are matched again whose answer that can have changed: an encoder is of one reading.
        """
        if self._matched is None or self._matched[0].encoder is not codebook.encoder:
            self._matched = (codebook, [])
        if self._matched[0] is not codebook:
            before, rows = self._matched
            if rows:
                again = codebook.match_again(np.stack([row[1] for row in rows]), before, [row[2] for row in rows])
                rows = [(record, vector, match) for (record, vector, _), match in zip(rows, again, strict=True)]
            self._matched = (codebook, rows)
        known = self._matched[1]
        new = list(self._replay.queries.values())[len(known) :]
        if new:
            vectors = codebook.encoder(np.stack([item.activation for item in new]))
            known.extend(zip(new, vectors, codebook.match(vectors), strict=True))
        return list(known)

    def _logged(self, record: QueryRecord) -> LoggedQuery:
        q = record.generated
        verdicts = {mark.verdict for mark in self._replay.marks(q.query_id)}
        return LoggedQuery(q.query_id, q.prompt, q.text, q.edit_id, fine=verdicts == {"fine"}, faulted=bool(verdicts - {"fine"}))
