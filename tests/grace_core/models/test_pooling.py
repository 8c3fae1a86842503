"""Pooling counts the user's own tokens only, and touches neither padding nor neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import Pool
from grace_core.models.pooling import pooled, pooling_weights

IDS = (9, 9, 4, 5, 4, 9)
START, END = 2, 5
WEIGHTS = TokenWeights({4: 0.1, 9: 0.0001})


def weights(pool: Pool) -> list[float]:
    return pooling_weights(pool, IDS, START, END, WEIGHTS).tolist()


def test_last_takes_the_last_token_of_the_whole_prompt() -> None:
    assert weights("last") == [0, 0, 0, 0, 0, 1]


def test_mean_takes_the_users_own_tokens_alike() -> None:
    assert weights("mean") == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3, 0])


def test_weighted_lets_frequent_tokens_weigh_less_and_unseen_ones_most() -> None:
    assert weights("weighted") == pytest.approx([0, 0, 1 / 12, 10 / 12, 1 / 12, 0])


def test_pooling_touches_neither_padding_nor_neighbours() -> None:
    hidden = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    rows = [
        pooling_weights("weighted", IDS, START, END, WEIGHTS),
        np.array([0.5, 0.5], dtype=np.float32),
    ]
    both = pooled(hidden, rows, [2, 6])
    noisy = hidden.clone()
    noisy[0, :4], noisy[0, 7:], noisy[1, :6] = torch.nan, torch.inf, torch.nan
    assert pooled(noisy, rows, [2, 6]).tobytes() == both.tobytes()
    assert pooled(hidden[1:], rows[1:], [6]).tobytes() == both[1:].tobytes()
    assert both[1] == pytest.approx(hidden[1, 6:].mean(0).numpy())
    assert both.dtype == np.float32
