"""Which queries an edit answers, exactly, and the colour that says so: pure functions of a `MapView`.

Distances are those of the query space, never of the map. Colours are tokens of `palette.PALETTES`.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.studio.views import MapView
from grace_core.codebook.geometry import pair_distances, rough_distances, two_distances
from grace_core.config import Distance

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


def distances_to_queries(view: MapView, index: int, distance: Distance, *, nearest: int = 1000) -> NDArray[np.float64]:
    """(queries,) distances to one key, quickly: exact for all that could be within ε and for the nearest ones.

    The others' are off by what float32 products are off (about 1e-6), which no figure shows and no colour depends on.
    """
    if not len(view.queries):
        return np.zeros(0)
    rough, slack = rough_distances(view.key_vectors[index][None], view.query_vectors, distance)
    found: NDArray[np.float64] = rough[0].astype(np.float64)
    reach = view.keys[index].epsilon
    if len(found) > nearest:
        reach = max(reach, float(np.partition(found, nearest)[nearest]))
    close = np.flatnonzero(found <= reach + 2.0 * float(slack[0, 0]))
    found[close] = pair_distances(view.key_vectors[index], view.query_vectors[close], distance)
    return found


def in_ball(view: MapView, index: int, to_queries: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(queries,) whether each lies in the ball of the key at `index`; to_queries: its exact distances.

    With two keys, one that is within ε may still be about another subject than the key lets pass.
    """
    key = view.keys[index]
    found: NDArray[np.bool_] = to_queries <= key.epsilon
    if key.subject_end is not None and found.any():
        near = np.flatnonzero(found)
        found[near] = two_distances(view.key_vectors[index], view.query_vectors[near])[:, 0] <= key.subject_end
    return found


def groups(
    view: MapView, chosen: int | None, to_queries: NDArray[np.float64] | None, distance: Distance = "euclidean"
) -> Groups:  # fmt: skip
    """The queries as the map colours them: by what answers them, or by what they are to the chosen key.

    to_queries: exact distances from the chosen key, see `exact_distances`. distance: in what they are measured.
    """
    return _by_answer(view) if chosen is None or to_queries is None else _by_class(view, chosen, to_queries, distance)


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


def _by_class(view: MapView, chosen: int, to_queries: NDArray[np.float64], distance: Distance) -> Groups:
    classes = classes_of(view, chosen, to_queries)
    contesting = _contesting(view, classes, distance)
    return Groups(
        (
            Group(
                "outside its ε" if view.keys[chosen].subject_end is None else "out of its reach",
                np.flatnonzero(classes == OUTSIDE),
                "@faint",
                "@faint",
                opacity=0.7,
            ),
            Group(
                "inside, nearer to another key",
                np.flatnonzero(classes == CONTESTED),
                "@contested",
                "@contested",
            ),
            Group("answered by this edit", np.flatnonzero(classes == OWN), "@own", "@own"),
        ),
        contesting,
    )


def classes_of(view: MapView, index: int, to_queries: NDArray[np.float64]) -> NDArray[np.int8]:
    """For each query: OWN, CONTESTED or OUTSIDE of the key at `index`; to_queries: its exact distances."""
    key = view.keys[index]
    serves = {key.edit_id, *key.edit_ids}
    found = np.where(in_ball(view, index, to_queries), CONTESTED, OUTSIDE).astype(np.int8)
    found[[row for row, query in enumerate(view.queries) if query.edit_id in serves]] = OWN
    return found


def _contesting(view: MapView, classes: NDArray[np.int8], distance: Distance) -> frozenset[int]:
    """Positions of the keys that are nearest to the contested queries."""
    contested = np.flatnonzero(classes == CONTESTED)
    if not len(contested):
        return frozenset()
    rough, _ = rough_distances(view.query_vectors[contested], view.key_vectors, distance)
    return frozenset(rough.argmin(axis=1).tolist())


def _rows(rows: Sequence[int]) -> NDArray[np.intp]:
    return np.array(rows, dtype=np.intp)
