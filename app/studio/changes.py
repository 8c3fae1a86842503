"""What one edit did to the codebook, as pages show it and as the journal keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grace_core.codebook.change import ChangeKind

_CUTS_SHOWN = 3


@dataclass(frozen=True)
class Neighbor:
    """Another edit and how far its key is from the one in question; `gap` = distance - both ε."""

    edit_id: str
    prompt: str
    target: str
    distance: float
    epsilon: float
    gap: float


@dataclass(frozen=True)
class CutShown:
    """Who ended the radius of a new key early, and by how much: the edit of `prompt`, at `distance`, wants another answer."""

    asked: float
    given: float
    edit_id: str
    prompt: str
    distance: float


@dataclass(frozen=True)
class ChangeShown:
    """What one edit did to the codebook.

    kind: "split" only where a radius was felt to be cut, the new key's (`cut`) or another one's (`shrunk`).
    nearest: the nearest other key at that time (None: there was none).
    shrunk: edits whose ε this edit cut, as (edit_id, prompt, ε before, ε after).
    """

    kind: ChangeKind
    epsilon: float
    nearest: Neighbor | None
    shrunk: tuple[tuple[str, str, float, float], ...] = ()
    superseded_edit_id: str | None = None
    cut: CutShown | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any], *, asked: float, target: str) -> ChangeShown | None:
        """The change of an edit that asked for this ε and this target, as the journal keeps it; None where it keeps too little.

        Former versions called every key with a smaller ε a split, and did not keep who cut it: where it was the nearest
        key, half the distance to that tells.
        """
        try:
            near = None if stored["nearest"] is None else Neighbor(**stored["nearest"])
            shrunk = tuple((str(one[0]), str(one[1]), float(one[2]), float(one[3])) for one in stored["shrunk"])
            kind, epsilon, kept = stored["kind"], float(stored["epsilon"]), stored.get("cut")
            cut = None if kept is None else CutShown(**kept)
            if kind == "split" and "cut" not in stored:
                if near is not None and near.target != target and abs(near.distance / 2 - epsilon) < 1e-3 * near.distance:
                    cut = CutShown(asked, epsilon, near.edit_id, near.prompt, near.distance) if _felt(asked, epsilon) else None
                kind = "split" if cut is not None or any(_felt(before, after) for _, _, before, after in shrunk) else "added"
            return cls(kind, epsilon, near, shrunk, stored["superseded_edit_id"], cut)
        except (KeyError, IndexError, TypeError, ValueError):
            return None

    def sentence(self) -> str:
        """The change in words: as true right after the edit as when it is read beside what has become of it since."""
        parts = []
        match self.kind:
            case "added":
                parts.append(f"Added a new key with ε {self.epsilon:.2f}.")
            case "expanded":
                parts.append(f"Expanded an existing key with the same target; its ε became {self.epsilon:.2f}.")
            case "split":
                parts.append(f"Split: a new key with ε {self.epsilon:.2f} beside one with another target.")
            case "superseded":
                parts.append(f"Replaced the earlier edit of this prompt, with ε {self.epsilon:.2f}.")
        if self.cut is not None and f"{self.cut.asked:.2f}" != f"{self.cut.given:.2f}":
            parts.append(
                f"“{self.cut.prompt}”, which wants another answer, is at distance {self.cut.distance:.2f}: that cut its ε from "
                f"{self.cut.asked:.2f} to {self.cut.given:.2f}."
            )
        if self.nearest is None:
            parts.append("There was no other key yet.")
        elif self.cut is None or self.nearest.edit_id != self.cut.edit_id:
            parts.append(f"The nearest other key was “{self.nearest.prompt}”, at distance {self.nearest.distance:.2f}.")
        return " ".join([*parts, *self._shrunk_words()])

    def _shrunk_words(self) -> list[str]:
        """The largest cuts that two digits show, and how many more there are: a key can cut a whole neighbourhood."""
        cuts = sorted(self.shrunk, key=lambda cut: cut[3] - cut[2])
        shown = [cut for cut in cuts[:_CUTS_SHOWN] if f"{cut[2]:.2f}" != f"{cut[3]:.2f}"]
        words = [f"ε of “{prompt}” went from {before:.2f} to {after:.2f}." for _, prompt, before, after in shown]
        if more := len(cuts) - len(shown):
            keys = f"{more}{' other' if shown else ''} {'key' if more == 1 else 'keys'}"
            words.append(f"ε of {keys} shrank {'too' if shown else 'by less than 0.01'}.")
        return words


def _felt(before: float, after: float) -> bool:
    """Whether a radius became smaller by more than a hair's breadth, as `codebook.change` has it."""
    return after < 0.99 * before
