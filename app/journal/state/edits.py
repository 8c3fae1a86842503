"""Edits, in force and withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from grace_core.codebook.codebook import Edit

if TYPE_CHECKING:
    from app.journal.events.base import StoredEvent
    from app.journal.events.edits import Edited


@dataclass(frozen=True)
class EditRecord:
    """One edit: for the fold, as the present query space has it (`edit`), and as the journal has it (`edited`, `event`)."""

    edit: Edit
    edited: Edited
    event: StoredEvent
    undone: bool = False


@dataclass
class Edits:
    """records: by id, in journal order."""

    records: dict[str, EditRecord] = field(default_factory=dict)

    def copied(self) -> Edits:
        """The same state; what is applied to one does not reach the other."""
        return Edits(dict(self.records))

    def add(self, edited: Edited, event: StoredEvent) -> Edit:
        """Keep an edit; returns it as the fold has it."""
        edit = Edit(
            edit_id=edited.edit_id, prompt=edited.prompt, target=edited.target, target_ids=edited.target_ids,
            activation=edited.activation, value=edited.value, epsilon=edited.requested_epsilon, paraphrases=edited.paraphrases,
            subject_epsilon=edited.subject_epsilon,
        )  # fmt: skip
        self.records[edit.edit_id] = EditRecord(edit, edited, event)
        return edit

    def set_undone(self, edit_id: str, undone: bool) -> None:
        """Withdraw an edit, or restore it."""
        self.records[edit_id] = replace(self.records[edit_id], undone=undone)

    def active(self) -> tuple[Edit, ...]:
        """Edits that are not withdrawn, in the order in which they were made (a redo returns to its old place)."""
        return tuple(record.edit for record in self.records.values() if not record.undone)

    def read_as(self, edits: Mapping[str, Edit]) -> None:
        """Put every edit as another query space has it."""
        self.records = {key: replace(record, edit=edits[key]) for key, record in self.records.items()}
