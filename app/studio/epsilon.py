"""Lab, What if ε?: all that predicting another ε needs, and applying it, taking it back and restoring it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.errors import NotFound
from app.journal.events import EpsilonChanged, EpsilonRedone, EpsilonUndone
from app.journal.readings import EpsilonRecord
from app.studio.jobs import Job
from app.studio.live import BenchState
from app.studio.progress import Stage
from app.studio.views import EpsilonRow
from grace_core.codebook.codebook import checked_epsilon
from grace_core.editing.fitting import background_prompts, strangers_in
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.epsilon_curves import Yardstick, known_phrasings, known_unrelated
from grace_core.measuring.what_if import Moment, served
from grace_core.models.activations import activations_of

# So many prompts are read between two looks at whether the job was called off.
_READ_AT_ONCE = 32


class EpsilonDesk(BenchState):
    """Changes of ε: one event each, which can be undone. They count in the reading in which they were made."""

    _read: tuple[str, dict[str, Any]] = ("", {})
    """Activations by text, and the id of the reading that they are of."""

    def moment(self) -> Moment:
        """The present codebook and what it says of every logged query: all that predicting another ε needs."""
        with self._lock:
            self._catch_up()
            codebook = self._codebook
            matched = self._query_matches(codebook)
            queries = tuple(self._logged(record) for record, _, _ in matched)
            revision, reading = self._replay.revision, self._replay.reading.reading_id
        width = codebook.encoder.dimensions
        vectors = np.stack([vector for _, vector, _ in matched]) if matched else np.zeros((0, width), np.float32)
        return Moment(codebook, queries, vectors, tuple(match for _, _, match in matched), revision, reading)

    def set_epsilon(
        self, epsilon: float, edit_id: str | None = None, *, query_space_id: str | None = None, author: str = ""
    ) -> EpsilonRow:  # fmt: skip
        """Let the key of one edit, or (None) every edit made so far, ask for another radius. One event; it can be undone.

        query_space_id: of the one in whose unit it is (`Moment.query_space_id`); None: the present one.

        Raises:
            InputError: a radius that cannot be or is in another unit, an edit without a key, or no edit at all.
        """
        with self._lock:
            self._catch_up()
            if query_space_id not in (None, self._replay.reading.reading_id):
                raise InputError("Prompts are read otherwise by now, and distances are in another unit; try the ε once more.")
            checked_epsilon(epsilon, self._codebook.config)
            if edit_id is not None:
                self._edit_record(edit_id)
            if edit_id is None and not self._replay.active_edits():
                raise InputError("No edit is in force, so there is no ε to change; make an edit on the Review page first.")
            about = None if edit_id is None else served(self._codebook, edit_id)
            data = EpsilonChanged(uuid.uuid4().hex, about, float(epsilon), self._replay.reading.reading_id)
            self._commit(data, author=author)
            return self._epsilon_row(self._replay.epsilon_changes[data.change_id])

    def undo_epsilon(self, change_id: str, *, author: str = "") -> EpsilonRow:
        """Withdraw a change of ε; the codebook becomes the one that never saw it.

        Raises:
            NotFound: an unknown change.
            InputError: it is undone already, or was made in another reading.
        """
        with self._lock:
            if self._epsilon_change(change_id).undone:
                raise InputError("This change of ε is undone already; Redo brings it back.")
            self._commit(EpsilonUndone(change_id), author=author)
            return self._epsilon_row(self._replay.epsilon_changes[change_id])

    def redo_epsilon(self, change_id: str, *, author: str = "") -> EpsilonRow:
        """Restore a withdrawn change of ε, at its old place in the order.

        Raises:
            NotFound: an unknown change.
            InputError: it is not undone, or was made in another reading.
        """
        with self._lock:
            if not self._epsilon_change(change_id).undone:
                raise InputError("This change of ε is not undone; there is nothing to restore.")
            self._commit(EpsilonRedone(change_id), author=author)
            return self._epsilon_row(self._replay.epsilon_changes[change_id])

    def epsilon_changes(self) -> tuple[EpsilonRow, ...]:
        """Every change of ε of the present reading, newest first; those of another one return with it."""
        with self._lock:
            self._catch_up()
            return tuple(self._epsilon_row(record) for record in reversed(self._replay.epsilon_changes.values()))

    def yardstick(self, *, asker: str = "") -> Job[Yardstick]:
        """Phrasings that edits should reach and prompts that they should not touch, read up to the key layer.

        The job reports `Stage`s; what was read once is kept.
        """

        def work(job: Job[Yardstick]) -> Yardstick:
            view = self.moment()
            phrasings, given = known_phrasings(view)
            background = self._background(view.query_space_id)
            strangers = self._strangers()
            unrelated = known_unrelated(view, background, strangers)
            read = self._read_prompts(job, view, [*(text for text, _ in phrasings), *unrelated])
            rows = np.zeros((0, self._model.width), np.float32)
            return Yardstick(
                phrasings, unrelated,
                np.stack([read[text] for text, _ in phrasings]) if phrasings else rows,
                np.stack([read[text] for text in unrelated]) if unrelated else rows,
                given, len(phrasings) - given, len(set(background) & set(unrelated)), view.query_space_id,
                len(set(strangers) & set(unrelated) - set(background)),
            )  # fmt: skip

        return self._worker.submit(work, asker)

    def _background(self, reading_id: str) -> tuple[str, ...]:
        """Prompts of no particular subject: those that token weights are counted on, or those that are shipped."""
        with self._lock:
            return self._replay.readings[reading_id].weighed or background_prompts(self._model)

    def _strangers(self) -> tuple[str, ...]:
        """Edited prompts asked about others, as far as some encoder of the journal was calibrated on them."""
        with self._lock:
            steps = [step for reading in self._replay.readings.values() for step in reading.calibrations]
            return tuple(text for step in steps for text in strangers_in(step.reason, step.prompts))

    def _read_prompts(self, job: Job[Any], view: Moment, texts: Sequence[str]) -> dict[str, Any]:
        """Pooled activations by text, kept for the next time: they depend on the model and the reading alone."""
        with self._lock:
            if self._read[0] != view.query_space_id:
                self._read = (view.query_space_id, {})
            read = self._read[1]
            for step in self._replay.readings[view.query_space_id].calibrations:
                if len(step.prompts) == len(step.activations):
                    read.update(zip(step.prompts, step.activations, strict=True))
        missing = [text for text in dict.fromkeys(texts) if text not in read]
        codebook = view.codebook
        for start in range(0, len(missing), _READ_AT_ONCE):
            if job.cancelled:
                raise Cancelled("Stopped; nothing was changed.")
            job.report(Stage.counted("Reading phrasings", start, len(missing)))
            some = missing[start : start + _READ_AT_ONCE]
            prompts = [self._model.prompt(text) for text in some]
            rows = activations_of(self._model, codebook.config, codebook.encoder.weights, prompts)
            read.update(zip(some, rows, strict=True))
        return read

    def _epsilon_change(self, change_id: str) -> EpsilonRecord:
        self._catch_up()
        record = self._replay.epsilon_changes.get(change_id)
        if record is None and any(change_id in reading.epsilon_changes for reading in self._replay.readings.values()):
            raise InputError(
                "This change of ε was made while prompts were read otherwise, in another unit; go back to that reading first "
                "(Lab, Calibrate)."
            )
        if record is None:
            raise NotFound(f"There is no change of ε {change_id!r} in this codebook; the Lab page lists those that are.")
        return record

    def _epsilon_row(self, record: EpsilonRecord) -> EpsilonRow:
        ids = record.changed.edit_ids
        prompt = None if ids is None else self._replay.edits[ids[0]].edit.prompt
        return EpsilonRow(
            record.changed.change_id, record.changed.epsilon, None if ids is None else ids[0], prompt,
            len(record.edit_ids), record.event.author, record.event.at, record.undone,
        )  # fmt: skip
