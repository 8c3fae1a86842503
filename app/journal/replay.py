"""What the journal adds up to: a fold of stored events into edits, queries, marks and the readings they stand in.

Pure: no database, no clock, no model. The same events in the same order give the same state, however they are split
between a first load and what came later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Self

from app.errors import JournalError
from app.journal.events import (
    FOLDED,
    Calibrated,
    Edited,
    EpsilonChanged,
    EpsilonRedone,
    EpsilonUndone,
    EventData,
    Float32,
    Generated,
    Marked,
    Redone,
    Reread,
    Returned,
    StoredEvent,
    Undone,
    Unmarked,
)
from app.journal.readings import EpsilonRecord, Reading
from app.studio.views import Mark
from grace_core.codebook.codebook import Edit


@dataclass(frozen=True)
class EditRecord:
    """One edit, in force or withdrawn: for the fold, as the present reading has it (`edit`), and as the journal has it."""

    edit: Edit
    edited: Edited
    event: StoredEvent
    undone: bool = False


@dataclass(frozen=True)
class QueryRecord:
    """One logged answer (`generated`) and when and by whom (`event`). activation: (width,), as the present reading has it."""

    generated: Generated
    event: StoredEvent
    activation: Float32


class Replay:
    """The state after the events applied so far. Not locked: one owner applies, others read under its lock.

    edits, queries: by id, in journal order, as the present reading has them. reading: the present one, of `readings`
    (by id). folded: seq of the last event that may have changed the codebook. revision: seq of the last event (0: none).
    """

    def __init__(self) -> None:
        self.edits: dict[str, EditRecord] = {}
        self.queries: dict[str, QueryRecord] = {}
        self.reading = Reading()
        self.readings: dict[str, Reading] = {self.reading.reading_id: self.reading}
        self.codebook_id: str | None = None
        self.folded = 0
        self.revision = 0
        self._version = 0
        self._marks: dict[str, Mark] = {}
        self._marks_of: dict[str, dict[str, Mark]] = {}

    @classmethod
    def of(cls, events: Iterable[StoredEvent]) -> Self:
        """The state after these events."""
        replay = cls()
        for event in events:
            replay.apply(event)
        return replay

    def copied(self) -> Replay:
        """The same state; what is applied to one does not reach the other. For looking at what an event would do."""
        copy = Replay()
        copy.edits, copy.queries = dict(self.edits), dict(self.queries)
        copy.readings = {reading_id: reading.copied() for reading_id, reading in self.readings.items()}
        copy.reading = copy.readings[self.reading.reading_id]
        copy.codebook_id, copy.folded, copy.revision = self.codebook_id, self.folded, self.revision
        copy._version = self._version
        copy._marks = dict(self._marks)
        copy._marks_of = {query_id: dict(marks) for query_id, marks in self._marks_of.items()}
        return copy

    @property
    def calibrations(self) -> list[Calibrated]:
        """Of the present reading's encoder, oldest first."""
        return self.reading.calibrations

    @property
    def epsilon_changes(self) -> dict[str, EpsilonRecord]:
        """Made in the present reading, by id, in journal order; those of another one wait there."""
        return self.reading.epsilon_changes

    @property
    def next_version(self) -> int:
        """For the next encoder: above that of any before it, in whichever reading."""
        return self._version + 1

    def active_edits(self) -> tuple[Edit, ...]:
        """Edits that are not withdrawn, in the order in which they were made (a redo returns to its old place)."""
        return tuple(record.edit for record in self.edits.values() if not record.undone)

    def marks(self, query_id: str) -> tuple[Mark, ...]:
        """The marks on one answer that were not removed, oldest first."""
        return tuple(self._marks_of.get(query_id, {}).values())

    def mark(self, mark_id: str) -> Mark | None:
        """A mark that was made and not removed, by its id."""
        return self._marks.get(mark_id)

    def check(self, data: EventData) -> None:
        """Raise JournalError if this cannot happen in the present state. For the moment before an append."""
        if problem := self._problem(data):
            raise JournalError(f"This cannot be recorded: {problem}. Look at the present state, then try again.")

    def apply(self, event: StoredEvent) -> None:
        """Fold in one more event. JournalError where it cannot follow; the state is then as it was."""
        problem = self._problem(event.data)
        if event.seq <= self.revision:
            problem = f"it comes after event {self.revision}"
        elif self.codebook_id not in (None, event.codebook_id):
            problem = f"it belongs to the codebook {event.codebook_id!r}, the others to {self.codebook_id!r}"
        if problem:
            raise JournalError(
                f"The journal's history is impossible at event {event.seq} ({event.data.KIND}): {problem}. "
                "Restore the journal from a backup, or choose another data directory."
            )
        self._fold(event)
        self.codebook_id = event.codebook_id
        self.revision = event.seq

    def _problem(self, data: EventData) -> str | None:
        """Why an event cannot follow on the present state.

        Only what would make the fold ambiguous. That the edit named by an answer was withdrawn meanwhile, say, is no
        contradiction.
        """
        match data:
            case Generated(query_id=query_id) if query_id in self.queries:
                return f"the query {query_id!r} is already there"
            case Marked(query_id=query_id) if query_id not in self.queries:
                return f"the query {query_id!r} is not there, so it cannot be marked"
            case Marked(mark_id=mark_id) if mark_id in self._marks:
                return f"the mark {mark_id!r} is already there"
            case Unmarked(mark_id=mark_id) if mark_id not in self._marks:
                return f"the mark {mark_id!r} is not there, or was removed before"
            case Edited(edit_id=edit_id) if edit_id in self.edits:
                return f"the edit {edit_id!r} is already there"
            case Undone(edit_id=edit_id) | Redone(edit_id=edit_id) if edit_id not in self.edits:
                return f"the edit {edit_id!r} is not there"
            case Undone(edit_id=edit_id) if self.edits[edit_id].undone:
                return f"the edit {edit_id!r} is already undone"
            case Redone(edit_id=edit_id) if not self.edits[edit_id].undone:
                return f"the edit {edit_id!r} is not undone"
            case Calibrated(version=version) | Reread(version=version) if version <= self._version:
                return f"calibration {version} comes after calibration {self._version}"
            case Generated() | Edited() | Calibrated() | EpsilonChanged() if data.reading != self.reading.reading_id:
                return "since then prompts are read otherwise (another layer, pooling or encoding)"
            case Reread() | Returned():
                return self._reading_problem(data)
            case EpsilonChanged() | EpsilonUndone() | EpsilonRedone():
                return self._epsilon_problem(data)
        return None

    def _epsilon_problem(self, data: EpsilonChanged | EpsilonUndone | EpsilonRedone) -> str | None:
        known = self.epsilon_changes.get(data.change_id)
        if known is None and any(data.change_id in reading.epsilon_changes for reading in self.readings.values()):
            return f"the change of ε {data.change_id!r} was made while prompts were read otherwise, in another unit"
        match data:
            case EpsilonChanged() if known is not None:
                return f"the change of ε {data.change_id!r} is already there"
            case EpsilonChanged(epsilon=epsilon) if not (isfinite(epsilon) and epsilon > 0):
                return f"ε is {epsilon!r}, which is no radius above 0"
            case EpsilonChanged(edit_ids=()):
                return f"the change of ε {data.change_id!r} names no edit"
            case EpsilonChanged(edit_ids=edit_ids) if missing := sorted(set(edit_ids or ()) - self.edits.keys()):
                return f"the edit {missing[0]!r} is not there"
            case EpsilonUndone() | EpsilonRedone() if known is None:
                return f"the change of ε {data.change_id!r} is not there"
            case EpsilonUndone() if known is not None and known.undone:
                return f"the change of ε {data.change_id!r} is already undone"
            case EpsilonRedone() if known is not None and not known.undone:
                return f"the change of ε {data.change_id!r} is not undone"
        return None

    def _reading_problem(self, data: Reread | Returned) -> str | None:
        there = self.readings.get(data.reading_id)
        if isinstance(data, Reread):
            if there is not None:
                return f"the reading {data.reading_id!r} is already there"
            rows = (0, len(data.background)) if data.encoding == "raw" else (len(data.background),)
            if len(data.background_activations) not in rows or not 0 <= data.weighed <= len(data.background):
                return f"there are {len(data.background)} background prompts and {len(data.background_activations)} activations"
        elif there is None:
            return f"the reading {data.reading_id!r} is not there"
        elif there is self.reading:
            return f"the reading {data.reading_id!r} is already in force"
        if not (isfinite(data.epsilon) and data.epsilon > 0):
            return f"ε is {data.epsilon!r}, which is no radius above 0"
        if len(data.prompts) != len(data.activations):
            return f"there are {len(data.prompts)} prompts and {len(data.activations)} activations"
        lacking = self.unread(there) - set(data.prompts)
        return f"{len(lacking)} prompts of edits or logged queries were not read" if lacking else None

    def unread(self, reading: Reading | None) -> set[str]:
        """Texts of the edits (withdrawn ones too) and logged queries that a reading has not seen; None: a new one."""
        edits, queries = (reading.edits, reading.queries) if reading is not None else ({}, {})
        lacking = {record.edited.prompt for edit_id, record in self.edits.items() if edit_id not in edits}
        return lacking | {record.generated.prompt for query_id, record in self.queries.items() if query_id not in queries}

    def _fold(self, event: StoredEvent) -> None:
        data = event.data
        if isinstance(data, FOLDED):
            self.folded = event.seq
        match data:
            case Generated():
                self.queries[data.query_id] = QueryRecord(data, event, data.activation)
                self.reading.queries[data.query_id] = data.activation
            case Marked():
                mark = _mark(data, event)
                self._marks[mark.mark_id] = mark
                self._marks_of.setdefault(mark.query_id, {})[mark.mark_id] = mark
            case Unmarked():
                mark = self._marks.pop(data.mark_id)
                del self._marks_of[mark.query_id][mark.mark_id]
            case Edited():
                edit = self.reading.edits[data.edit_id] = _edit(data)
                self.edits[data.edit_id] = EditRecord(edit, data, event)
            case Undone():
                self.edits[data.edit_id] = replace(self.edits[data.edit_id], undone=True)
            case Redone():
                self.edits[data.edit_id] = replace(self.edits[data.edit_id], undone=False)
            case Calibrated():
                self.calibrations.append(data)
                self._version = data.version
            case Reread():
                self._version = data.version
                reading = self.readings[data.reading_id] = Reading.begun(data, event)
                self._read_as(reading, data)
            case Returned():
                self._read_as(self.readings[data.reading_id], data)
            case EpsilonChanged():
                about = frozenset(self.edits) if data.edit_ids is None else frozenset(data.edit_ids)
                self._set_change(EpsilonRecord(data, event, about))
            case EpsilonUndone():
                self._set_change(replace(self.epsilon_changes[data.change_id], undone=True))
            case EpsilonRedone():
                self._set_change(replace(self.epsilon_changes[data.change_id], undone=False))

    def _read_as(self, reading: Reading, data: Reread | Returned) -> None:
        """Put a reading in force, with what it has not seen yet."""
        read = dict(zip(data.prompts, data.activations, strict=True))
        texts = {query_id: record.generated.prompt for query_id, record in self.queries.items()}
        reading.take_in((record.edit for record in self.edits.values()), texts, read, data.epsilon)
        self.reading = reading
        asked = reading.asked()
        self.edits = {edit_id: replace(record, edit=asked[edit_id]) for edit_id, record in self.edits.items()}
        self.queries = {
            query_id: replace(record, activation=reading.queries[query_id]) for query_id, record in self.queries.items()
        }

    def _set_change(self, change: EpsilonRecord) -> None:
        """Keep a change of ε; its edits ask for what the last change in force says, or for what they were made with."""
        self.epsilon_changes[change.changed.change_id] = change
        in_force = [record for record in reversed(self.epsilon_changes.values()) if not record.undone]
        for edit_id in change.edit_ids:
            record = self.edits[edit_id]
            made = self.reading.edits[edit_id].epsilon
            asked = next((one.changed.epsilon for one in in_force if edit_id in one.edit_ids), made)
            if asked != record.edit.epsilon:
                self.edits[edit_id] = replace(record, edit=record.edit.with_epsilon(asked))


def _edit(edited: Edited) -> Edit:
    return Edit(
        edit_id=edited.edit_id,
        prompt=edited.prompt,
        target=edited.target,
        target_ids=edited.target_ids,
        activation=edited.activation,
        value=edited.value,
        epsilon=edited.requested_epsilon,
        paraphrases=edited.paraphrases,
    )


def _mark(marked: Marked, event: StoredEvent) -> Mark:
    return Mark(
        mark_id=marked.mark_id,
        query_id=marked.query_id,
        start=marked.start,
        end=marked.end,
        text=marked.text,
        verdict=marked.verdict,
        author=event.author,
        at=event.at,
    )
