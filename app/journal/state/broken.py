"""Rows that are damaged: listed, not in force, to be undone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.journal.events.base import StoredEvent
    from app.journal.events.broken import Broken


@dataclass(frozen=True)
class BrokenRecord:
    """One damaged row (`broken` says what is known of it), and whether the edit that it was is withdrawn."""

    broken: Broken
    event: StoredEvent
    undone: bool = False


@dataclass
class BrokenRecords:
    """By kind and id, in journal order."""

    records: dict[tuple[str, str], BrokenRecord] = field(default_factory=dict)

    def copied(self) -> BrokenRecords:
        """The same state; what is applied to one does not reach the other."""
        return BrokenRecords(dict(self.records))

    def add(self, broken: Broken, event: StoredEvent) -> None:
        """Keep a damaged row."""
        self.records[broken.kind, broken.about] = BrokenRecord(broken, event)

    def get(self, kind: str, about: str) -> BrokenRecord | None:
        """The damaged row of this kind about this id."""
        return self.records.get((kind, about))

    def remove(self, kind: str, about: str) -> bool:
        """Forget a damaged row; whether there was one."""
        return self.records.pop((kind, about), None) is not None

    def set_undone(self, edit_id: str, undone: bool) -> None:
        """Withdraw an edit whose row is damaged, or restore it."""
        self.records["edited", edit_id] = replace(self.records["edited", edit_id], undone=undone)
