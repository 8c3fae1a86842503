"""From pooled hidden states to queries: how much each token weighs in the pool, and the calibrated encoding of what was pooled.

Knows statistics, no model and no tensor library: `models.pooling` pools.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.geometry import Matrix
from grace_core.codebook.threads import one_thread

_ROWS = 8
"""Rows of one product. Its shape never changes (the last rows are padded), so a query has the same bits in any company."""


@dataclass(frozen=True)
class TokenWeights:
    """Weight a / (a + p(token)) of each token in the weighted pool (Arora et al. 2017, eq. 1); unseen tokens weigh 1."""

    by_id: dict[int, float] = field(repr=False)

    @classmethod
    def from_prompts(cls, prompts: Iterable[Sequence[int]], a: float) -> TokenWeights:
        """Estimate p(token) by counting the tokens of background prompts."""
        counts: Counter[int] = Counter()
        for ids in prompts:
            counts.update(ids)
        total = sum(counts.values())
        return cls({token: a / (a + count / total) for token, count in counts.items()})

    def of(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """(tokens,) weights that sum to 1."""
        weights = np.array([self.by_id.get(token, 1.0) for token in ids], dtype=np.float64)
        return (weights / weights.sum()).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Background:
    """Sufficient statistics of the activations that an encoder is calibrated on; grows, never forgets.

    total: (width,) sum. outer: (width, width) sum of outer products. Both float64, so that years of use fit in 3 MB.
    """

    count: int
    total: NDArray[np.float64] = field(repr=False)
    outer: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, activations: Matrix) -> Background:
        """Statistics of pooled activations (prompts, width)."""
        rows = activations.astype(np.float64)
        with one_thread():
            return cls(len(rows), rows.sum(axis=0), rows.T @ rows)

    def joined(self, activations: Matrix) -> Background:
        """These activations as well."""
        more = Background.of(activations)
        return Background(self.count + more.count, self.total + more.total, self.outer + more.outer)


@dataclass(frozen=True, eq=False)
class Encoder:
    """Pooled hidden states to queries, fixed for one version of the calibration.

    raw (mean is None): as they are. whitened: centred on the background's mean, projected on its leading principal
    directions with each scaled to unit variance, then unit length.

    weights: of tokens in the weighted pool; fixed by the first calibration, so that stored activations stay valid.
    mean: (width,) float32. projection: (width, dimensions) float32.
    """

    dimensions: int
    version: int = 0
    weights: TokenWeights = field(default_factory=lambda: TokenWeights({}), repr=False)
    background: Background | None = field(default=None, repr=False)
    mean: NDArray[np.float32] | None = field(default=None, repr=False)
    projection: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def width(self) -> int:
        """Size of the hidden states that it encodes."""
        return self.dimensions if self.mean is None else len(self.mean)

    @classmethod
    def raw(cls, width: int) -> Encoder:
        """Hidden states themselves are the queries."""
        return cls(dimensions=width)

    @classmethod
    def whitened(cls, background: Background, directions: int, version: int, weights: TokenWeights) -> Encoder:
        """Calibrate on prompts that stand for what people ask; at most 3/5 as many directions as there are prompts.

        On one thread, so that the same prompts give the same bits on any number of them.
        """
        mean = background.total / background.count
        with one_thread():
            variances, axes = np.linalg.eigh(background.outer / background.count - np.outer(mean, mean))
        order = np.argsort(variances)[::-1][: max(1, min(directions, 3 * background.count // 5))]
        order = order[variances[order] > 1e-9 * variances.max()]
        projection = np.ascontiguousarray(axes[:, order] / np.sqrt(variances[order]), dtype=np.float32)
        return cls(projection.shape[1], version, weights, background, mean.astype(np.float32), projection)

    def joined(self, activations: Matrix, directions: int) -> Encoder:
        """The next version, calibrated on these activations (prompts, width) as well; a raw encoder has nothing to learn."""
        if self.background is None:
            return self
        return Encoder.whitened(self.background.joined(activations), directions, self.version + 1, self.weights)

    def __call__(self, activations: Matrix) -> Matrix:
        """(n, width) to (n, dimensions) float32; a query has the same bits in any company."""
        if self.mean is None or self.projection is None:
            return np.ascontiguousarray(activations, dtype=np.float32)
        out = np.empty((len(activations), self.dimensions), dtype=np.float32)
        for start in range(0, len(activations), _ROWS):
            some = activations[start : start + _ROWS]
            rows = np.zeros((_ROWS, self.width), dtype=np.float32)
            rows[: len(some)] = some - self.mean
            out[start : start + len(some)] = (rows @ self.projection)[: len(some)]
        lengths = np.sqrt(np.square(out).sum(axis=1, keepdims=True))
        out /= np.maximum(lengths, np.float32(1e-12))
        return out
