"""Radii: all that predicting another ε needs, and applying it, taking it back and restoring it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import NotFound
from app.journal.events import EpsilonChanged, EpsilonRedone, EpsilonUndone, Event
from app.journal.state.answers import QueryRecord
from app.journal.state.journal_state import JournalState
from app.journal.state.query_space import EpsilonRecord
from app.studio.jobs import Job
from app.studio.live import LiveCodebook, Snapshot
from app.studio.model_thread import ModelThread
from app.studio.progress import Stage
from app.studio.texts import checked_phrasings
from app.studio.views import EpsilonRow
from grace_core.codebook.codebook import checked_epsilon
from grace_core.editing.fitting import background_prompts, fitting, strangers_in
from grace_core.editing.siblings import siblings, vocabulary
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.epsilon_curves import Yardstick, known_phrasings, known_unrelated
from grace_core.measuring.epsilon_fit import EpsilonFit, fit_epsilon
from grace_core.measuring.what_if import LoggedQuery, Moment, served
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel

# So many prompts are read between two looks at whether the job was called off.
_READ_AT_ONCE = 32
_MOST_ASKED, _OTHERS_EACH = 60, 2
"""Of so many edits, the last, the prompts are asked about so many others each: more would take long to read."""


class Epsilon:
    """Changes of ε: one event each, which can be undone. They count in the query space in which they were made."""

    def __init__(self, live: LiveCodebook, thread: ModelThread) -> None:
        """Of this codebook."""
        self._live, self._thread = live, thread
        self._read: dict[str, NDArray[np.float32]] = {}  # activations by text; used on the model's thread alone
        self._read_in = ""  # the query space that they are of

    def moment(self) -> Moment:
        """The present codebook and what it says of every logged query."""
        return moment_of(self._live.now())

    def set_epsilon(
        self, epsilon: float, edit_id: str | None = None, *, query_space_id: str | None = None, author: str = ""
    ) -> EpsilonRow:  # fmt: skip
        """Let the key of one edit, or (None) every edit made so far, ask for another radius."""
        change_id = uuid.uuid4().hex
        unit = self._live.now().query_space_id if query_space_id is None else query_space_id

        def decide(now: Snapshot) -> Sequence[Event]:
            if now.query_space_id != unit:
                raise InputError("Prompts are read otherwise by now, and distances are in another unit; try the ε once more.")
            checked_epsilon(epsilon, now.codebook.config)
            if edit_id is not None:
                now.edit(edit_id)
            elif not now.codebook.edits:
                raise InputError("No edit is in force, so there is no ε to change; make an edit on the Review page first.")
            about = None if edit_id is None else served(now.codebook, edit_id)
            return [EpsilonChanged(change_id, about, float(epsilon), now.query_space_id)]

        return _row(self._live.commit(decide, author=author), change_id)

    def undo_epsilon(self, change_id: str, *, author: str = "") -> EpsilonRow:
        """Withdraw a change of ε; the codebook becomes the one that never saw it."""

        def decide(now: Snapshot) -> Sequence[Event]:
            if _change(now, change_id).undone:
                raise InputError("This change of ε is undone already; Redo brings it back.")
            return [EpsilonUndone(change_id)]

        return _row(self._live.commit(decide, author=author), change_id)

    def redo_epsilon(self, change_id: str, *, author: str = "") -> EpsilonRow:
        """Restore a withdrawn change of ε, at its old place in the order."""

        def decide(now: Snapshot) -> Sequence[Event]:
            if not _change(now, change_id).undone:
                raise InputError("This change of ε is not undone; there is nothing to restore.")
            return [EpsilonRedone(change_id)]

        return _row(self._live.commit(decide, author=author), change_id)

    def epsilon_changes(self) -> tuple[EpsilonRow, ...]:
        """Every change of ε of the present query space, newest first."""
        now = self._live.now()
        return tuple(_row(now, change_id) for change_id in reversed(now.state.epsilon_changes))

    def yardstick(self, *, asker: str = "") -> Job[Yardstick]:
        """Phrasings that edits should reach and prompts that they should not touch, read up to the key layer."""
        return self._thread.submit(self._measured, asker)

    def fit_epsilon(
        self, edit_id: str, should: Sequence[str], should_not: Sequence[str], *, asker: str = ""
    ) -> Job[EpsilonFit]:  # fmt: skip
        """The mistakes that each ε of an edit makes with a person's own prompts."""
        lists = checked_phrasings(should), checked_phrasings(should_not)
        asked = self._live.now()
        asked.edit(edit_id)
        served(asked.codebook, edit_id)

        def work(model: LanguageModel, job: Job[EpsilonFit]) -> EpsilonFit:
            now = self._live.now()
            wanted, unwanted = (tuple(dict.fromkeys(model.prompt(text).text for text in texts)) for texts in lists)
            read = self._activations(model, job, now, [*wanted, *unwanted])
            rows = [read[text] for text in (*wanted, *unwanted)]
            activations = np.stack(rows) if rows else np.zeros((0, now.codebook.encoder.width), np.float32)
            return fit_epsilon(now.codebook, edit_id, wanted, unwanted, activations, now.query_space_id)

        return self._thread.submit(work, asker)

    def _measured(self, model: LanguageModel, job: Job[Yardstick]) -> Yardstick:
        now = self._live.now()
        moment, space = moment_of(now), now.state.query_space
        phrasings, given = known_phrasings(moment)
        # Prompts of no particular subject: those that token weights are counted on, or those that are shipped.
        background = space.weighed or background_prompts(model)
        strangers = _strangers(now.state) if now.codebook.encoder.learned is None else _asked_about_others(model, now)
        unrelated = known_unrelated(moment, background, strangers)
        read = self._activations(model, job, now, [*(text for text, _ in phrasings), *unrelated])
        rows = np.zeros((0, now.codebook.encoder.width), np.float32)
        return Yardstick(
            phrasings, unrelated,
            np.stack([read[text] for text, _ in phrasings]) if phrasings else rows,
            np.stack([read[text] for text in unrelated]) if unrelated else rows,
            given, len(phrasings) - given, len(set(background) & set(unrelated)), now.query_space_id,
            len(set(strangers) & set(unrelated) - set(background)),
        )  # fmt: skip

    def _activations(
        self, model: LanguageModel, job: Job[Any], now: Snapshot, texts: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Pooled activations by text, kept for the next time: they depend on the model and the query space alone."""
        if self._read_in != now.query_space_id:
            self._read_in, self._read = now.query_space_id, {}
        read, learned = self._read, now.codebook.encoder.learned
        background = background_prompts(model)
        if learned is not None and len(learned.background) == len(background):
            read.update(zip(background, learned.background, strict=True))
        for step in now.state.query_space.calibrations:
            if len(step.prompts) == len(step.activations):
                read.update(zip(step.prompts, step.activations, strict=True))
        missing = [text for text in dict.fromkeys(texts) if text not in read]
        for start in range(0, len(missing), _READ_AT_ONCE):
            if job.cancelled:
                raise Cancelled("Stopped; nothing was changed.")
            job.report(Stage.counted("Reading prompts", start, len(missing)))
            some = missing[start : start + _READ_AT_ONCE]
            prompts = [model.prompt(text) for text in some]
            rows = activations_of(model, now.codebook.reader, prompts)
            read.update(zip(some, rows, strict=True))
        return read


def moment_of(now: Snapshot) -> Moment:
    """What predicting another codebook needs of a snapshot."""
    queries = tuple(_logged(now.state, one.record) for one in now.matched)
    width = now.codebook.encoder.dimensions
    vectors = np.stack([one.vector for one in now.matched]) if now.matched else np.zeros((0, width), np.float32)
    matches = tuple(one.match for one in now.matched)
    return Moment(now.codebook, queries, vectors, matches, now.state.revision, now.query_space_id)


def _logged(state: JournalState, record: QueryRecord) -> LoggedQuery:
    q = record.generated
    verdicts = {mark.verdict for mark in state.marks(q.query_id)}
    fine, faulted = verdicts == {"fine"}, bool(verdicts - {"fine"})
    return LoggedQuery(q.query_id, q.prompt, q.text, q.edit_id, fine=fine, faulted=faulted)


def _strangers(state: JournalState) -> tuple[str, ...]:
    """Edited prompts asked about others, as far as some encoder of the journal was calibrated on them."""
    steps = [step for space in state.query_spaces.values() for step in space.calibrations]
    return tuple(text for step in steps for text in strangers_in(step.reason, step.prompts))


def _asked_about_others(model: LanguageModel, now: Snapshot) -> tuple[str, ...]:
    """The prompts of the last edits asked about others: a learned encoder is calibrated on none, so they are made here."""
    names, common = vocabulary(background_prompts(model))
    edits = now.state.active_edits()[-_MOST_ASKED:]
    texts = (text for edit in edits for text in siblings(edit.prompt, _OTHERS_EACH, names, common))
    return tuple(prompt.text for prompt in fitting(model, texts))


def _change(now: Snapshot, change_id: str) -> EpsilonRecord:
    record = now.state.epsilon_changes.get(change_id)
    if record is not None:
        return record
    if any(change_id in space.epsilon_changes for space in now.state.query_spaces.values()):
        raise InputError(
            "This change of ε was made while prompts were read otherwise, in another unit; go back to that way of reading "
            "first (Lab, Calibrate)."
        )
    raise NotFound(f"There is no change of ε {change_id!r} in this codebook; the Lab page lists those that are.")


def _row(now: Snapshot, change_id: str) -> EpsilonRow:
    record = _change(now, change_id)
    ids = record.changed.edit_ids
    prompt = None if ids is None else now.edit(ids[0]).edit.prompt
    return EpsilonRow(
        change_id, record.changed.epsilon, None if ids is None else ids[0], prompt,
        len(record.edit_ids), record.event.author, record.event.at, record.undone,
    )  # fmt: skip
