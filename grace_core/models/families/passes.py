"""One forward pass of a causal model, with or without a cache: the only place that knows what such a module is called with.

Also what all families share: targets as one tensor, means over a task's rows, and when two ways agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import CacheLayerMixin, DynamicCache

from grace_core.models.family import Row

if TYPE_CHECKING:
    from grace_core.models.language_model import LanguageModel

Past = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of tokens that have passed, (rows, heads, tokens, size) each, one pair per block."""
_CACHES = ("cache", "cache_params", "past_key_values")
"""What a module calls its cache: since transformers 5.24, and before that."""


def cache_name(model: LanguageModel) -> str:
    """Under which name the model's module takes its cache, and gives it back."""
    return next((name for name in _CACHES if name in model.accepts), _CACHES[-1])


def run(
    model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, *, cache: Any = None, keep: int = 0
) -> torch.Tensor:
    """(batch, tokens, vocabulary) logits of the tokens `ids`; appends to `cache` where one is given.

    mask: over all tokens, those in the cache too. keep: logits of so many last tokens at least; 0: of all.
    """
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": cache is not None}
    if cache is not None:
        inputs[cache_name(model)] = cache
        if cache.layers and not any(isinstance(layer, CacheLayerMixin) for layer in cache.layers):
            # A recurrent state has no tokens: the mask is of those that pass now.
            inputs["attention_mask"] = mask[:, -ids.shape[1] :]
    if "position_ids" in model.accepts:
        inputs["position_ids"] = positions
    if keep and "logits_to_keep" in model.accepts:
        inputs["logits_to_keep"] = keep
    logits: torch.Tensor = model.module(**inputs).logits
    return logits


_CLOSE = 2e-3
"""Numbers may differ by so much of their own spread: rounding stays far below, a wrong mask goes far beyond."""


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether two ways give the same numbers but for rounding."""
    spread = float(wanted.std()) if wanted.numel() > 1 else 1.0
    return found.shape == wanted.shape and float((found - wanted).abs().max()) <= _CLOSE * spread


def labels_of(rows: Sequence[Row]) -> torch.Tensor:
    """(rows, target) the rows' target ids, -100 behind each."""
    labels = torch.full((len(rows), max(len(row.target_ids) for row in rows)), -100)
    for i, row in enumerate(rows):
        labels[i, : len(row.target_ids)] = torch.tensor(row.target_ids)
    return labels


def averaged(own: torch.Tensor, task_of: torch.Tensor) -> torch.Tensor:
    """(rows, positions, width) to (tasks, positions, width) float32."""
    own = own.float()
    out = own.new_zeros(int(task_of.max()) + 1, *own.shape[1:])
    out.index_add_(0, task_of, own)
    return out / torch.bincount(task_of)[:, None, None]


def cache_of(past: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> DynamicCache:
    """A new cache that begins with these keys and values; blocks append to it, so each pass needs one of its own.

    It keeps all tokens, also where a block looks back a few only: the masks see to that, and nothing is cut off.
    """
    cache = DynamicCache()
    for number, (keys, values) in enumerate(past):
        cache.update(keys, values, number)
    return cache


def kept(model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, past: Past) -> Past:
    """Keys and values of `past` and of the tokens `ids` behind it."""
    cache = cache_of(past)
    run(model, ids, mask, positions, cache=cache, keep=1)
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]
