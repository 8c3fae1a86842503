"""Logged answers and the marks on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.journal.events.answers import Generated, Marked, Verdict
    from app.journal.events.base import Float32, StoredEvent


@dataclass(frozen=True)
class QueryRecord:
    """One logged answer (`generated`) and when and by whom (`event`). activation: (width,), as the present query space has it."""

    generated: Generated
    event: StoredEvent
    activation: Float32


@dataclass(frozen=True)
class Mark:
    """A reviewer's verdict on text[start:end] (code points) of one answer."""

    mark_id: str
    query_id: str
    start: int
    end: int
    text: str
    verdict: Verdict
    author: str
    at: datetime


@dataclass
class Answers:
    """queries: by id, in journal order. marks: those not removed, by id, oldest first."""

    queries: dict[str, QueryRecord] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    _marks_of: dict[str, dict[str, Mark]] = field(default_factory=dict)

    def copied(self) -> Answers:
        """The same state; what is applied to one does not reach the other."""
        marks_of = {query_id: dict(marks) for query_id, marks in self._marks_of.items()}
        return Answers(dict(self.queries), dict(self.marks), marks_of)

    def add(self, generated: Generated, event: StoredEvent) -> None:
        """Keep an answer."""
        self.queries[generated.query_id] = QueryRecord(generated, event, generated.activation)

    def mark(self, marked: Marked, event: StoredEvent) -> None:
        """Keep a mark."""
        mark = Mark(
            marked.mark_id, marked.query_id, marked.start, marked.end, marked.text, marked.verdict, event.author, event.at
        )
        self.marks[mark.mark_id] = mark
        self._marks_of.setdefault(mark.query_id, {})[mark.mark_id] = mark

    def unmark(self, mark_id: str) -> None:
        """Remove a mark."""
        mark = self.marks.pop(mark_id)
        del self._marks_of[mark.query_id][mark_id]

    def marks_of(self, query_id: str) -> tuple[Mark, ...]:
        """The marks on one answer that were not removed, oldest first."""
        return tuple(self._marks_of.get(query_id, {}).values())

    def texts(self) -> dict[str, str]:
        """The prompts of all queries, by id."""
        return {query_id: record.generated.prompt for query_id, record in self.queries.items()}

    def read_as(self, activations: Mapping[str, Float32]) -> None:
        """Give every query its activation in another query space."""
        self.queries = {key: replace(record, activation=activations[key]) for key, record in self.queries.items()}
