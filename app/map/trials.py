"""Prompts tried on the map ("Where does this land?"): what would answer each, and where its star may stand. Pure.

A star says by its place what its words say: the key that it is drawn nearest to is its nearest key, and it stands inside
that key's circle only where the key would answer it. A layout alone does not promise that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from app.map.circles import straight
from app.map.colouring import CROWD
from app.map.scene import MapScene
from app.studio.views import MapKey, MapMoment, Trial
from grace_core.codebook.codebook import Parts

Place = tuple[float, float]
_DIRECTIONS = 36
# Where in its nearest key's circle a star may stand, and how far outside of it, in radii of the circle: where its true
# distance would have it, or else.
_WITHIN, _BEYOND = (0.9, 0.7, 0.5), (1.15, 1.4, 1.05, 2.0)
_FARTHEST = 4.0


@dataclass
class Tries:
    """The trials that one browser looks at, numbered in the order in which they were tried; changed in place."""

    MOST: ClassVar[int] = 8
    numbered: tuple[tuple[int, Trial], ...] = ()

    def add(self, trial: Trial) -> None:
        """One more. Tried again, a prompt is the newest; of very many the oldest leaves."""
        number = self.numbered[-1][0] + 1 if self.numbered else 1
        kept = [(own, one) for own, one in self.numbered if one.prompt != trial.prompt]
        self.numbered = (*kept, (number, trial))[-self.MOST :]

    def clear(self, number: int | None) -> None:
        """Forget the one with this number; None: all."""
        self.numbered = () if number is None else tuple(one for one in self.numbered if one[0] != number)


@dataclass(frozen=True)
class Landed:
    """Where a trial lands on the map, and its nearest key (None: there is no key) under the present codebook.

    number: the trial's, see `Tries`. parts: of the distance, where it has two.
    """

    number: int
    prompt: str
    x: float
    y: float
    key: MapKey | None
    distance: float
    matched: bool
    parts: Parts | None = None


def landed(
    scene: MapScene, tries: Tries, moment: MapMoment, locate: Callable[[NDArray[np.float32]], Place]
) -> tuple[Landed, ...]:
    """Under the codebook as it is now: an edit may have come or gone since a prompt was typed.

    locate: where the layout would put a vector. Each is placed by itself, so that it stays when others come and go.
    """
    numbered = [(number, trial) for number, trial in tries.numbered if trial.query_space_id == moment.query_space_id]
    if not numbered:
        return ()
    codebook = moment.codebook
    vectors = codebook.encoder(np.stack([trial.activation for _, trial in numbered]))
    found = []
    for (number, trial), vector, match in zip(numbered, vectors, codebook.match(vectors), strict=True):
        row = None if match.entry is None else scene.row_of.get(match.entry.edit_id)
        name = f"place {vector.tobytes().hex()} {row} {match.matched}"
        if name not in scene.kept:
            there = locate(vector)
            if row is not None:
                there = truthful_place(scene, there, row, float(match.distance or 0.0), matched=bool(match.matched))
            scene.kept[name] = there
        x, y = scene.kept[name]
        key = None if row is None else scene.view.keys[row]
        parts = None if match.entry is None else codebook.parts(vector, match.entry)
        found.append(Landed(number, trial.prompt, x, y, key, float(match.distance or 0.0), bool(match.matched), parts))
    return tuple(found)


def truthful_place(scene: MapScene, there: Place, row: int, distance: float, *, matched: bool) -> Place:
    """`there`, or else a place as near to that direction as can be where a star says the truth of its nearest key, `row`.

    distance: the true one to this key.
    """
    keys, own, at = scene.layout.keys, scene.layout.keys[row], np.asarray(there)
    radius = scene.shown_radius(row)
    turn = np.arctan2(*(at - own)[::-1])
    aside = np.linspace(0.0, np.pi, _DIRECTIONS // 2 + 1)
    angles = turn + np.stack([aside, -aside], axis=1).ravel()  # those nearest to where it was first
    share = float(np.divide(*straight(np.array([distance, scene.view.keys[row].epsilon]), scene.distance)))
    shares = np.array([min(share, _FARTHEST), *(_WITHIN if matched else _BEYOND)])
    around = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    tried = np.concatenate([at[None], (own + radius * shares[:, None, None] * around[None]).reshape(-1, 2)])
    away = np.linalg.norm(tried[:, None] - keys[None], axis=-1)  # (places, keys)
    nearest = away.argmin(axis=1) == row
    true = nearest & ((away[:, row] <= radius) == matched)
    if matched:
        chosen = np.flatnonzero(true)
    else:
        # Best in no circle at all; where circles leave no room, outside that of its own nearest key.
        others = scene.radii(range(len(keys))) if len(keys) <= CROWD else np.zeros(len(keys))
        outside = true & (away > others).all(axis=1)
        chosen = np.flatnonzero(outside) if outside.any() else np.flatnonzero(true)
    if not len(chosen):
        chosen = np.flatnonzero(nearest)
    x, y = tried[chosen[0]] if len(chosen) else own
    return float(x), float(y)
