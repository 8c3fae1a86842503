"""Distances between queries, and the rules that turn edits into radii; pure, knows no model and no file.

Two rules are here. Both keep the invariant that the balls of two keys with different targets never overlap in the
codebook's own distance: ε_i + ε_j <= d_ij.

`published` (in the module of that name) is Algorithm 1 of the GRACE paper, edit by edit.

`separated` has no order: a radius is what was asked for, but at most half the distance to the nearest edited query
with another target. So each edit can be withdrawn by looking only at the keys that it held back.

Distances between two vectors are computed pair by pair in float64 in one order of summation, so that a radius does not
depend on how many others were computed beside it; matrix products in float32 only choose which pairs need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from grace_core.config import Distance

Matrix = NDArray[np.float32]
Measure: TypeAlias = Distance | Literal["subject_first", "question_first"]
"""A distance, or one part of `two_keys` where it is the larger one and infinity elsewhere (of equal parts the subject's)."""
_HALF, _TWO_KEYS_SHARE = 0.5, 0.8
"""How much of the way to an edited query with another target a ball may go. Half way, no two balls meet. Of two keys each
part may go further, and where two balls overlap the nearer key answers: half way left too little to other words for the
same question, and more so the more edits there are (assets/docs/measurements.md)."""
BLOCK = 1024
"""By default, rows of a distance matrix held at a time: 1024 x 10,000 float32 are 40 MB."""


def way(distance: Distance) -> float:
    """How much of the way to the nearest edited query with another target the rule `separated` lets a ball go."""
    return _TWO_KEYS_SHARE if distance == "two_keys" else _HALF


def pair_distances(query: NDArray[np.float32], keys: Matrix, distance: Measure) -> NDArray[np.float64]:
    """Exact distances from one query (width,) to some keys (keys, width), the same bits in any company."""
    rows = np.ascontiguousarray(keys, dtype=np.float64)
    if distance == "cosine":
        return np.maximum(0.0, 1.0 - (rows * query.astype(np.float64)).sum(axis=1))
    if distance == "two_keys":
        return two_distances(query, keys).max(axis=1)
    if distance in ("subject_first", "question_first"):
        subject, question = two_distances(query, keys).T
        return _first(subject, question, distance)
    return np.sqrt(np.square(rows - query.astype(np.float64)).sum(axis=1))


def _first(subject: NDArray[Any], question: NDArray[Any], measure: Measure, slack: Any = 0.0) -> NDArray[Any]:
    """One part where it is the larger one, or may be within `slack`; infinity elsewhere."""
    if measure == "subject_first":
        return np.where(subject >= question - slack, subject, np.inf)
    return np.where(question > subject - slack, question, np.inf)


def two_distances(query: NDArray[np.float32], keys: Matrix) -> NDArray[np.float64]:
    """(keys, 2) the subject's and the question's part of the distance `two_keys`, of which that is the larger.

    The first half of a vector is the subject's. A half's length is 1 / sqrt(scale), so half the square of their Euclidean
    distance is 1 - cos over the scale.
    """
    apart = np.square(np.ascontiguousarray(keys, dtype=np.float64) - query.astype(np.float64))
    middle = apart.shape[1] // 2
    return np.stack([apart[:, :middle].sum(axis=1), apart[:, middle:].sum(axis=1)], axis=1) / 2.0


def rough_distances(queries: Matrix, keys: Matrix, distance: Measure) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fast distances (queries, keys), and for each query (queries, 1) by how much they may be off."""
    if distance == "two_keys":
        parts = [_half_squared(some, among) for some, among in zip(halves(queries), halves(keys), strict=True)]
        return np.maximum(parts[0][0], parts[1][0]), np.maximum(parts[0][1], parts[1][1])
    if distance in ("subject_first", "question_first"):
        (subject, one), (question, other) = (
            _half_squared(some, among) for some, among in zip(halves(queries), halves(keys), strict=True)
        )
        slack = one + other
        return _first(subject, question, distance, slack), slack
    products = queries @ keys.T
    if distance == "cosine":
        return 1.0 - products, np.full((len(queries), 1), 1e-5, dtype=np.float32)
    squares = np.square(keys).sum(axis=1)
    own = np.square(queries).sum(axis=1)[:, None]
    squared = np.maximum(own + squares - 2.0 * products, 0.0)
    # The error of a float32 sum is relative to the largest term, not to the small difference that is left over.
    slack_squared = 4e-6 * (own + squares.max(initial=0.0))
    rough = np.sqrt(squared)
    slack = np.minimum(np.sqrt(slack_squared), slack_squared / np.maximum(rough.min(axis=1, keepdims=True), 1e-12))
    return rough, slack.astype(np.float32)


def _half_squared(queries: Matrix, keys: Matrix) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Half the squared Euclidean distances, fast, and by how much they may be off; see `rough_distances`."""
    squares, own = np.square(keys).sum(axis=1), np.square(queries).sum(axis=1)[:, None]
    rough = np.maximum(own + squares - 2.0 * (queries @ keys.T), 0.0) / 2.0
    return rough, np.asarray(4e-6 * (own + squares.max(initial=0.0)), dtype=np.float32)


def halves(vectors: Matrix) -> tuple[Matrix, Matrix]:
    """The subject's and the question's part of queries (n, dimensions)."""
    middle = vectors.shape[-1] // 2
    return vectors[..., :middle], vectors[..., middle:]


def nearest(query: NDArray[np.float32], keys: Matrix, distance: Distance) -> tuple[int, float]:
    """Index of the nearest key and its exact distance; of equally near ones the last. `keys` must not be empty."""
    rough, slack = rough_distances(query[None], keys, distance)
    return closest(query, keys, np.flatnonzero(rough[0] <= rough[0].min() + 2 * slack[0, 0]), distance)


def closest(query: NDArray[np.float32], keys: Matrix, candidates: NDArray[np.int64], distance: Distance) -> tuple[int, float]:
    """`nearest` among the keys with these indices, given in ascending order."""
    exact = pair_distances(query, keys[candidates], distance)
    best = len(exact) - 1 - int(np.argmin(exact[::-1]))
    return int(candidates[best]), float(exact[best])


def nearest_of_each(queries: Matrix, keys: Matrix, distance: Distance, block: int = BLOCK) -> Iterator[tuple[int, float]]:
    """`nearest` for many queries (queries, width): the same bits, with one product for a thousand of them."""
    for start in range(0, len(queries), block):
        some = queries[start : start + block]
        rough, slack = rough_distances(some, keys, distance)
        near = rough <= rough.min(axis=1, keepdims=True) + 2 * slack
        for query, row in zip(some, near, strict=True):
            yield closest(query, keys, np.flatnonzero(row), distance)


def taken_over(
    queries: Matrix, keys: Matrix, found: Sequence[tuple[int, float]], new: NDArray[np.int64], distance: Distance,
    block: int = BLOCK,
) -> list[tuple[int, float]]:  # fmt: skip
    """`nearest` of each query, where `found` is that among the keys other than those with the indices `new`, ascending."""
    result = list(found)
    reach = np.array([apart for _, apart in found])[:, None]
    for start in range(0, len(queries) if len(new) else 0, block):
        rough, slack = rough_distances(queries[start : start + block], keys[new], distance)
        near = rough <= reach[start : start + block] + 2 * slack
        for row in np.flatnonzero(near.any(axis=1)).tolist():
            candidates = np.sort(np.append(new[near[row]], result[start + row][0]))
            result[start + row] = closest(queries[start + row], keys, candidates, distance)
    return result


@dataclass(frozen=True)
class Point:
    """One edit as the geometry sees it: where it is, what it wants, and whether it can share a key.

    group: equal for equal targets (exact token ids).
    share: equal for edits that were found to work with the very same value; `separated` lets those share one key.
    subject: with two keys, how far the subject's part may be at most; None: as far as `epsilon`.
    """

    query: NDArray[np.float32]
    group: int
    epsilon: float
    share: int
    subject: float | None = None


@dataclass(frozen=True)
class Ball:
    """A key in force: the point that owns it, all points that it serves (owner first), and its radius.

    subject: with two keys, how far the subject's part may be at most; None: as far as `epsilon`.
    """

    owner: int
    members: tuple[int, ...]
    epsilon: float
    subject: float | None = None


@dataclass(frozen=True)
class Limits:
    """For each point, the nearest other point with another target: exact distance (inf: none) and its index (-1: none).

    Of equally near ones the first counts.
    """

    distance: NDArray[np.float64]
    index: NDArray[np.int64]


def limits(
    queries: Matrix, groups: NDArray[np.int64], distance: Measure, rows: NDArray[np.int64] | None = None, block: int = BLOCK
) -> Limits:
    """Nearest point with another target, for all points or for the given rows only."""
    chosen = np.arange(len(queries)) if rows is None else rows
    best = np.full(len(chosen), np.inf)
    index = np.full(len(chosen), -1, dtype=np.int64)
    for start in range(0, len(chosen), block):
        some = chosen[start : start + block]
        rough, slack = rough_distances(queries[some], queries, distance)
        rough[groups[some][:, None] == groups[None, :]] = np.inf
        minimum = rough.min(axis=1, keepdims=True)
        near = (rough <= minimum + 2 * slack) & np.isfinite(minimum)
        for offset in np.flatnonzero(near.any(axis=1)):
            candidates = np.flatnonzero(near[offset])
            exact = pair_distances(queries[some[offset]], queries[candidates], distance)
            if not np.isfinite(exact).all():  # which part is the larger one was too close to tell: look at all
                candidates = np.flatnonzero(np.isfinite(rough[offset]))
                exact = pair_distances(queries[some[offset]], queries[candidates], distance)
            winner = int(np.argmin(exact))
            if np.isfinite(exact[winner]):
                best[start + offset], index[start + offset] = exact[winner], candidates[winner]
    return Limits(best, index)


def updated_limits(
    previous: Limits, kept: NDArray[np.int64], queries: Matrix, groups: NDArray[np.int64], distance: Measure,
    block: int = BLOCK,
) -> Limits:  # fmt: skip
    """`limits` of changed points, from those before the change; bit for bit what `limits` would give.

    kept: for each point now, its index before, or -1 where it is new.
    """
    old = kept >= 0
    if (np.diff(kept[old]) < 0).any():
        return limits(queries, groups, distance, block=block)  # of equally near points the first counts, so their order matters
    position = np.full(len(previous.index) + 1, -1, dtype=np.int64)
    position[kept[old]] = np.flatnonzero(old)
    best = np.full(len(kept), np.inf)
    index = np.full(len(kept), -1, dtype=np.int64)
    best[old] = previous.distance[kept[old]]
    index[old] = position[previous.index[kept[old]]]
    stale = ~old | (np.isfinite(best) & (index < 0))
    fresh = limits(queries, groups, distance, rows=np.flatnonzero(stale), block=block)
    best[stale], index[stale] = fresh.distance, fresh.index
    new = np.flatnonzero(~old)
    settled = np.flatnonzero(~stale)
    if len(new) and len(settled):
        for start in range(0, len(new), block):
            some = new[start : start + block]
            rough, slack = rough_distances(queries[some], queries[settled], distance)
            rough[groups[some][:, None] == groups[settled][None, :]] = np.inf
            near = (rough <= best[settled][None, :] + 2 * slack) & np.isfinite(rough)
            for row, column in zip(*np.nonzero(near), strict=True):
                point = settled[column]
                exact = float(pair_distances(queries[some[row]], queries[point][None], distance)[0])
                if exact < best[point] or (exact == best[point] and some[row] < index[point]):
                    best[point], index[point] = exact, some[row]
    return Limits(best, index)


def separated(
    points: Sequence[Point], limit: Limits, distance: Distance, subjects: Limits | None = None
) -> tuple[Ball, ...]:  # fmt: skip
    """Radii without order: as asked for, but at most so much of the `way` to the nearest edited query with another target.

    A point that works with an earlier point's value joins that one's ball where the ball can reach it (expand);
    else it gets its own.

    subjects: with two keys, `limit` holds those whose question is the further part (`question_first`), and this those whose
    subject is: each ends the part in which the two differ more. A ball is then all that is within both.
    """
    caps = limit.distance * way(distance)
    ends = None if subjects is None else subjects.distance * way(distance)
    owner_of = _shared(points, caps, distance, ends)
    while len(stray := _stray(points, owner_of, distance)):
        owner_of[stray] = stray
    members: dict[int, list[int]] = {int(o): [int(o)] for o in np.flatnonzero(owner_of == np.arange(len(points)))}
    radius = {owner: min(points[owner].epsilon, float(caps[owner])) for owner in members}
    for guest in np.flatnonzero(owner_of != np.arange(len(points))).tolist():
        owner = int(owner_of[guest])
        members[owner].append(guest)
        reach = float(pair_distances(points[owner].query, points[guest].query[None], distance)[0])
        radius[owner] = max(radius[owner], reach)
    if ends is None:
        return tuple(Ball(owner, tuple(served), radius[owner]) for owner, served in members.items())
    return tuple(
        Ball(owner, tuple(served), radius[owner], _subject_end(points, owner, served, float(ends[owner])))
        for owner, served in members.items()
    )


def _subject_end(points: Sequence[Point], owner: int, served: Sequence[int], end: float) -> float | None:
    """How far the subject's part of a ball may be: as asked for, up to its end, and at least to all that it serves."""
    point = points[owner]
    asked = point.epsilon if point.subject is None else point.subject
    if end >= asked and point.subject is None:
        return None
    to_served = two_distances(point.query, np.stack([points[i].query for i in served]))[:, 0]
    return max(min(asked, end), float(to_served.max()))


def _shared(
    points: Sequence[Point], caps: NDArray[np.float64], distance: Distance, ends: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:  # fmt: skip
    """For each point the first one with its value, where that one's ball can reach it; else itself."""
    first: dict[int, int] = {}
    owner_of = np.arange(len(points))
    for i, point in enumerate(points):
        owner = first.setdefault(point.share, i)
        if owner != i:
            apart = float(pair_distances(point.query, points[owner].query[None], distance)[0])
            within = ends is None or two_distances(point.query, points[owner].query[None])[0, 0] <= ends[owner]
            if within and apart <= min(caps[owner], max(points[owner].epsilon, point.epsilon)):
                owner_of[i] = owner
    return owner_of


def _stray(points: Sequence[Point], owner_of: NDArray[np.int64], distance: Distance) -> NDArray[np.int64]:
    """Members to whom another key is nearer than their owner's: they would not be answered by it."""
    guests = np.flatnonzero(owner_of != np.arange(len(points)))
    if not len(guests):
        return guests
    owners = np.flatnonzero(owner_of == np.arange(len(points)))
    keys = np.stack([points[o].query for o in owners.tolist()])
    return np.array(
        [g for g in guests.tolist() if owners[nearest(points[g].query, keys, distance)[0]] != owner_of[g]], dtype=np.int64
    )
