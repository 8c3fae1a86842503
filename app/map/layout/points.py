"""The points of a `MapView` as a layout sees them: names, digests, vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.map.layout.placing import Array, own_scales, usual_scale
from app.studio.views import MapView


@dataclass(frozen=True, eq=False)
class Points:
    """Keys, then queries. digests: of the vectors, to see which of them have changed. vectors: (points, width) float32."""

    ids: tuple[str, ...]
    digests: tuple[str, ...]
    vectors: np.ndarray = field(repr=False)
    query_space_id: str

    @classmethod
    def of(cls, view: MapView, before: Points | None = None) -> Points:
        """The view's. `before`: earlier ones; a vector that stands there needs no new digest."""
        ids = tuple(f"key:{key.edit_id}" for key in view.keys) + tuple(f"query:{query.query_id}" for query in view.queries)
        width = max(view.key_vectors.shape[-1], view.query_vectors.shape[-1]) if ids else 0
        parts = [part.reshape(-1, width) for part in (view.key_vectors, view.query_vectors) if len(part)]
        vectors = np.ascontiguousarray(np.concatenate(parts), dtype=np.float32) if parts else np.zeros((0, 0), np.float32)
        known = {} if before is None else before._digests_of(ids, vectors)
        digests = tuple(known.get(row) or digest_of(vector) for row, vector in enumerate(vectors))
        return cls(ids, digests, vectors, view.query_space_id)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Where each of them stands."""
        return {name: row for row, name in enumerate(self.ids)}

    @property
    def keys(self) -> int:
        """How many of them are keys; they come first."""
        return sum(name.startswith("key:") for name in self.ids)

    def take(self, rows: Iterable[int]) -> Points:
        chosen = list(rows)
        ids, digests = (tuple(names[row] for row in chosen) for names in (self.ids, self.digests))
        return Points(ids, digests, self.vectors[chosen], self.query_space_id)

    def __len__(self) -> int:
        return len(self.ids)

    def _digests_of(self, ids: tuple[str, ...], vectors: np.ndarray) -> dict[int, str]:
        """For each row whose point is here with the same vector, its digest."""
        if vectors.shape[-1] != self.vectors.shape[-1]:
            return {}
        rows = [(row, self.row_of[name]) for row, name in enumerate(ids) if name in self.row_of]
        if not rows:
            return {}
        new, old = np.array(rows, dtype=np.intp).T
        same = (vectors[new] == self.vectors[old]).all(axis=1)
        return {row: self.digests[own] for row, own in zip(new[same].tolist(), old[same].tolist(), strict=True)}


def digest_of(vector: np.ndarray) -> str:
    """What tells one vector from another."""
    return hashlib.blake2b(vector.tobytes(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class KeyScales:
    """The first `keys` points' scales, computed when they are asked for: a crowd's circles, seconds of work, are not drawn."""

    points: Points
    xy: Array
    keys: int

    def __getitem__(self, rows: NDArray[np.intp], /) -> Array:
        scales = self._own(rows)
        return np.where(np.isnan(scales), self._usual, scales) if np.isnan(scales).any() else scales

    @cached_property
    def _usual(self) -> float:
        return usual_scale(self._own(np.arange(self.keys)))

    def _own(self, rows: NDArray[np.intp]) -> Array:
        vectors = self.points.vectors
        return own_scales(vectors[rows], self.xy[rows], vectors, self.xy)
