"""What lies around one key at its true distance: the data of the exact radial view and of the sorted-distance strip.

Distances are those of the query space. Only the angle of a point comes from the map, so that a point seen above its
key there is above it here, and stays there as long as the layout does. Pure functions of a `MapView` and its `Layout`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.map.colouring import CONTESTED, OUTSIDE, OWN, classes_of, exact_distances
from app.map.layout.layout import Layout
from app.studio.views import MapView
from grace_core.codebook.codebook import Codebook, Entry, Parts
from grace_core.codebook.geometry import pair_distances, two_distances, way
from grace_core.config import Distance, Rule
from grace_core.measuring.what_if import Cap, cap_of, subject_cap

Kind = Literal["key", "query"]
Standing = Literal["own", "contested", "outside", "other subject", "same target", "other target"]

# More points than these would hide each other; the nearest matter.
SHOWN_KEYS = 24
SHOWN_QUERIES = 240
_GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


@dataclass(frozen=True)
class Spot:
    """A key or a query as seen from the selected key.

    edit_id: what a click selects (for a query: the edit that answers it now; None: the model itself does).
    says: a key's target; a query's answer when it was asked. now: the target of the edit that answers a query now.
    angle: radians, as on the map. gap: for a key, its distance less both ε; below 0 the balls overlap.
    parts: of the distance, where it has two.
    """

    kind: Kind
    name: str
    edit_id: str | None
    prompt: str
    says: str
    distance: float
    angle: float
    standing: Standing
    gap: float | None = None
    now: str = ""
    parts: Parts | None = None


@dataclass(frozen=True)
class Rings:
    """How near to one key a new edit must come to change it, by the codebook's own rules. None: no such limit.

    splitting: with another target, see `rings_of`. joining: with the same one and a value that works for both.
    cap: so far on the way (`share`) to the nearest edited query with another target as a ball may go; keys may be shared, so
    that it need not be a key.
    others: the keys with another target, by the edits that own them.
    ends: with two keys, where the subject's and the question's part end before what is asked for, and why.
    """

    rule: Rule
    splitting: float
    joining: float
    cap: float | None
    others: frozenset[str]
    share: float = 0.5
    ends: tuple[Cap, ...] = ()


@dataclass(frozen=True)
class Radial:
    """The surroundings of one key. spots: keys, then queries, each nearest first.

    subject_end: with two keys, where the subject's part ends (None: at ε, or one distance).
    distance: in what all of it is measured. rings: what a new edit would do to this key, and where. keys, queries: how
    many there are at all; more than are shown.
    """

    edit_id: str
    prompt: str
    epsilon: float
    distance: Distance
    rings: Rings
    keys: int
    queries: int
    spots: tuple[Spot, ...] = field(repr=False)
    subject_end: float | None = None

    def of(self, kind: Kind) -> tuple[Spot, ...]:
        """Spots of one kind, nearest first."""
        return tuple(spot for spot in self.spots if spot.kind == kind)


def rings_of(codebook: Codebook, edit_id: str) -> Rings:
    """The rings around the key of an edit in force, for a new edit that asks for the codebook's ε.

    `separated` leaves each key a share of the way to the nearest other target (`geometry.way`): one nearer than ε over that
    share takes from this ε. A new edit joins as far as either of the two asks for, but not beyond that. `published` looks
    whether the new ball would touch this one; where it does, another target leaves each of them half their distance, and the
    same one joins as far as this ball can grow without touching one of another target.
    """
    entry = codebook.entry_of(edit_id)
    if entry is None:
        raise ValueError(f"Edit {edit_id!r} has no key in force.")
    rule, asked = codebook.config.rule, codebook.config.epsilon
    rival = codebook.rival_of(edit_id)
    share = way(codebook.config.distance) if rule == "separated" else 0.5
    cap = None if rival is None else rival.distance * share
    rows = [row for row, other in enumerate(codebook.entries) if other.target_ids != entry.target_ids]
    others = frozenset(codebook.entries[row].edit_id for row in rows)
    if rule == "separated":
        own = next(edit.epsilon for edit in codebook.edits if edit.edit_id == entry.edit_id)
        joining = max(own, asked) if cap is None else min(cap, max(own, asked))
        return Rings(rule, entry.epsilon / share, joining, cap, others, share, _ends(codebook, entry))
    touching = entry.epsilon + asked
    apart = pair_distances(entry.key, codebook.keys[rows], codebook.config.distance)
    room = min((float(far) - codebook.entries[row].epsilon for far, row in zip(apart, rows, strict=True)), default=touching)
    return Rings(rule, touching, min(touching, max(entry.epsilon, room)), cap, others)


def _ends(codebook: Codebook, entry: Entry) -> tuple[Cap, ...]:
    edits = {edit.edit_id: edit for edit in codebook.edits}
    found = (subject_cap(codebook, entry, edits), cap_of(codebook, entry, edits))
    return tuple(cap for cap in found if cap is not None and cap.part is not None)


def radial(
    view: MapView, layout: Layout, chosen: int, *, distance: Distance, rings: Rings,
    to_queries: NDArray[np.float64] | None = None,
    max_keys: int = SHOWN_KEYS, max_queries: int = SHOWN_QUERIES,
) -> Radial:  # fmt: skip
    """The surroundings of the key at position `chosen`, whose `rings` these are.

    to_queries: `exact_distances` of the key, where they are known already.
    """
    own = view.keys[chosen]
    to_keys = pair_distances(view.key_vectors[chosen], view.key_vectors, distance)
    near_keys = [row for row in _nearest(to_keys, max_keys + 1) if row != chosen][:max_keys]
    spots = [
        Spot(
            "key", key.edit_id, key.edit_id, key.prompt, key.target, float(to_keys[row]),
            _angle(layout.keys[row] - layout.keys[chosen], key.edit_id),
            "other target" if key.edit_id in rings.others else "same target",
            float(to_keys[row]) - own.epsilon - key.epsilon,
            parts=_parts(view.key_vectors[chosen], view.key_vectors[row], distance),
        )
        for row in near_keys
        for key in (view.keys[row],)
    ]  # fmt: skip
    if to_queries is None:
        to_queries = exact_distances(view, chosen, distance)
    standing = classes_of(view, chosen, to_queries)
    targets = {edit_id: key.target for key in view.keys for edit_id in (*key.edit_ids, key.edit_id)}
    names: dict[int, Standing] = {OWN: "own", CONTESTED: "contested"}

    def standing_of(row: int) -> Standing:
        if standing[row] == OUTSIDE and to_queries[row] <= own.epsilon:
            return "other subject"
        return names.get(int(standing[row]), "outside")

    spots += [
        Spot(
            "query", query.query_id, query.edit_id, query.prompt, query.text, float(to_queries[row]),
            _angle(layout.queries[row] - layout.keys[chosen], query.query_id),
            standing_of(row),
            parts=_parts(view.key_vectors[chosen], view.query_vectors[row], distance),
            now=targets.get(query.edit_id or "", ""),
        )
        for row in _nearest(to_queries, max_queries)
        for query in (view.queries[row],)
    ]  # fmt: skip
    return Radial(
        own.edit_id, own.prompt, own.epsilon, distance, rings, len(view.keys), len(view.queries), tuple(spots),
        None if distance != "two_keys" else own.subject_end,
    )  # fmt: skip


def _parts(key: NDArray[np.float32], other: NDArray[np.float32], distance: Distance) -> Parts | None:
    if distance != "two_keys":
        return None
    return Parts(*two_distances(key, other[None])[0].tolist())


def _nearest(distances: NDArray[np.float64], count: int) -> list[int]:
    """Positions of the `count` smallest, smallest first."""
    some = np.arange(len(distances)) if count >= len(distances) else np.argpartition(distances, count)[:count]
    order: list[int] = some[np.argsort(distances[some], kind="stable")].tolist()
    return order


def _angle(offset: NDArray[np.float64], name: str) -> float:
    """The direction on the map; for a point that lies on the key itself, one that depends on its id alone."""
    if float(np.hypot(*offset)) < 1e-9:
        return float((zlib.crc32(name.encode()) % 1024) * _GOLDEN_ANGLE % (2 * np.pi))
    return float(np.arctan2(offset[1], offset[0]))
