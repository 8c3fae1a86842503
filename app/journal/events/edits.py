"""Edits that took, and their undo and redo."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from app.journal.events.base import Event, Matrix, StoredEvent, Vector, kind
from app.journal.state.broken import BrokenRecords
from app.journal.state.edits import Edits
from app.journal.state.query_space import QuerySpaces

if TYPE_CHECKING:
    from app.journal.state.journal_state import JournalState


@kind("edited", stands_alone=True)
class Edited(Event):
    """An edit took. It holds all that a fold needs, so that no fold ever has to train.

    change: what the edit did to the codebook then, as JSON (tuples come back as lists).
    requested_epsilon: the radius asked for; the one in force is the fold's to say. subject_epsilon: `Edit.subject_epsilon`.
    source_url: as it was typed; a journal from before it was checked may hold one that cannot be read.
    activation: (width,), read in the query space `reading`; the radius is in its unit. value: (positions, width).
    """

    edit_id: str
    query_id: str | None
    prompt: str
    target: str
    target_ids: tuple[int, ...]
    paraphrases: tuple[str, ...]
    source_url: str
    text_before: str
    text_after: str
    change: dict[str, Any]
    requested_epsilon: Annotated[float, Field(gt=0)]
    losses: tuple[float, ...]
    seconds: float
    activation: Vector = field(repr=False)
    value: Matrix = field(repr=False)
    reading: str = ""
    subject_epsilon: Annotated[float, Field(gt=0)] | None = None

    def problem(self, state: JournalState) -> str | None:
        if state.undone(self.edit_id) is not None:
            return f"the edit {self.edit_id!r} is already there"
        return state.part(QuerySpaces).elsewhere(self.reading)

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        state.part(QuerySpaces).present.edits[self.edit_id] = state.part(Edits).add(self, event)


@kind("undone")
class Undone(Event):
    """An edit was withdrawn."""

    edit_id: str

    def problem(self, state: JournalState) -> str | None:
        undone = state.undone(self.edit_id)
        if undone is None:
            return f"the edit {self.edit_id!r} is not there"
        return f"the edit {self.edit_id!r} is already undone" if undone else None

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        _set_undone(state, self.edit_id, True)


@kind("redone")
class Redone(Event):
    """A withdrawn edit was restored, at its old place in the order of edits."""

    edit_id: str

    def problem(self, state: JournalState) -> str | None:
        undone = state.undone(self.edit_id)
        if undone is None:
            return f"the edit {self.edit_id!r} is not there"
        return None if undone else f"the edit {self.edit_id!r} is not undone"

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        _set_undone(state, self.edit_id, False)


def _set_undone(state: JournalState, edit_id: str, undone: bool) -> None:
    part = state.part(Edits) if edit_id in state.edits else state.part(BrokenRecords)
    part.set_undone(edit_id, undone)
