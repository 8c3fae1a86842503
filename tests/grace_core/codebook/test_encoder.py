"""Frequent tokens weigh less; encoding has the same bits in any company."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from grace_core.codebook.encoder import Background, Encoder
from grace_core.codebook.token_weights import TokenWeights

WEIGHTS = TokenWeights({4: 0.1, 9: 0.0001})


def test_a_token_weighs_less_the_more_often_it_occurs() -> None:
    counted = TokenWeights.from_prompts([(1, 1, 1), (1, 2)], a=0.1)
    assert counted.by_id == {1: pytest.approx(0.1 / 0.9), 2: pytest.approx(0.1 / 0.3)}
    assert counted.of((7, 7)).tolist() == [0.5, 0.5]


# Background and encoder


def drawn(rows: int, width: int = 6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, width)) * np.arange(1, width + 1) + 5).astype(np.float32)


def whitened(rows: int = 400, directions: int = 6) -> Encoder:
    return Encoder.whitened(Background.of(drawn(rows)), directions, 1, WEIGHTS)


def test_a_raw_encoder_passes_hidden_states_through() -> None:
    rows = drawn(3)
    assert Encoder.raw(6)(rows).tobytes() == rows.tobytes()
    assert Encoder.raw(6).dimensions == 6
    assert Encoder.raw(6).joined(rows, 4).version == 0


def test_whitened_queries_have_unit_length() -> None:
    assert np.linalg.norm(whitened()(drawn(9, seed=1)), axis=1) == pytest.approx(np.ones(9))


def test_every_direction_has_unit_variance_over_the_background() -> None:
    encoder = whitened()
    assert encoder.projection is not None
    centred = (drawn(400) - drawn(400).mean(0)) @ encoder.projection
    assert np.cov(centred.T, bias=True) == pytest.approx(np.eye(6), abs=1e-3)


def test_a_query_has_the_same_bits_in_any_company() -> None:
    encoder, rows = whitened(), drawn(50, seed=2)
    together = encoder(rows)
    assert all(encoder(rows[i : i + 1]).tobytes() == together[i].tobytes() for i in range(50))
    assert encoder(rows[:0]).shape == (0, 6)


@pytest.mark.parametrize("width", [6, 576])
def test_an_encoder_has_the_same_bits_on_one_thread_and_on_two(width: int) -> None:
    rows, libraries = drawn(700, width), ThreadpoolController()
    found = []
    for threads in (1, 2):
        with libraries.limit(limits=threads, user_api="blas"):
            encoder = Encoder.whitened(Background.of(rows).joined(rows[:33] * 2), width, 1, WEIGHTS)
            found.append([part.tobytes() for part in (encoder.mean, encoder.projection, encoder(rows)) if part is not None])
            assert {pool["num_threads"] for pool in libraries.info() if pool["user_api"] == "blas"} == {threads}
            assert all(encoder(rows[i : i + 1]).tobytes() == encoder(rows[:60])[i].tobytes() for i in range(60))
    assert len(found[0]) == 3
    assert found[0] == found[1]


def test_directions_are_the_leading_ones_and_fewer_than_prompts() -> None:
    assert whitened(directions=2).dimensions == 2
    assert whitened(rows=8).dimensions == 4
    assert whitened(rows=5).dimensions == 3
    projection = whitened(directions=1).projection
    assert projection is not None
    assert int(np.abs(projection[:, 0]).argmax()) == 5


def test_the_mean_itself_has_a_query_of_finite_length() -> None:
    encoder = whitened()
    assert encoder.mean is not None
    assert np.isfinite(encoder(encoder.mean[None])).all()


def test_joining_is_the_background_of_both_and_the_next_version() -> None:
    more = drawn(30, seed=3)
    encoder = whitened().joined(more, 6)
    both = Background.of(np.concatenate([drawn(400), more]))
    assert encoder.version == 2
    assert encoder.weights is WEIGHTS
    assert encoder.background is not None
    assert encoder.background.count == 430
    assert encoder.background.total == pytest.approx(both.total)
    assert encoder.background.outer == pytest.approx(both.outer)


def test_joining_leaves_the_old_encoder_as_it_was() -> None:
    encoder, rows = whitened(), drawn(4, seed=4)
    before = encoder(rows).tobytes()
    encoder.joined(drawn(100, seed=5) * 3, 6)
    assert encoder(rows).tobytes() == before
    assert encoder.background is not None
    assert encoder.background.count == 400
