"""How large an ε-ball is drawn on the map, and how far the drawing can be believed. Pure.

ε × the local scale of the map is approximate, and two balls that do not touch may overlap in the plane. So a circle
ends half way to each key whose ball is truly apart from its own: what does not overlap is not drawn to overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.map.layout.layout import Layout
from app.studio.views import MapView
from grace_core.codebook.geometry import pair_distances
from grace_core.config import Distance


@dataclass(frozen=True)
class Inside:
    """Of one circle, or summed over several: queries drawn inside, those of them truly within ε, and those missed.

    missed: within ε, yet drawn outside.
    """

    drawn: int
    truly: int
    missed: int


def straight(epsilon: NDArray[np.float64], distance: Distance) -> NDArray[np.float64]:
    """ε as a length in the query space, which is what layouts keep: for unit vectors, 1 - cos = length² / 2.

    Of two keys each half may be as far: the length along one of them.
    """
    return epsilon if distance == "euclidean" else np.sqrt(2.0 * epsilon)


def drawn_radii(view: MapView, layout: Layout, distance: Distance, rows: Sequence[int]) -> NDArray[np.float64]:
    """(rows,) map radii: ε times the local scale, at most half the way to any key whose ball is apart from this one's."""
    epsilon = np.array([key.epsilon for key in view.keys], dtype=np.float64)
    asked = np.asarray(rows, dtype=np.intp)
    radii = layout.scales[asked] * straight(epsilon[asked], distance)
    found = np.empty(len(rows))
    for at, row in enumerate(rows):
        gap = pair_distances(view.key_vectors[row], view.key_vectors, distance) - epsilon - epsilon[row]
        apart = gap >= 0
        apart[row] = False
        flat = np.linalg.norm(layout.keys - layout.keys[row], axis=1)[apart]
        found[at] = min(float(radii[at]), float(flat.min()) / 2.0) if len(flat) else float(radii[at])
    return found


def drawn_inside(layout: Layout, row: int, radius: float, ball: NDArray[np.bool_]) -> Inside:
    """Compares one key's circle with its ball, over all logged queries; ball: which of them lie in it."""
    circle = np.linalg.norm(layout.queries - layout.keys[row], axis=1) <= radius
    return Inside(int(circle.sum()), int((circle & ball).sum()), int((ball & ~circle).sum()))
