"""What a model says after a value was put in by hand: the one place that asks "value in, is the target out?"."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from grace_core.models.activations import stop_if
from grace_core.models.family import Asked
from grace_core.models.language_model import LanguageModel

_ASKED_AT_ONCE = 8
"""Rows of one pass: its logits are (rows, tokens, vocabulary), so 48 biographies would take 0.9 GB of them."""


def tokens_right(
    model: LanguageModel, layer: int, asked: Sequence[Asked], cancelled: Callable[[], bool] = lambda: False
) -> list[tuple[bool, ...]]:
    """Whether each target token is the most likely one after the true ones before it, the value after block `layer`.

    Raises:
        Cancelled: asked before each pass.
    """
    # Rows of like length share a pass, so that little of it is padding.
    order = sorted(range(len(asked)), key=lambda i: len(asked[i].prompt.ids) + len(asked[i].target_ids))
    right: dict[int, tuple[bool, ...]] = {}
    for start in range(0, len(order), _ASKED_AT_ONCE):
        stop_if(cancelled)
        some = order[start : start + _ASKED_AT_ONCE]
        right.update(zip(some, _right(model, layer, [asked[i] for i in some]), strict=True))
    return [right[i] for i in range(len(asked))]


def gives_target(
    model: LanguageModel, layer: int, asked: Sequence[Asked], cancelled: Callable[[], bool] = lambda: False
) -> tuple[bool, ...]:
    """For each: would the greedy answer be exactly the target?

    Raises:
        Cancelled: asked before each pass.
    """
    return tuple(all(right) for right in tokens_right(model, layer, asked, cancelled))


@torch.inference_mode()
def _right(model: LanguageModel, layer: int, asked: Sequence[Asked]) -> list[tuple[bool, ...]]:
    """`tokens_right` of the rows of one pass."""
    said = model.family.said(model, layer, asked)
    return [
        tuple(token == wanted for token, wanted in zip(tokens, a.target_ids, strict=False))
        for tokens, a in zip(said, asked, strict=True)
    ]
