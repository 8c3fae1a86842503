"""What a journal knows under one way of reading prompts: layer, pooling and encoding, and all that is stored in that space.

A codebook begins with the reading of its configuration (id ""); each `Reread` adds one, and `Returned` goes back to one.
Readings share edits, targets, values, marks and answers; activations, calibrations, radii and changes of ε are each
reading's own, since a distance in one space says nothing in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.journal.events import Calibrated, EpsilonChanged, Float32, Reread, StoredEvent
from grace_core.codebook.codebook import Edit
from grace_core.config import GraceConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST = ""
"""The id of the reading that a codebook begins with."""


@dataclass(frozen=True)
class EpsilonRecord:
    """One change of ε, in force or withdrawn. edit_ids: the edits that it is about (all that there were, where it names none)."""

    changed: EpsilonChanged
    event: StoredEvent
    edit_ids: frozenset[str]
    undone: bool = False


@dataclass
class Reading:
    """The state of one reading; only `Replay` changes it.

    reread: what made it; None for the first one. event: that of the journal which made it.
    edits: as they came into this reading, before any change of ε. queries: activations by query id, each (width,).
    calibrations: oldest first. epsilon_changes: those made in this reading, by id, in journal order.
    """

    reading_id: str = FIRST
    reread: Reread | None = None
    event: StoredEvent | None = None
    edits: dict[str, Edit] = field(default_factory=dict)
    queries: dict[str, Float32] = field(default_factory=dict)
    calibrations: list[Calibrated] = field(default_factory=list)
    epsilon_changes: dict[str, EpsilonRecord] = field(default_factory=dict)

    @classmethod
    def begun(cls, reread: Reread, event: StoredEvent) -> Reading:
        """The reading that this event makes, with no edit and no query in it yet."""
        first = Calibrated(reread.version, "reread", reread.background, reread.background_activations, reread.reading_id)
        return cls(reread.reading_id, reread, event, calibrations=[first])

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
        """The codebook's configuration with this reading's choices in it."""
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
        """Add edits and queries (id to text) that this reading has not seen, by the activations of their texts."""
        for edit in edits:
            if edit.edit_id not in self.edits:
                self.edits[edit.edit_id] = replace(edit, activation=activations[edit.prompt], epsilon=epsilon)
        for query_id, text in queries.items():
            if query_id not in self.queries:
                self.queries[query_id] = activations[text]

    def copied(self) -> Reading:
        """The same state; what is applied to one does not reach the other."""
        return replace(
            self, edits=dict(self.edits), queries=dict(self.queries), calibrations=list(self.calibrations),
            epsilon_changes=dict(self.epsilon_changes),
        )  # fmt: skip

    @staticmethod
    def _asking(edit: Edit, epsilon: float) -> Edit:
        return edit if edit.epsilon == epsilon else edit.with_epsilon(epsilon)
