"""Algorithm 1 of the GRACE paper, edit by edit: add, expand, split; pure.

Beyond the paper, expanding is capped and splitting shrinks every conflicting key, where the paper looks at the nearest
alone: so the balls of two keys with different targets never overlap (ε_i + ε_j <= d_ij).

Each point's step is kept, so that one more edit takes one step, and an undo only the steps from the undone edit on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.geometry import BLOCK, Ball, Matrix, Point, nearest, pair_distances, rough_distances
from grace_core.config import Distance


@dataclass(frozen=True)
class _Step:
    """What one point did. joined: the key that it joined; None: it became one. before: keys whose ε it set, with the old ε."""

    joined: int | None
    before: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class PublishedKeys:
    """The keys after some points, in the order in which they came, and the steps that led there."""

    balls: tuple[Ball, ...] = ()
    steps: tuple[_Step, ...] = field(default=(), repr=False)


def published(
    points: Sequence[Point], queries: Matrix, distance: Distance, previous: PublishedKeys | None = None, same: int = 0,
    block: int = BLOCK,
) -> PublishedKeys:  # fmt: skip
    """The keys that Algorithm 1 makes of the points, one after another, with the invariant kept for every pair.

    Args:
        points: in their order.
        queries: (points, dimensions), the points' own.
        distance: between queries.
        previous: what this function gave for other points, the first `same` of which were the very same.
        same: how many points need no step anew.
        block: rows of a distance matrix held at a time.
    """
    fold = _Fold(points, queries, distance, previous or PublishedKeys(), same)
    rough = slack = np.zeros((0, 0), dtype=np.float32)
    for i in range(same, len(points)):
        row = (i - same) % block
        if row == 0:
            rough, slack = rough_distances(queries[i : i + block], queries, distance)
        fold.take(i, rough[row] - slack[row])
    return fold.keys()


class _Fold:
    """The loop's state. Changes in place; `keys` gives what it holds."""

    def __init__(self, points: Sequence[Point], queries: Matrix, distance: Distance, previous: PublishedKeys, same: int) -> None:
        """Begin where the first `same` points leave off: the later steps of `previous` are taken back."""
        self.points, self.queries, self.distance = points, queries, distance
        self.owners = [ball.owner for ball in previous.balls]
        self.members = [list(ball.members) for ball in previous.balls]
        self.epsilons = np.zeros(len(points) + len(self.owners))
        self.epsilons[: len(self.owners)] = [ball.epsilon for ball in previous.balls]
        self.steps = list(previous.steps)
        while len(self.steps) > same:
            self._take_back(self.steps.pop())

    def keys(self) -> PublishedKeys:
        balls = zip(self.owners, self.members, self.epsilons, strict=False)
        return PublishedKeys(tuple(Ball(owner, tuple(m), float(e)) for owner, m, e in balls), tuple(self.steps))

    def take(self, i: int, lowest: NDArray[np.float32]) -> None:
        """Point i. lowest: (points,) a bound below its distance to each.

        Near means: closer to the nearest key than its ε plus the new one's.
        """
        point, count = self.points[i], len(self.owners)
        keys = np.asarray(self.owners, dtype=np.int64)
        candidates = np.flatnonzero(lowest[keys] <= self.epsilons[:count] + point.epsilon)
        exact = pair_distances(point.query, self.queries[keys[candidates]], self.distance)
        close = exact <= self.epsilons[candidates] + point.epsilon
        candidates, exact = candidates[close], exact[close]
        if len(exact) and self._joined(i, keys):
            return
        other = np.array([self.points[self.owners[c]].group != point.group for c in candidates], dtype=bool)
        radius = point.epsilon
        self.steps.append(_Step(None, tuple((int(k), float(self.epsilons[k])) for k in candidates[other])))
        for key, apart in zip(candidates[other], exact[other], strict=True):
            self.epsilons[key] = min(self.epsilons[key], apart / 2)
            radius = min(radius, apart / 2)
        self.owners.append(i)
        self.members.append([i])
        self.epsilons[count] = radius

    def _joined(self, i: int, keys: NDArray[np.int64]) -> bool:
        """Expand the nearest key where it wants the same and has the room."""
        point = self.points[i]
        key, reach = nearest(point.query, self.queries[keys], self.distance)
        epsilon = float(self.epsilons[key])
        same = self.points[self.owners[key]].group == point.group and reach <= epsilon + point.epsilon
        if not same or reach > max(epsilon, self._room(key)):
            return False
        self.steps.append(_Step(key, ((key, epsilon),)))
        self.epsilons[key] = max(epsilon, reach)
        self.members[key].append(i)
        return True

    def _room(self, key: int) -> float:
        """How far the key's ε may grow before it overlaps a ball of another target."""
        group = self.points[self.owners[key]].group
        rivals = np.array([k for k, owner in enumerate(self.owners) if self.points[owner].group != group], dtype=np.int64)
        if not len(rivals):
            return float("inf")
        query = self.queries[self.owners[key]]
        apart = pair_distances(query, self.queries[np.asarray(self.owners)[rivals]], self.distance)
        room = apart - self.epsilons[rivals]
        # Rounding must not make the sum exceed the distance.
        return float(np.where(room + self.epsilons[rivals] > apart, np.nextafter(room, -np.inf), room).min())

    def _take_back(self, step: _Step) -> None:
        if step.joined is None:
            self.owners.pop()
            self.members.pop()
        else:
            self.members[step.joined].pop()
        for key, epsilon in step.before:
            self.epsilons[key] = epsilon
