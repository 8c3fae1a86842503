"""Pooled hidden states of several layers at once: one forward pass per batch, no higher than the highest wanted layer.

Knows no codebook and no encoder; `adapter.activations_of` is what a codebook's own queries are read with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from grace_core.codebook.encoder import TokenWeights
from grace_core.codebook.geometry import Matrix
from grace_core.config import Pool
from grace_core.errors import Cancelled, InputError
from grace_core.models.hooks import Batch, Enough, block_hooks
from grace_core.models.load import LanguageModel, Prompt
from grace_core.models.pooling import pooled, pooling_weights

_AT_ONCE = 16


@torch.inference_mode()
def pooled_at(
    model: LanguageModel,
    weights: TokenWeights,
    prompts: Sequence[Prompt],
    layers: Sequence[int],
    pools: Sequence[Pool],
    *,
    on_read: Callable[[int], None] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[tuple[int, Pool], Matrix]:
    """(prompts, width) pooled hidden states for each layer and pooling; one pass per batch, up to the highest layer.

    What all prompts begin with (a chat template, mostly) is run once, and its keys and values are kept.

    Raises:
        InputError: a layer that the model does not have.
        Cancelled: asked before each batch.
    """
    blocks, highest = len(model.blocks), max(layers)
    for layer in layers:
        if not 1 <= layer <= blocks:
            raise InputError(f"Layer {layer} does not exist; this model's blocks are 1 to {blocks}.")
    out: dict[tuple[int, Pool], Matrix] = {
        (layer, pool): np.empty((len(prompts), model.width), np.float32) for layer in layers for pool in pools
    }
    if not prompts:
        return out
    begin = _common_start(prompts)
    past = _kept(model, prompts[0].ids[:begin]) if begin else []
    prompts = [Prompt(p.text, p.ids[begin:], p.start - begin, p.end - begin) for p in prompts]
    # Prompts of like length share a batch, so that little of it is padding.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].ids))
    for start in range(0, len(order), _AT_ONCE):
        stop_if(cancelled)
        rows = order[start : start + _AT_ONCE]
        some = [prompts[i] for i in rows]
        batch = Batch.of(model, some)
        weighing = {pool: [pooling_weights(pool, p.ids, p.start, p.end, weights) for p in some] for pool in pools}

        def take(layer: int, batch: Batch = batch, rows: list[int] = rows, weighing: Any = weighing) -> Callable[..., None]:
            def read(hidden: torch.Tensor) -> None:
                for pool in pools:
                    out[layer, pool][rows] = pooled(hidden, weighing[pool], batch.offsets)
                if layer == highest:
                    raise Enough

            return read

        inputs: dict[str, Any] = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
        if past:
            mask = torch.cat([batch.mask.new_ones(len(some), begin), batch.mask], dim=1)
            inputs |= {"attention_mask": mask, "past_key_values": _continued(model, past, len(some)), "use_cache": True}
        if "position_ids" in model.accepts:
            inputs["position_ids"] = batch.positions + begin
        with block_hooks(model, [(layer, take(layer)) for layer in layers]), suppress(Enough):
            model.module(**inputs)
        on_read(min(start + _AT_ONCE, len(order)))
    return out


def _common_start(prompts: Sequence[Prompt]) -> int:
    """How many tokens all prompts begin with, the user's own never among them."""
    first, last = min(p.ids for p in prompts), max(p.ids for p in prompts)
    alike = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return min(alike, *(p.start for p in prompts), *(len(p.ids) - 1 for p in prompts))


def _kept(model: LanguageModel, ids: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Keys and values of these tokens, one pair per block."""
    cache = DynamicCache(config=model.module.config)
    model.module(input_ids=torch.tensor([list(ids)], device=model.device), past_key_values=cache, use_cache=True)
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]


def _continued(model: LanguageModel, past: Sequence[tuple[torch.Tensor, torch.Tensor]], rows: int) -> DynamicCache:
    """A new cache of so many rows that all begin with the same tokens; blocks append to it, so each pass needs its own."""
    cache = DynamicCache(config=model.module.config)
    layers: list[Any] = cache.layers
    for layer, (keys, values) in zip(layers, past, strict=True):
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = (kept.expand(rows, -1, -1, -1) for kept in (keys, values))
    return cache


def stop_if(cancelled: Callable[[], bool]) -> None:
    """Raise Cancelled where the caller says so."""
    if cancelled():
        raise Cancelled("Stopped; nothing was changed.")
