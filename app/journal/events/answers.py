"""What the model answered, and what reviewers marked in it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, get_args

from app.journal.events.base import Event, StoredEvent, Vector, kind
from app.journal.state.answers import Answers
from app.journal.state.broken import BrokenRecords
from app.journal.state.query_space import QuerySpaces

if TYPE_CHECKING:
    from app.journal.state.journal_state import JournalState

Verdict = Literal["fabricated", "wrong", "incoherent", "outdated", "fine"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@kind("generated", changes_codebook=False, stands_alone=True)
class Generated(Event):
    """The model answered a prompt.

    activation: (width,) pooled hidden states before encoding, read in the query space `reading` (see `Reread`).
    in_context_of: the edit whose fact was put before the prompt; None: none was.
    """

    query_id: str
    prompt: str
    text: str
    edit_id: str | None
    nearest_edit_id: str | None
    distance: float | None
    epsilon: float | None
    truncated: bool
    activation: Vector = field(repr=False)
    reading: str = ""
    in_context_of: str | None = None

    def problem(self, state: JournalState) -> str | None:
        """That the edit named by an answer was withdrawn meanwhile is no contradiction."""
        if state.has_query(self.query_id):
            return f"the query {self.query_id!r} is already there"
        return state.part(QuerySpaces).elsewhere(self.reading)

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        state.part(Answers).add(self, event)
        state.part(QuerySpaces).present.queries[self.query_id] = self.activation


@kind("marked", changes_codebook=False, stands_alone=True)
class Marked(Event):
    """A reviewer judged text[start:end] (code points) of one answer."""

    mark_id: str
    query_id: str
    start: int
    end: int
    text: str
    verdict: Verdict

    def problem(self, state: JournalState) -> str | None:
        if not state.has_query(self.query_id):
            return f"the query {self.query_id!r} is not there, so it cannot be marked"
        return f"the mark {self.mark_id!r} is already there" if state.has_mark(self.mark_id) else None

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        state.part(Answers).mark(self, event)


@kind("unmarked", changes_codebook=False)
class Unmarked(Event):
    """A mark was removed."""

    mark_id: str

    def problem(self, state: JournalState) -> str | None:
        return None if state.has_mark(self.mark_id) else f"the mark {self.mark_id!r} is not there, or was removed before"

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        if not state.part(BrokenRecords).remove("marked", self.mark_id):
            state.part(Answers).unmark(self.mark_id)
