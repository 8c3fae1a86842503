"""What stands for an event whose row is damaged, where the rest of the journal can be folded without it.

The line: an answer, a mark or an edit is whole by itself. Where only its content is damaged, and its id is known, the
journal opens; the row is listed as broken, with the reason; it is not in force, and it can be undone or unmarked. Refused
is whatever would leave the fold to guessing: a damaged undo, redo, calibration, change of ε or query space; a row that is
missing; an id that cannot be read, or that is told in two ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from app.errors import DamagedEvent
from app.journal.events.base import KINDS, Event, StoredEvent, read_payload
from app.journal.state.broken import BrokenRecords

if TYPE_CHECKING:
    from app.journal.state.journal_state import JournalState


@dataclass(frozen=True)
class Broken(Event):
    """Never stored. kind, about: of the event that it stands for. texts: its fields that could be read, safe to show."""

    KIND: ClassVar[str] = "broken"
    CHANGES_CODEBOOK: ClassVar[bool] = False
    about: str
    kind: str
    reason: str
    texts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing to check: it is made from what could be read."""

    @classmethod
    def standing_for(cls, kind: Any, subject: Any, payload: Any, damage: DamagedEvent) -> Broken:
        """What stands for a damaged row; raises the damage again where nothing can. All as the row has it, of any type."""
        known = KINDS.get(kind)
        if known is None or not known.event_type.STANDS_ALONE or not isinstance(subject, str) or not subject:
            raise damage
        try:
            values: dict[str, Any] = read_payload(payload) if isinstance(payload, str) else {}
        except ValueError:
            values = {}
        own = fields(known.event_type)[0].name
        if own in values and str(values[own]) != subject:
            raise damage
        texts = {name: value.encode("utf-8", "replace").decode() for name, value in values.items() if isinstance(value, str)}
        return cls(subject, kind, damage.reason, texts)

    def problem(self, state: JournalState) -> str | None:
        known: dict[str, Mapping[str, object]] = {"generated": state.queries, "edited": state.edits, "marked": state.all_marks}
        there = self.about in known[self.kind] or state.part(BrokenRecords).get(self.kind, self.about) is not None
        return f"what was {self.kind} as {self.about!r} is already there" if there else None

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        state.part(BrokenRecords).add(self, event)
