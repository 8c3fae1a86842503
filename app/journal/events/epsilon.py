"""Changes of ε, and their undo and redo. Each counts in the query space in which it was made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.journal.events.base import Event, StoredEvent, kind
from app.journal.state.edits import Edits
from app.journal.state.query_space import EpsilonRecord, QuerySpaces, radius_problem

if TYPE_CHECKING:
    from app.journal.state.journal_state import JournalState


@kind("epsilon_changed")
class EpsilonChanged(Event):
    """Another radius was asked for, in the unit of the query space `reading`, and while that is in force.

    edit_ids: for these edits; None: for every edit made so far, withdrawn or not.
    """

    change_id: str
    edit_ids: tuple[str, ...] | None
    epsilon: float
    reading: str = ""

    def problem(self, state: JournalState) -> str | None:
        spaces = state.part(QuerySpaces)
        if elsewhere := spaces.elsewhere(self.reading):
            return elsewhere
        if self.change_id in spaces.present.epsilon_changes:
            return f"the change of ε {self.change_id!r} is already there"
        if waits := spaces.waits_elsewhere(self.change_id) or radius_problem(self.epsilon):
            return waits
        if self.edit_ids == ():
            return f"the change of ε {self.change_id!r} names no edit"
        missing = sorted(edit_id for edit_id in self.edit_ids or () if state.undone(edit_id) is None)
        return f"the edit {missing[0]!r} is not there" if missing else None

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        edits = state.part(Edits)
        about = frozenset(edits.records if self.edit_ids is None else edits.records.keys() & set(self.edit_ids))
        state.part(QuerySpaces).present.set_change(EpsilonRecord(self, event, about), edits)


@kind("epsilon_undone")
class EpsilonUndone(Event):
    """A change of ε was withdrawn: each edit asks again for what it would ask for had the change never been made."""

    change_id: str

    def problem(self, state: JournalState) -> str | None:
        known = state.epsilon_changes.get(self.change_id)
        if known is None:
            return _missing(state, self.change_id)
        return f"the change of ε {self.change_id!r} is already undone" if known.undone else None

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        _set_undone(state, self.change_id, True)


@kind("epsilon_redone")
class EpsilonRedone(Event):
    """A withdrawn change of ε was restored, at its old place in the order of changes."""

    change_id: str

    def problem(self, state: JournalState) -> str | None:
        known = state.epsilon_changes.get(self.change_id)
        if known is None:
            return _missing(state, self.change_id)
        return None if known.undone else f"the change of ε {self.change_id!r} is not undone"

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        _set_undone(state, self.change_id, False)


def _missing(state: JournalState, change_id: str) -> str:
    return state.part(QuerySpaces).waits_elsewhere(change_id) or f"the change of ε {change_id!r} is not there"


def _set_undone(state: JournalState, change_id: str, undone: bool) -> None:
    space = state.part(QuerySpaces).present
    space.set_change(replace(space.epsilon_changes[change_id], undone=undone), state.part(Edits))
