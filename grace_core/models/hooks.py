"""Hooks on a live model that read a codebook and nothing else.

Attached for the time of a `with` block: after `key_layer` the prompt's query is pooled, encoded and matched, once per
prompt and per row of the batch; after `value_layer` the matched rows get their entry's value at the last prompt tokens.
Where no row matched nothing is touched, so the logits are bitwise those of the bare model. Decode steps with a KV cache
see one token at a time and pass untouched; without a cache the whole sequence passes again and the same match is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from grace_core.codebook.codebook import Codebook, Match
from grace_core.codebook.encoder import TokenWeights
from grace_core.config import GraceConfig
from grace_core.models.load import LanguageModel, Prompt
from grace_core.models.pooling import pooled, pooling_weights


@dataclass(frozen=True)
class Batch:
    """Prompts of different lengths as one tensor. ids, mask: (batch, tokens). offsets: where each row's prompt begins."""

    prompts: tuple[Prompt, ...]
    ids: torch.Tensor
    mask: torch.Tensor
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, model: LanguageModel, prompts: Sequence[Prompt], side: str = "left") -> Batch:
        """Pad to the longest prompt, on the left (to decode from) or on the right."""
        longest = max(len(prompt.ids) for prompt in prompts)
        ids = torch.full((len(prompts), longest), model.end_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        offsets = []
        for row, prompt in enumerate(prompts):
            offset = longest - len(prompt.ids) if side == "left" else 0
            ids[row, offset : offset + len(prompt.ids)] = torch.tensor(prompt.ids)
            mask[row, offset : offset + len(prompt.ids)] = 1
            offsets.append(offset)
        return cls(tuple(prompts), ids.to(model.device), mask.to(model.device), tuple(offsets))

    @property
    def positions(self) -> torch.Tensor:
        """(batch, tokens) each token's place in its own row; padding counts as 0."""
        return (self.mask.cumsum(-1) - 1).clamp(min=0)

    @property
    def last(self) -> tuple[int, ...]:
        """Index of each row's last prompt token."""
        return tuple(offset + len(prompt.ids) - 1 for offset, prompt in zip(self.offsets, self.prompts, strict=True))


@dataclass
class Reading:
    """What the hooks saw. Empty until the first pass over the prompts; then one item per row."""

    activations: tuple[NDArray[np.float32], ...] = ()
    matches: tuple[Match, ...] = ()
    values: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Rows whose hidden state is replaced, and by what."""


@contextmanager
def attached(model: LanguageModel, codebook: Codebook, batch: Batch) -> Iterator[Reading]:
    """Let `codebook` answer while the model runs on `batch`; the hooks are removed when the block ends.

    Any forward pass of `model.module` on these very rows is covered: `generate`, with or without a cache, or a plain
    call. One pass over several prompts must give them as `batch.ids` does.
    """
    reading = Reading()
    config = codebook.config
    assert config.key_layer is not None and config.value_layer is not None  # a codebook's config is resolved  # noqa: PT018

    def read(hidden: torch.Tensor) -> None:
        if reading.matches:
            return
        rows = _weights(config, codebook.encoder.weights, batch.prompts)
        activations = pooled(hidden, rows, batch.offsets)
        reading.activations = tuple(activations)
        reading.matches = codebook.match(codebook.encoder(activations))
        for row, match in enumerate(reading.matches):
            if match.matched and match.entry is not None:
                reading.values[row] = match.entry.value

    def write(hidden: torch.Tensor) -> torch.Tensor | None:
        return replaced(hidden, reading.values, batch.last)

    both: list[tuple[int, Any]] = [(config.key_layer, read), (config.value_layer, write)]
    with block_hooks(model, both, tokens=max(batch.last) + 1, decoding=True):
        yield reading


def replaced(hidden: torch.Tensor, values: dict[int, NDArray[np.float32]], last: Sequence[int]) -> torch.Tensor | None:
    """A copy of hidden (batch, tokens, width) with the last prompt tokens of the given rows replaced; None where none are.

    values: row to (positions, width). last: index of each row's last prompt token.
    """
    if not values:
        return None
    out = hidden.clone()
    for row, value in values.items():
        out[row, last[row] + 1 - len(value) : last[row] + 1] = torch.tensor(value, dtype=hidden.dtype, device=hidden.device)
    return out


@contextmanager
def block_hooks(model: LanguageModel, on: Sequence[tuple[int, Any]], tokens: int = 1, decoding: bool = False) -> Iterator[None]:
    """Call functions on the output of some blocks, for passes of at least `tokens` tokens; removed in the end.

    on: pairs of a block's number and a function of hidden (batch, tokens, width) that returns its replacement or None;
    several on one block are called in their order.
    decoding: one-token passes after the first pass are decode steps, and are left alone even where `tokens` is 1.
    """
    passes: dict[int, int] = {}

    def hook(layer: int, functions: list[Any]) -> Any:
        def run(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            # A block returns a tensor, or, in some architectures, a tuple that begins with it.
            hidden = output[0] if isinstance(output, tuple) else output
            passes[layer] = passes.get(layer, 0) + 1
            if hidden.shape[1] < tokens or (decoding and passes[layer] > 1 and hidden.shape[1] == 1):
                return None
            changed = None
            for function in functions:
                result = function(hidden if changed is None else changed)
                changed = result if result is not None else changed
            if changed is None:
                return None
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        return run

    merged: dict[int, list[Any]] = {}
    for layer, function in on:
        merged.setdefault(layer, []).append(function)
    handles = [model.blocks[layer - 1].register_forward_hook(hook(layer, functions)) for layer, functions in merged.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Enough(Exception):
    """Raised to leave a forward pass once the needed block has run."""


@torch.inference_mode()
def hidden_after(model: LanguageModel, layer: int, batch: Batch) -> torch.Tensor:
    """(batch, tokens, width) hidden states after a block; the blocks above it do not run."""
    found: list[torch.Tensor] = []

    def take(hidden: torch.Tensor) -> None:
        found.append(hidden)
        raise Enough

    inputs: dict[str, Any] = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if "position_ids" in model.accepts:
        inputs["position_ids"] = batch.positions
    with block_hooks(model, [(layer, take)]), suppress(Enough):
        model.module(**inputs)
    return found[0]


def activations_of(
    model: LanguageModel, config: GraceConfig, weights: TokenWeights, prompts: Sequence[Prompt], rows_at_once: int = 32
) -> NDArray[np.float32]:
    """(prompts, width) pooled hidden states after the key layer; runs no block above it.

    One prompt at a time is unpadded, so that an edit's own activation does not depend on what it was batched with.
    """
    assert config.key_layer is not None  # resolved
    out = np.empty((len(prompts), model.width), dtype=np.float32)
    for start in range(0, len(prompts), rows_at_once):
        some = prompts[start : start + rows_at_once]
        batch = Batch.of(model, some)
        hidden = hidden_after(model, config.key_layer, batch)
        rows = _weights(config, weights, some)
        out[start : start + len(some)] = pooled(hidden, rows, batch.offsets)
    return out


def _weights(config: GraceConfig, weights: TokenWeights, prompts: Sequence[Prompt]) -> list[NDArray[np.float32]]:
    return [pooling_weights(config.pool, p.ids, p.start, p.end, weights) for p in prompts]
