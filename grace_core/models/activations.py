"""Hidden states of prompts, as they are or pooled: one forward pass per batch, no higher than the highest wanted layer.

Knows no codebook and no encoder: what is read here is encoded elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from grace_core.codebook.encoder import Reader
from grace_core.codebook.geometry import Matrix
from grace_core.codebook.learned import Read
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import Pool
from grace_core.errors import Cancelled, InputError
from grace_core.models.batch import Batch
from grace_core.models.hooks import Enough, block_hooks
from grace_core.models.language_model import LanguageModel
from grace_core.models.pooling import pooled, pooling_weights
from grace_core.models.prompts import Prompt


@torch.inference_mode()
def hidden_after(model: LanguageModel, layer: int, batch: Batch) -> torch.Tensor:
    """(batch, tokens, width) hidden states after a block; the blocks above it do not run."""
    found: list[torch.Tensor] = []

    def take(hidden: torch.Tensor) -> None:
        found.append(hidden)
        raise Enough

    with block_hooks(model, [(layer, take)]), suppress(Enough):
        model.family.read(model, batch)
    return found[0]


def activations_of(
    model: LanguageModel,
    reader: Reader,
    prompts: Sequence[Prompt],
    rows_at_once: int = 32,
    *,
    share_start: bool = False,
    on_read: Callable[[int], None] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Matrix:
    """(prompts, width) what a codebook with this reader keeps of prompts; each is run whole unless `share_start`.

    One prompt at a time is unpadded, so that an edit's own activation does not depend on what it was batched with.
    A learned encoder reads what `Prompts.as_read` gives.
    """
    if reader.learned is not None:
        prompts = [model.prompts.as_read(prompt) for prompt in prompts]
    states = pooled_at(
        model, reader.weights, prompts, reader.reads,
        rows_at_once=rows_at_once, share_start=share_start, on_read=on_read, cancelled=cancelled,
    )  # fmt: skip
    return reader.joined(states)


@torch.inference_mode()
def pooled_at(
    model: LanguageModel,
    weights: TokenWeights,
    prompts: Sequence[Prompt],
    reads: Sequence[Read],
    *,
    rows_at_once: int = 16,
    share_start: bool = True,
    on_read: Callable[[int], None] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[Read, Matrix]:
    """(prompts, width) pooled hidden states for each layer and pooling; one pass per batch, up to the highest layer.

    share_start: what all prompts begin with (a chat template, mostly) is run once and kept, where the model allows it.

    Raises:
        InputError: a layer that the model does not have.
        Cancelled: asked before each batch.
    """
    blocks = len(model.blocks)
    pools_of: dict[int, list[Pool]] = {}
    for layer, pool in reads:
        if not 1 <= layer <= blocks:
            raise InputError(f"Layer {layer} does not exist; this model's blocks are 1 to {blocks}.")
        pools_of.setdefault(layer, []).append(pool)
    highest = max(pools_of)
    out: dict[Read, Matrix] = {read: np.empty((len(prompts), model.width), np.float32) for read in reads}
    if not prompts:
        return out
    begin = _common_start(prompts) if share_start and model.ways.shared_start else 0
    start = model.family.start_of(model, prompts[0].ids[:begin]) if begin else None
    prompts = [Prompt(p.text, p.ids[begin:], p.start - begin, p.end - begin) for p in prompts]
    # Prompts of like length share a batch, so that little of it is padding.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].ids))
    for first in range(0, len(order), rows_at_once):
        stop_if(cancelled)
        rows = order[first : first + rows_at_once]
        some = [prompts[i] for i in rows]
        # On the right no padding comes between two tokens of a prompt, nor before its first one.
        batch = Batch.of(model, some, side="right")
        weighing = {
            pool: [pooling_weights(pool, p.ids, p.start, p.end, weights) for p in some] for pool in {pool for _, pool in reads}
        }

        def take(layer: int, batch: Batch = batch, rows: list[int] = rows, weighing: Any = weighing) -> Callable[..., None]:
            def read(hidden: torch.Tensor) -> None:
                for pool in pools_of[layer]:
                    out[layer, pool][rows] = pooled(hidden, weighing[pool], batch.offsets)
                if layer == highest:
                    raise Enough

            return read

        with block_hooks(model, [(layer, take(layer)) for layer in pools_of]), suppress(Enough):
            model.family.read(model, batch, start)
        on_read(min(first + rows_at_once, len(order)))
    return out


def _common_start(prompts: Sequence[Prompt]) -> int:
    """How many tokens all prompts begin with, the user's own never among them."""
    first, last = min(p.ids for p in prompts), max(p.ids for p in prompts)
    alike = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return min(alike, *(p.start for p in prompts), *(len(p.ids) - 1 for p in prompts))


def stop_if(cancelled: Callable[[], bool]) -> None:
    """Raise Cancelled where the caller says so."""
    if cancelled():
        raise Cancelled("Stopped; nothing was changed.")
