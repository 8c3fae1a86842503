"""What several tests build: edits from plain vectors, a small calibrated codebook, and what must hold for any codebook."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.codebook import Codebook, Edit
from grace_core.codebook.encoder import Background, Encoder
from grace_core.codebook.geometry import pair_distances, two_distances, way
from grace_core.codebook.learned import (
    LearnedEncoder,
    LearnedKey,
    Read,
    Whitening,
    encoder_of_tensors,
    tensors_of,
)
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig


def made_edit(
    edit_id: str,
    at: Any,
    target: str,
    *,
    epsilon: float = 1.0,
    value: float = 0.0,
    prompt: str | None = None,
    subject_epsilon: float | None = None,
) -> Edit:
    """An edit at a point; its value is a constant vector."""
    activation = np.asarray(at, dtype=np.float32)
    return Edit(
        edit_id,
        prompt if prompt is not None else f"prompt of {edit_id}",
        target,
        tuple(target.encode()),
        activation,
        np.full((1, len(activation)), value, dtype=np.float32),
        epsilon,
        subject_epsilon=subject_epsilon,
    )


def parted(subject: float, question: float) -> list[float]:
    """A point so far from the origin in each part of the distance `two_keys`."""
    return [float(np.sqrt(2 * subject)), float(np.sqrt(2 * question))]


def parted_codebook(*edits: Edit) -> Codebook:
    """A codebook of two keys; the first number of a point is its subject's half, the second one its question's."""
    config = GraceConfig.robust().resolved(30)
    return Codebook(config, Encoder.raw(2), edits)


def line_codebook(*edits: Edit, rule: str = "separated") -> Codebook:
    """A raw Euclidean codebook."""
    config = GraceConfig.paper(rule=rule, key_layer=2, value_layer=3)
    return Codebook(config, Encoder.raw(len(edits[0].activation) if edits else 1), edits)


def small_encoder(width: int, seed: int = 0) -> Encoder:
    """A whitened encoder calibrated on random rows."""
    rows = np.random.default_rng(seed).normal(size=(10 * width, width)).astype(np.float32)
    return Encoder.whitened(Background.of(rows), width, 1, TokenWeights({}))


def small_learned(width: int = 6, dimensions: int = 4, seed: int = 0) -> LearnedEncoder:
    """A learned encoder of random numbers."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return rng.normal(size=shape).astype(np.float32)

    def key(*reads: Read, scale: float) -> LearnedKey:
        whitenings = tuple(Whitening.of(read, drawn(40, width), width) for read in reads)
        features = width * len(reads)
        return LearnedKey(
            whitenings, drawn(features, dimensions), drawn(features, 5), drawn(5), drawn(5, dimensions), float(np.float32(scale))
        )

    weights = TokenWeights({3: 0.5, 70: 0.25})
    subject, question = key((1, "weighted"), (2, "mean"), scale=0.5), key((2, "mean"), (3, "last"), scale=0.25)
    return encoder_of_tensors(tensors_of(LearnedEncoder(subject, question, weights, drawn(7, 2 * dimensions))))


def assert_same(one: Codebook, other: Codebook) -> None:
    """Bit for bit the same entries."""
    assert [e.edit_ids for e in one.entries] == [e.edit_ids for e in other.entries]
    for a, b in zip(one.entries, other.entries, strict=True):
        assert (a.prompt, a.target, a.target_ids, a.epsilon) == (b.prompt, b.target, b.target_ids, b.epsilon)
        assert a.key.tobytes() == b.key.tobytes()
        assert a.value.tobytes() == b.value.tobytes()
    assert one.keys.tobytes() == other.keys.tobytes()


def assert_apart(codebook: Codebook) -> None:
    """No ball with another target goes further than it may towards another; with one key none overlap."""
    for i, a in enumerate(codebook.entries):
        apart = pair_distances(a.key, codebook.keys, codebook.config.distance)
        for j, b in enumerate(codebook.entries):
            if i != j and a.target_ids != b.target_ids:
                if codebook.config.distance == "two_keys":
                    subject, question = two_distances(a.key, b.key[None])[0]
                    ends = [e.epsilon if e.subject_epsilon is None else e.subject_epsilon for e in (a, b)]
                    in_subject = max(ends) <= max(way("two_keys") * subject, 1e-12) and subject >= question
                    in_question = max(a.epsilon, b.epsilon) <= max(way("two_keys") * question, 1e-12)
                    assert in_subject or in_question, f"{a} and {b}"
                    continue
                assert a.epsilon + b.epsilon <= apart[j], f"{a} and {b} are {apart[j]} apart"
