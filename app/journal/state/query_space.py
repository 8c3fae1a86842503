"""What a journal knows in one query space: a choice of layers, pooling and encoding, and all that is stored in it.

A codebook begins with the query space of its configuration (id ""); each `Reread` adds one, and `Returned` goes back to
one. Query spaces share edits, targets, values, marks and answers; activations, calibrations, radii and changes of ε are
each one's own, since a distance in one space says nothing in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING

from grace_core.codebook.codebook import Edit
from grace_core.codebook.learned import LearnedEncoder
from grace_core.config import GraceConfig

if TYPE_CHECKING:
    from app.journal.events.base import Float32, StoredEvent
    from app.journal.events.epsilon import EpsilonChanged
    from app.journal.events.query_space import Calibrated, Reread
    from app.journal.state.edits import Edits

FIRST = ""
"""The id of the query space that a codebook begins with."""


@dataclass(frozen=True)
class EpsilonRecord:
    """One change of ε, in force or withdrawn. edit_ids: the edits that it is about (all that there were, where it names none)."""

    changed: EpsilonChanged
    event: StoredEvent
    edit_ids: frozenset[str]
    undone: bool = False


@dataclass
class QuerySpace:
    """The state of one query space; only the folds of events change it.

    reread: what made it; None for the first one. event: that of the journal which made it.
    edits: as they came into it, before any change of ε. queries: activations by query id, each (width,).
    calibrations: oldest first. encoder: the learned one, where the encoding is that.
    epsilon_changes: those made in it, by id, in journal order.
    """

    reading_id: str = FIRST
    reread: Reread | None = None
    event: StoredEvent | None = None
    edits: dict[str, Edit] = field(default_factory=dict)
    queries: dict[str, Float32] = field(default_factory=dict)
    calibrations: list[Calibrated] = field(default_factory=list)
    epsilon_changes: dict[str, EpsilonRecord] = field(default_factory=dict)
    encoder: LearnedEncoder | None = None

    @property
    def version(self) -> int:
        """Of the present encoder; no two encoders of a journal share one. 0: nothing was calibrated."""
        return self.calibrations[-1].version if self.calibrations else 0

    @property
    def weighed(self) -> tuple[str, ...]:
        """The prompts on which token weights are counted."""
        if self.reread is not None:
            return self.reread.background[: self.reread.weighed]
        return self.calibrations[0].prompts if self.calibrations else ()

    @property
    def background(self) -> tuple[str, ...]:
        """All prompts that the encoder is calibrated on, each once, those that token weights are counted on first."""
        return tuple(dict.fromkeys([*self.weighed, *(text for step in self.calibrations for text in step.prompts)]))

    def config(self, base: GraceConfig) -> GraceConfig:
        """The codebook's configuration with this query space's choices in it."""
        if self.reread is None:
            return base
        return replace(
            base, key_layer=self.reread.key_layer, pool=self.reread.pool, encoding=self.reread.encoding,
            distance=self.reread.distance, epsilon=self.reread.epsilon,
        )  # fmt: skip

    def asked(self) -> dict[str, Edit]:
        """The edits, each asking for the radius of the last change of ε in force about it."""
        last: dict[str, float] = {}
        for change in self.epsilon_changes.values():
            if not change.undone:
                last.update(dict.fromkeys(change.edit_ids, change.changed.epsilon))
        return {edit_id: self._asking(edit, last.get(edit_id, edit.epsilon)) for edit_id, edit in self.edits.items()}

    def take_in(
        self, edits: Iterable[Edit], queries: Mapping[str, str], activations: Mapping[str, Float32], epsilon: float
    ) -> None:
        """Add edits and queries (id to text) that this query space has not seen, by the activations of their texts."""
        for edit in edits:
            if edit.edit_id not in self.edits:
                self.edits[edit.edit_id] = replace(
                    edit, activation=activations[edit.prompt], epsilon=epsilon, subject_epsilon=None
                )
        for query_id, text in queries.items():
            if query_id not in self.queries:
                self.queries[query_id] = activations[text]

    def copied(self) -> QuerySpace:
        """The same state; what is applied to one does not reach the other."""
        return replace(
            self, edits=dict(self.edits), queries=dict(self.queries), calibrations=list(self.calibrations),
            epsilon_changes=dict(self.epsilon_changes),
        )  # fmt: skip

    def set_change(self, change: EpsilonRecord, edits: Edits) -> None:
        """Keep a change of ε; its edits ask for what the last change in force says, or for what they were made with."""
        self.epsilon_changes[change.changed.change_id] = change
        in_force = [record for record in reversed(self.epsilon_changes.values()) if not record.undone]
        for edit_id in change.edit_ids:
            record = edits.records[edit_id]
            made = self.edits[edit_id].epsilon
            asked = next((one.changed.epsilon for one in in_force if edit_id in one.edit_ids), made)
            edits.records[edit_id] = replace(record, edit=self._asking(record.edit, asked))

    @staticmethod
    def _asking(edit: Edit, epsilon: float) -> Edit:
        return edit if edit.epsilon == epsilon else edit.with_epsilon(epsilon)


@dataclass
class QuerySpaces:
    """by_id: all that the codebook has had, oldest first. version: of the newest calibration, in whichever query space.

    encoders: the learned ones, by name.
    """

    present: QuerySpace = field(default_factory=QuerySpace)
    by_id: dict[str, QuerySpace] = field(default_factory=dict)
    version: int = 0
    encoders: dict[str, LearnedEncoder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_id.setdefault(self.present.reading_id, self.present)

    def copied(self) -> QuerySpaces:
        """The same state; what is applied to one does not reach the other."""
        by_id = {reading_id: space.copied() for reading_id, space in self.by_id.items()}
        return QuerySpaces(by_id[self.present.reading_id], by_id, self.version, dict(self.encoders))

    def elsewhere(self, reading_id: str) -> str | None:
        """What is wrong with something that was read in this query space."""
        if reading_id == self.present.reading_id:
            return None
        return "since then prompts are read otherwise (another layer, pooling or encoding)"

    def waits_elsewhere(self, change_id: str) -> str | None:
        """What is wrong with a change of ε that another query space holds."""
        if change_id in self.present.epsilon_changes or not any(change_id in one.epsilon_changes for one in self.by_id.values()):
            return None
        return f"the change of ε {change_id!r} was made while prompts were read otherwise, in another unit"

    def version_problem(self, version: int) -> str | None:
        """What is wrong with a new encoder of this version."""
        return None if version > self.version else f"calibration {version} comes after calibration {self.version}"


def radius_problem(epsilon: float) -> str | None:
    """What is wrong with a radius."""
    return None if isfinite(epsilon) and epsilon > 0 else f"ε is {epsilon!r}, which is no radius above 0"
