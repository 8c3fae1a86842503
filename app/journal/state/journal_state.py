"""What the journal of one codebook adds up to: a fold of stored events into the state of every noun.

Pure: no database, no clock, no model. The same events in the same order give the same state, however they are split
between a first load and what came later. What a kind of event does is written beside the kind, in `app.journal.events`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, Self, TypeVar

from app.errors import JournalError
from app.journal.events.base import Event, StoredEvent
from app.journal.events.query_space import Calibrated
from app.journal.state.answers import Answers, Mark, QueryRecord
from app.journal.state.broken import BrokenRecord, BrokenRecords
from app.journal.state.edits import EditRecord, Edits
from app.journal.state.query_space import EpsilonRecord, QuerySpace, QuerySpaces
from grace_core.codebook.codebook import Edit


class Part(Protocol):
    """The state of one noun. It is made without arguments."""

    def copied(self) -> Any: ...


P = TypeVar("P", bound=Part)


class JournalState:
    """The state after the events applied so far. Not locked: one owner applies, others read under its lock.

    folded: seq of the last event that may have changed the codebook. revision: seq of the last event (0: none).
    """

    def __init__(self) -> None:
        self._parts: dict[type[Any], Any] = {}
        self._folded_ids: set[str] = set()
        self.stream: str | None = None
        self.folded = 0
        self.revision = 0

    @classmethod
    def of(cls, events: Iterable[StoredEvent]) -> Self:
        """The state after these events."""
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def part(self, noun: type[P]) -> P:
        """The state of one noun; it begins empty."""
        found: P = self._parts[noun] if noun in self._parts else self._parts.setdefault(noun, noun())
        return found

    def copied(self) -> JournalState:
        """The same state; what is applied to one does not reach the other. For looking at what an event would do."""
        copy = JournalState()
        copy._parts = {noun: part.copied() for noun, part in self._parts.items()}
        copy._folded_ids = set(self._folded_ids)
        copy.stream, copy.folded, copy.revision = self.stream, self.folded, self.revision
        return copy

    @property
    def edits(self) -> dict[str, EditRecord]:
        """By id, in journal order, as the present query space has them."""
        return self.part(Edits).records

    @property
    def queries(self) -> dict[str, QueryRecord]:
        """By id, in journal order, as the present query space has them."""
        return self.part(Answers).queries

    @property
    def query_space(self) -> QuerySpace:
        """The present one, of `query_spaces`."""
        return self.part(QuerySpaces).present

    @property
    def query_spaces(self) -> dict[str, QuerySpace]:
        """By id, oldest first."""
        return self.part(QuerySpaces).by_id

    @property
    def calibrations(self) -> list[Calibrated]:
        """Of the present query space's encoder, oldest first."""
        return self.query_space.calibrations

    @property
    def epsilon_changes(self) -> dict[str, EpsilonRecord]:
        """Made in the present query space, by id, in journal order; those of another one wait there."""
        return self.query_space.epsilon_changes

    @property
    def next_version(self) -> int:
        """For the next encoder: above that of any before it, in whichever query space."""
        return self.part(QuerySpaces).version + 1

    def active_edits(self) -> tuple[Edit, ...]:
        """Edits that are not withdrawn, in the order in which they were made (a redo returns to its old place)."""
        return self.part(Edits).active()

    def marks(self, query_id: str) -> tuple[Mark, ...]:
        """The marks on one answer that were not removed, oldest first."""
        return self.part(Answers).marks_of(query_id)

    def mark(self, mark_id: str) -> Mark | None:
        """A mark that was made and not removed, by its id."""
        return self.all_marks.get(mark_id)

    def unread(self, space: QuerySpace | None) -> set[str]:
        """Texts of the edits (withdrawn ones too) and logged queries that a query space has not seen; None: a new one."""
        edits, queries = (space.edits, space.queries) if space is not None else ({}, {})
        lacking = {record.edited.prompt for edit_id, record in self.edits.items() if edit_id not in edits}
        return lacking | {text for query_id, text in self.part(Answers).texts().items() if query_id not in queries}

    @property
    def all_marks(self) -> dict[str, Mark]:
        """Those not removed, by id, oldest first."""
        return self.part(Answers).marks

    @property
    def broken(self) -> tuple[BrokenRecord, ...]:
        """Damaged rows that are not in force, in journal order; see `app.journal.events.broken`."""
        return tuple(self.part(BrokenRecords).records.values())

    def undone(self, edit_id: str) -> bool | None:
        """Whether an edit is withdrawn, a broken one too; None where there is no such edit."""
        record = self.edits.get(edit_id) or self.part(BrokenRecords).get("edited", edit_id)
        return None if record is None else record.undone

    def has_query(self, query_id: str) -> bool:
        """Whether an answer was logged under this id, a broken one too."""
        return query_id in self.queries or self.part(BrokenRecords).get("generated", query_id) is not None

    def has_mark(self, mark_id: str) -> bool:
        """Whether a mark was made under this id and not removed, a broken one too."""
        return mark_id in self.all_marks or self.part(BrokenRecords).get("marked", mark_id) is not None

    def check(self, data: Event) -> None:
        """Raise JournalError if this cannot happen in the present state. For the moment before an append."""
        if problem := data.problem(self):
            raise JournalError(f"This cannot be recorded: {problem}. Look at the present state, then try again.")

    def apply(self, event: StoredEvent) -> None:
        """Fold in one more event; one that was folded before changes nothing. JournalError where it cannot follow.

        The state is then as it was.
        """
        if event.event_id in self._folded_ids:
            return
        problem = event.data.problem(self)
        if event.seq <= self.revision:
            problem = f"it comes after event {self.revision}"
        elif self.stream not in (None, event.stream):
            problem = f"it belongs to {event.stream!r}, the others to {self.stream!r}"
        if problem:
            raise JournalError(
                f"The journal's history is impossible at event {event.seq} ({event.data.KIND}): {problem}. "
                "Restore the journal from a backup, or choose another data directory."
            )
        event.data.fold(self, event)
        self._folded_ids.add(event.event_id)
        self.stream = event.stream
        self.revision = event.seq
        if event.data.CHANGES_CODEBOOK:
            self.folded = event.seq
