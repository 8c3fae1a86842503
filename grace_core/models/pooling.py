"""Pooling hidden states over a prompt's tokens: one vector a prompt, before it is encoded.

Knows tensors, no model: the caller says which tokens are the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.codebook.geometry import Matrix
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import Pool


def pooling_weights(pool: Pool, ids: Sequence[int], start: int, end: int, weights: TokenWeights) -> NDArray[np.float32]:
    """(tokens,) how much each token of one prompt counts in its query; they sum to 1.

    ids: the whole prompt as the model sees it; [start, end) are the user's own tokens, never the template's.
    """
    row = np.zeros(len(ids), dtype=np.float32)
    match pool:
        case "last":
            row[-1] = 1.0
        case "mean":
            row[start:end] = 1.0 / (end - start)
        case "weighted":
            row[start:end] = weights.of(ids[start:end])
    return row


def pooled(hidden: torch.Tensor, rows: Sequence[NDArray[np.float32]], offsets: Sequence[int]) -> Matrix:
    """Weighted sums over tokens: hidden (batch, tokens, width) to (batch, width) float32.

    Each row is pooled over its own tokens alone, `rows[i]` of them from `offsets[i]` on, so that padding and
    neighbours cannot touch it.
    """
    out = np.empty((len(rows), hidden.shape[-1]), dtype=np.float32)
    for i, (row, offset) in enumerate(zip(rows, offsets, strict=True)):
        used = np.flatnonzero(row)
        states = hidden[i, offset + used[0] : offset + used[-1] + 1].float().cpu()
        out[i] = (torch.from_numpy(row[used[0] : used[-1] + 1].copy()) @ states).numpy()
    return out
