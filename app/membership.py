"""Which queries an edit answers, exactly, and the colour that says so: pure functions of a `MapView`.

Distances are those of the query space, never of the map. Colours are tokens of `figures.PALETTES`.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.planar import distances
from app.records import MapView
from grace_core.config import Distance
from grace_core.geometry import pair_distances

OUTSIDE, CONTESTED, OWN = 0, 1, 2

# Up to this many keys each has a colour of its own; more colours could not be told apart.
COLOURED_KEYS = 7
# With more keys than this the map is a crowd: marks are smaller, and a selection hides all circles but its own.
CROWD = 60


@dataclass(frozen=True)
class Group:
    """Queries of one kind: one colour (or one each) and one line of the legend."""

    label: str
    rows: NDArray[np.intp]
    colours: str | list[str]
    swatch: str
    opacity: float = 0.85


@dataclass(frozen=True)
class Groups:
    """All queries, in drawing order. contesting: positions of keys nearer to a query inside the selected key's ε."""

    groups: tuple[Group, ...]
    contesting: frozenset[int] = frozenset()


def key_index(view: MapView, edit_id: str | None) -> int | None:
    """The position of the key that serves this edit now; None where none does (nothing selected, undone)."""
    return next((row for row, key in enumerate(view.keys) if edit_id == key.edit_id or edit_id in key.edit_ids), None)


def exact_distances(view: MapView, index: int, distance: Distance) -> NDArray[np.float64]:
    """(queries,) true distances to one key, the same bits as the codebook's."""
    if not len(view.queries):
        return np.zeros(0)
    return pair_distances(view.key_vectors[index], view.query_vectors, distance)


def membership(view: MapView, edit_id: str, distance: Distance) -> NDArray[np.int8]:
    """For each query, exactly: OWN (this edit answers it now), CONTESTED (in its ε, another key is nearer) or OUTSIDE.

    OWN is the codebook's own word (`MapQuery.edit_id` is what answers now); the rest is asked of the vectors.
    """
    index = key_index(view, edit_id)
    if index is None:
        return np.full(len(view.queries), OUTSIDE, np.int8)
    return _classes(view, index, distance)[0]


def groups(view: MapView, chosen: int | None, distance: Distance) -> Groups:
    """The queries as the map colours them: by what answers them, or by membership of the chosen key."""
    return _by_answer(view) if chosen is None else _by_membership(view, chosen, distance)


def key_colours(view: MapView, chosen: int | None, contesting: frozenset[int]) -> list[str]:
    """A colour for each key."""
    if chosen is not None:
        other = "@grey" if len(view.keys) <= CROWD else "@faint"
        return ["@own" if row == chosen else "@contested" if row in contesting else other for row in range(len(view.keys))]
    if len(view.keys) > COLOURED_KEYS:
        return ["@own"] * len(view.keys)
    # By id, not by position: when a key is undone, the others keep their colours (unless one had given way to it).
    free = list(range(COLOURED_KEYS))
    colours = []
    for key in view.keys:
        wished = zlib.crc32(key.edit_id.encode()) % COLOURED_KEYS
        slot = min((other - wished) % COLOURED_KEYS for other in free)
        slot = (slot + wished) % COLOURED_KEYS
        free.remove(slot)
        colours.append(f"@key{slot}")
    return colours


def _by_answer(view: MapView) -> Groups:
    of_keys = key_colours(view, None, frozenset())
    colours = {
        edit_id: colour for key, colour in zip(view.keys, of_keys, strict=True) for edit_id in (*key.edit_ids, key.edit_id)
    }
    deferred = [row for row, query in enumerate(view.queries) if query.edit_id is None]
    answered = [(row, query.edit_id) for row, query in enumerate(view.queries) if query.edit_id is not None]
    return Groups(
        (
            Group("answered by the model itself", _rows(deferred), "@grey", "@grey", opacity=0.75),
            Group(
                "answered by an edit",
                _rows([row for row, _ in answered]),
                [colours[edit_id] for _, edit_id in answered],
                of_keys[0] if of_keys else "@own",
            ),
        )
    )


def _by_membership(view: MapView, chosen: int, distance: Distance) -> Groups:
    classes, contesting = _classes(view, chosen, distance)
    return Groups(
        (
            Group("outside its ε", np.flatnonzero(classes == OUTSIDE), "@faint", "@faint", opacity=0.7),
            Group(
                "inside its ε, nearer to another key",
                np.flatnonzero(classes == CONTESTED),
                "@contested",
                "@contested",
            ),
            Group("answered by this edit", np.flatnonzero(classes == OWN), "@own", "@own"),
        ),
        contesting,
    )


def _classes(view: MapView, index: int, distance: Distance) -> tuple[NDArray[np.int8], frozenset[int]]:
    key = view.keys[index]
    serves = {key.edit_id, *key.edit_ids}
    own = np.array([query.edit_id in serves for query in view.queries], dtype=bool)
    contested = np.flatnonzero(~own & (exact_distances(view, index, distance) <= key.epsilon))
    found = np.where(own, OWN, OUTSIDE).astype(np.int8)
    if not len(contested):
        return found, frozenset()
    found[contested] = CONTESTED
    return found, frozenset(distances(view.query_vectors[contested], view.key_vectors).argmin(axis=1).tolist())


def _rows(rows: Sequence[int]) -> NDArray[np.intp]:
    return np.array(rows, dtype=np.intp)
