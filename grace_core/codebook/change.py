"""What one edit did to a codebook, found by comparing the entries before and after it; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from grace_core.codebook.codebook import Codebook, Edit, Entry, Match, Rival
from grace_core.codebook.geometry import nearest, pair_distances
from grace_core.errors import InputError

ChangeKind = Literal["added", "expanded", "split", "superseded"]

_FELT = 0.01
"""A cut of a smaller share of the radius changes no answer that a person would notice: no reason to speak of a split."""


@dataclass(frozen=True)
class Shrunk:
    """An entry whose ε a change cut."""

    edit_id: str
    before: float
    after: float

    @property
    def felt(self) -> bool:
        """Whether the cut is more than rounding or a hair's breadth."""
        return self.after < (1 - _FELT) * self.before


@dataclass(frozen=True)
class Cut:
    """A new key's radius that another key ended early. What the rule left of it is a share of `distance`.

    asked: the ε that the edit wanted, after siblings had their say. given: the ε that it got.
    by: the edit whose query is the rival, which wants another target.
    """

    asked: float
    given: float
    by: str
    distance: float

    @property
    def felt(self) -> bool:
        """Whether the cut is more than rounding or a hair's breadth."""
        return self.given < (1 - _FELT) * self.asked


@dataclass(frozen=True)
class Change:
    """How one edit changed a codebook.

    kind: "split" only where a radius was felt to be cut, that of the new key (`cut`) or that of others (`shrunk`).
    nearest: the nearest other entry before it, with its distance.
    shrunk: entries whose ε this edit cut. cut: who cut this edit's own ε, and by how much; None where nobody did.
    superseded: the edit that this one replaces: the same prompt, or one that the model reads as the very same.
    """

    kind: ChangeKind
    entry: Entry
    nearest: Match
    shrunk: tuple[Shrunk, ...]
    superseded: str | None
    cut: Cut | None = None


def describe_change(before: Codebook, after: Codebook, edit: Edit) -> Change:
    """What adding `edit` did, by comparing the entries; `after` must be `before.with_edit(edit)`.

    Raises:
        InputError: an edit that `after` does not hold.
    """
    entry = after.entry_of(edit.edit_id)
    if entry is None:
        raise InputError(f"Edit {edit.edit_id!r} is not in the codebook that it is said to have changed.")
    gone = [old.edit_id for old in before.edits if before.entry_of(old.edit_id) and not after.entry_of(old.edit_id)]
    others = [e for e in before.entries if not set(e.edit_ids) <= set(gone)]
    query = after.encoder(edit.activation[None])[0]
    near = Match(None, None, False)
    if others:
        at, apart = nearest(query, np.stack([e.key for e in others]), after.config.distance)
        near = Match(others[at], apart, apart <= others[at].epsilon)
    shrunk = tuple(
        Shrunk(old.edit_id, old.epsilon, now.epsilon)
        for old in before.entries
        if (now := after.entry_of(old.edit_id)) is not None and now.edit_id == old.edit_id and now.epsilon < old.epsilon
    )
    cut = _own_cut(after, entry, edit)
    kind: ChangeKind = "added"
    if gone:
        kind = "superseded"
    elif entry.edit_id != edit.edit_id:
        kind = "expanded"
    elif any(one.felt for one in shrunk) or (cut is not None and cut.felt):
        kind = "split"
    return Change(kind, entry, near, shrunk, gone[-1] if gone else None, cut)


def _own_cut(after: Codebook, entry: Entry, edit: Edit) -> Cut | None:
    """Who ended this edit's own radius; None where it has no key of its own, or got what it asked for."""
    if entry.edit_id != edit.edit_id or entry.epsilon >= edit.epsilon:
        return None
    rival = after.rival_of(edit.edit_id) if after.config.rule == "separated" else _nearest_rival(after, entry)
    return None if rival is None else Cut(float(edit.epsilon), float(entry.epsilon), rival.edit_id, rival.distance)


def _nearest_rival(after: Codebook, entry: Entry) -> Rival | None:
    """The nearest key with another target: under the published rule only keys cut, not the queries that they serve."""
    others = [other for other in after.entries if other.target_ids != entry.target_ids]
    if not others:
        return None
    apart = pair_distances(entry.key, np.stack([other.key for other in others]), after.config.distance)
    at = int(apart.argmin())
    return Rival(others[at].edit_id, float(apart[at]))
