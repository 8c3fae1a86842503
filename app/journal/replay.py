"""What the journal adds up to: a fold of stored events into edits, queries, marks and calibrations.

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
    Calibrated,
    Edited,
    EpsilonChanged,
    EpsilonRedone,
    EpsilonUndone,
    EventData,
    Generated,
    Marked,
    Redone,
    StoredEvent,
    Undone,
    Unmarked,
)
from app.records import Mark
from grace_core.codebook import Edit


@dataclass(frozen=True)
class EditRecord:
    """One edit, in force or withdrawn: for the fold (`edit`) and as the journal has it (`edited`, `event`)."""

    edit: Edit
    edited: Edited
    event: StoredEvent
    undone: bool = False


@dataclass(frozen=True)
class EpsilonRecord:
    """One change of ε, in force or withdrawn. edit_ids: the edits that it is about (all that there were, where it names none)."""

    changed: EpsilonChanged
    event: StoredEvent
    edit_ids: frozenset[str]
    undone: bool = False


@dataclass(frozen=True)
class QueryRecord:
    """One logged answer (`generated`) and when and by whom (`event`)."""

    generated: Generated
    event: StoredEvent


class Replay:
    """The state after the events applied so far. Not locked: one owner applies, others read under its lock.

    edits, queries, epsilon_changes: by id, in journal order. calibrations: oldest first.
    revision: seq of the last event (0: none).
    """

    def __init__(self) -> None:
        self.edits: dict[str, EditRecord] = {}
        self.queries: dict[str, QueryRecord] = {}
        self.epsilon_changes: dict[str, EpsilonRecord] = {}
        self.calibrations: list[Calibrated] = []
        self.codebook_id: str | None = None
        self.revision = 0
        self._marks: dict[str, Mark] = {}
        self._marks_of: dict[str, dict[str, Mark]] = {}

    @classmethod
    def of(cls, events: Iterable[StoredEvent]) -> Self:
        """The state after these events."""
        replay = cls()
        for event in events:
            replay.apply(event)
        return replay

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
            case Calibrated(version=version) if self.calibrations and version <= self.calibrations[-1].version:
                return f"calibration {version} comes after calibration {self.calibrations[-1].version}"
            case EpsilonChanged() | EpsilonUndone() | EpsilonRedone():
                return self._epsilon_problem(data)
        return None

    def _epsilon_problem(self, data: EpsilonChanged | EpsilonUndone | EpsilonRedone) -> str | None:
        known = self.epsilon_changes.get(data.change_id)
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

    def _fold(self, event: StoredEvent) -> None:
        data = event.data
        match data:
            case Generated():
                self.queries[data.query_id] = QueryRecord(data, event)
            case Marked():
                mark = _mark(data, event)
                self._marks[mark.mark_id] = mark
                self._marks_of.setdefault(mark.query_id, {})[mark.mark_id] = mark
            case Unmarked():
                mark = self._marks.pop(data.mark_id)
                del self._marks_of[mark.query_id][mark.mark_id]
            case Edited():
                self.edits[data.edit_id] = EditRecord(_edit(data), data, event)
            case Undone():
                self.edits[data.edit_id] = replace(self.edits[data.edit_id], undone=True)
            case Redone():
                self.edits[data.edit_id] = replace(self.edits[data.edit_id], undone=False)
            case Calibrated():
                self.calibrations.append(data)
            case EpsilonChanged():
                about = frozenset(self.edits) if data.edit_ids is None else frozenset(data.edit_ids)
                self._set_change(EpsilonRecord(data, event, about))
            case EpsilonUndone():
                self._set_change(replace(self.epsilon_changes[data.change_id], undone=True))
            case EpsilonRedone():
                self._set_change(replace(self.epsilon_changes[data.change_id], undone=False))

    def _set_change(self, change: EpsilonRecord) -> None:
        """Keep a change of ε; its edits ask for what the last change in force says, or for what they were made with."""
        self.epsilon_changes[change.changed.change_id] = change
        in_force = [record for record in reversed(self.epsilon_changes.values()) if not record.undone]
        for edit_id in change.edit_ids:
            record = self.edits[edit_id]
            asked = next((one.changed.epsilon for one in in_force if edit_id in one.edit_ids), record.edited.requested_epsilon)
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
