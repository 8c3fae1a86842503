"""What a model says after a value was put in by hand: the one place that asks "value in, is the target out?"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.models.activations import stop_if
from grace_core.models.batch import Batch
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

_ASKED_AT_ONCE = 8
"""Rows of one pass: its logits are (rows, tokens, vocabulary), so 48 biographies would take 0.9 GB of them."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A prompt, the target to compare with, and the value (positions, width) to put in; None: the model as it is."""

    prompt: Prompt
    target_ids: tuple[int, ...]
    value: NDArray[np.float32] | None = field(repr=False)


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
    rows = [Prompt(a.prompt.text, (*a.prompt.ids, *a.target_ids[:-1]), a.prompt.start, a.prompt.end) for a in asked]
    batch = Batch.of(model, rows, side="right")
    last = [len(a.prompt.ids) - 1 for a in asked]
    values = {row: a.value for row, a in enumerate(asked) if a.value is not None}
    with block_hooks(model, [(layer, lambda hidden: replaced(hidden, values, last))]):
        said = model.family.logits(model, batch).argmax(-1).tolist()
    return [
        tuple(token == wanted for token, wanted in zip(said[row][at:], a.target_ids, strict=False))
        for row, (at, a) in enumerate(zip(last, asked, strict=True))
    ]
