"""The learned encoder: from pooled hidden states of several blocks to one query of two halves, the subject's and the question's.

Fitted once for a model (`editing.learning`) and never changed afterwards, so no edit moves another's key. Each half
whitens what it reads, joins that and maps it to a vector of fixed length; the distance of two queries is the larger of the
distances of their halves, each over its own scale (`geometry`, distance `two_keys`). Knows numpy alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.geometry import Matrix
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import Pool

Read: TypeAlias = tuple[int, Pool]
"""A block's number and how its output is pooled over a prompt's tokens."""

_ROWS = 8
"""Rows of one product. Its shape never changes (the last rows are padded), so a query has the same bits in any company."""


def product(rows: Matrix, matrix: Matrix) -> Matrix:
    """Rows (n, width) @ matrix (width, dimensions); each row has the same bits in any company."""
    out = np.empty((len(rows), matrix.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        padded = np.zeros((_ROWS, matrix.shape[0]), dtype=np.float32)
        padded[: len(some)] = some
        out[start : start + len(some)] = (padded @ matrix)[: len(some)]
    return out


def unit(rows: Matrix) -> Matrix:
    """The rows, each of length 1."""
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.maximum(lengths, np.float32(1e-12)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Whitening:
    """What is read at one place, centred, projected on its leading directions with unit variance, made unit length.

    mean: (width,). projection: (width, directions). Both float32.
    """

    read: Read
    mean: NDArray[np.float32] = field(repr=False)
    projection: Matrix = field(repr=False)

    @classmethod
    def of(cls, read: Read, rows: Matrix, directions: int) -> Whitening:
        """Of these states (prompts, width): at most so many directions, and half as many as there are prompts."""
        mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows.astype(np.float64) - mean
        variances, axes = np.linalg.eigh(centred.T @ centred / len(rows))
        order = np.argsort(variances)[::-1][: max(1, min(directions, len(rows) // 2))]
        order = order[variances[order] > 1e-9 * variances.max()]
        projection = np.ascontiguousarray(axes[:, order] / np.sqrt(variances[order]), dtype=np.float32)
        return cls(read, mean.astype(np.float32), projection)

    def __call__(self, states: Mapping[Read, Matrix]) -> Matrix:
        """(prompts, directions) of unit length."""
        return unit(product(states[self.read] - self.mean, self.projection))


@dataclass(frozen=True, eq=False)
class LearnedKey:
    """One half of a query: x W + relu(x A + a) B, where x joins the whitened states; then of length 1 / sqrt(scale).

    linear: W (features, dimensions). inner, bias, outer: A (features, hidden), a (hidden,), B (hidden, dimensions).
    scale: the distance 1 - cos up to which two prompts are taken for the same; so distances of queries count in it.
    """

    whitenings: tuple[Whitening, ...]
    linear: Matrix = field(repr=False)
    inner: Matrix = field(repr=False)
    bias: NDArray[np.float32] = field(repr=False)
    outer: Matrix = field(repr=False)
    scale: float

    def features(self, states: Mapping[Read, Matrix]) -> Matrix:
        """(prompts, features) what the map is given."""
        return np.concatenate([whiten(states) for whiten in self.whitenings], axis=1)

    def __call__(self, states: Mapping[Read, Matrix]) -> Matrix:
        """(prompts, dimensions) float32."""
        x = self.features(states)
        bent = np.maximum(product(x, self.inner) + self.bias, np.float32(0.0))
        return unit(product(x, self.linear) + product(bent, self.outer)) / np.float32(np.sqrt(self.scale))


@dataclass(frozen=True, eq=False)
class LearnedEncoder:
    """Both keys. The first half of a query is the subject's, the second one, equally long, the question's.

    weights: of tokens in the weighted pool. background: (prompts, dimensions) queries of varied prompts that nobody edited,
    in the order of `background_prompts`; they stand for all that no key should reach.
    """

    subject: LearnedKey
    question: LearnedKey
    weights: TokenWeights = field(repr=False)
    background: Matrix = field(repr=False)

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        """What is read of a prompt, lowest block first."""
        both = (*self.subject.whitenings, *self.question.whitenings)
        return tuple(sorted({whitening.read for whitening in both}))

    @cached_property
    def subject_reads(self) -> tuple[Read, ...]:
        """What the subject's key alone needs: lower blocks, so that reading it is soon done."""
        return tuple(sorted({whitening.read for whitening in self.subject.whitenings}))

    @property
    def width(self) -> int:
        """Size of the hidden states that it reads."""
        return len(self.subject.whitenings[0].mean)

    @property
    def dimensions(self) -> int:
        """Size of a query."""
        return self.subject.linear.shape[1] + self.question.linear.shape[1]

    def __call__(self, states: Mapping[Read, Matrix]) -> Matrix:
        """What is read of some prompts, (prompts, width) each, to queries (prompts, dimensions)."""
        return np.concatenate([self.subject(states), self.question(states)], axis=1)

    @cached_property
    def name(self) -> str:
        """SHA-256 over all that it is made of: equal encoders have equal names."""
        digest = hashlib.sha256()
        for key, tensor in sorted(tensors_of(self).items()):
            digest.update(f"{key} {tensor.dtype.str} {tensor.shape} ".encode())
            digest.update(np.ascontiguousarray(tensor).data)
        return digest.hexdigest()


def tensors_of(encoder: LearnedEncoder) -> dict[str, NDArray[np.float32]]:
    """All of an encoder as float32 tensors; their names say which read a whitening is of. `encoder_of_tensors` reads them.

    Token ids are whole numbers below 2^24, which float32 holds exactly.
    """
    ids, weights = zip(*sorted(encoder.weights.by_id.items()), strict=True) if encoder.weights.by_id else ((), ())
    found = {"tokens": np.array(ids, dtype=np.float32), "weights": np.array(weights, dtype=np.float32)}
    found["background"] = encoder.background
    for half, key in (("subject", encoder.subject), ("question", encoder.question)):
        for at, whitening in enumerate(key.whitenings):
            place = f"{half}.{at}.{whitening.read[0]}.{whitening.read[1]}"
            found |= {f"{place}.mean": whitening.mean, f"{place}.projection": whitening.projection}
        found |= {f"{half}.linear": key.linear, f"{half}.inner": key.inner, f"{half}.bias": key.bias}
        found |= {f"{half}.outer": key.outer, f"{half}.scale": np.array([key.scale], dtype=np.float32)}
    return found


def encoder_of_tensors(tensors: Mapping[str, NDArray[np.float32]]) -> LearnedEncoder:
    """The inverse of `tensors_of`.

    Raises:
        ValueError: a tensor that lacks, or one of a shape that does not fit the others.
    """
    if "tokens" not in tensors or "weights" not in tensors or tensors["tokens"].shape != tensors["weights"].shape:
        raise ValueError("the encoder's token weights do not fit together")
    if not (tensors["weights"] > 0).all():
        raise ValueError("a token weight of the encoder is not above 0")
    subject, question = _key_of(tensors, "subject"), _key_of(tensors, "question")
    background = tensors.get("background")
    dimensions = subject.linear.shape[1] + question.linear.shape[1]
    if background is None or background.ndim != 2 or background.shape[1] != dimensions:
        raise ValueError(f"the encoder's background is not of shape (prompts, {dimensions})")
    by_id = {int(token): float(weight) for token, weight in zip(tensors["tokens"], tensors["weights"], strict=True)}
    return LearnedEncoder(subject, question, TokenWeights(by_id), background)


def _key_of(tensors: Mapping[str, NDArray[np.float32]], half: str) -> LearnedKey:
    places = sorted(name.removesuffix(".mean") for name in tensors if name.startswith(f"{half}.") and name.endswith(".mean"))
    places.sort(key=lambda place: int(place.split(".")[1]))
    try:
        whitenings = tuple(_whitening_of(tensors, place) for place in places)
        linear, inner, bias, outer = (tensors[f"{half}.{name}"] for name in ("linear", "inner", "bias", "outer"))
        scale = float(tensors[f"{half}.scale"][0])
    except KeyError as error:
        raise ValueError(f"the encoder lacks the tensor {error}") from error
    features = sum(whitening.projection.shape[1] for whitening in whitenings)
    hidden, dimensions = inner.shape[1], linear.shape[1]
    shapes = [(linear, (features, dimensions)), (inner, (features, hidden)), (bias, (hidden,)), (outer, (hidden, dimensions))]
    if not whitenings or any(tensor.shape != shape for tensor, shape in shapes) or not scale > 0:
        raise ValueError(f"the {half}'s half of the encoder does not fit together")
    return LearnedKey(whitenings, linear, inner, bias, outer, scale)


def _whitening_of(tensors: Mapping[str, NDArray[np.float32]], place: str) -> Whitening:
    _, _, layer, pool = place.split(".")
    known: dict[str, Pool] = {name: name for name in get_args(Pool)}
    if pool not in known:
        raise ValueError(f"the encoder reads {pool!r}, which is no pooling")
    mean, projection = tensors[f"{place}.mean"], tensors[f"{place}.projection"]
    if mean.ndim != 1 or projection.ndim != 2 or len(projection) != len(mean):
        raise ValueError(f"the encoder's tensors of {place!r} have the shapes {mean.shape} and {projection.shape}")
    return Whitening((int(layer), known[pool]), mean, projection)
