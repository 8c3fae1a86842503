"""From pooled hidden states to queries: what is read of a prompt and kept of it, and the calibrated encoding of that.

Knows statistics, no model and no tensor library: `models.pooling` pools.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.geometry import Matrix
from grace_core.codebook.learned import LearnedEncoder, Read, product, unit
from grace_core.codebook.threads import one_thread
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig
from grace_core.errors import InputError


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
    """Activations to queries, fixed for one version of the calibration.

    raw (mean is None): as they are. learned: as they are, too, since what is kept of a prompt is its query already.
    whitened: centred on the background's mean, projected on its leading principal directions with each scaled to unit
    variance, then unit length.

    weights: of tokens in the weighted pool; fixed by the first calibration, so that stored activations stay valid.
    mean: (width,) float32. projection: (width, dimensions) float32.
    """

    dimensions: int
    version: int = 0
    weights: TokenWeights = field(default_factory=lambda: TokenWeights({}), repr=False)
    background: Background | None = field(default=None, repr=False)
    mean: NDArray[np.float32] | None = field(default=None, repr=False)
    projection: NDArray[np.float32] | None = field(default=None, repr=False)
    learned: LearnedEncoder | None = field(default=None, repr=False)

    @property
    def width(self) -> int:
        """Size of the hidden states that it encodes."""
        return self.dimensions if self.mean is None else len(self.mean)

    @classmethod
    def raw(cls, width: int) -> Encoder:
        """Hidden states themselves are the queries."""
        return cls(dimensions=width)

    @classmethod
    def fixed(cls, learned: LearnedEncoder) -> Encoder:
        """Queries of a learned encoder, which no edit changes."""
        return cls(dimensions=learned.dimensions, weights=learned.weights, learned=learned)

    @property
    def hidden_width(self) -> int:
        """Size of the hidden states that it reads, and of the values that stand in for them."""
        return self.width if self.learned is None else self.learned.width

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
        return unit(product(np.asarray(activations - self.mean, dtype=np.float32), self.projection))


@dataclass(frozen=True, eq=False)
class Reader:
    """What a codebook reads of a prompt, and how that becomes the one vector which is kept of it, its activation.

    reads: blocks and poolings. learned: joins what is read; None: there is one read, and it is kept as it is.
    """

    reads: tuple[Read, ...]
    weights: TokenWeights = field(repr=False)
    learned: LearnedEncoder | None = field(default=None, repr=False)

    @classmethod
    def of(cls, config: GraceConfig, weights: TokenWeights, learned: LearnedEncoder | None = None) -> Reader:
        """Of a resolved configuration.

        Raises:
            InputError: a learned encoding without its encoder.
        """
        if config.encoding == "learned":
            if learned is None:
                raise InputError("The encoding is “learned”, but there is no learned encoder; fit one for this model.")
            return cls(learned.reads, weights, learned)
        assert config.key_layer is not None  # resolved
        return cls(((config.key_layer, config.pool),), weights)

    def same(self, other: Reader) -> bool:
        """Whether both keep the same activation of a prompt."""
        return (self.reads, self.learned) == (other.reads, other.learned) and self.weights is other.weights

    @property
    def highest(self) -> int:
        """The last block that it reads."""
        return max(layer for layer, _ in self.reads)

    def joined(self, states: Mapping[Read, Matrix]) -> Matrix:
        """(prompts, width of an activation) of what was read, (prompts, width) for each read."""
        return states[self.reads[0]] if self.learned is None else self.learned(states)
