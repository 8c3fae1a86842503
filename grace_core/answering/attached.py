"""A codebook in place on a live model: the hooks read it and nothing else.

Attached for the time of a `with` block: what the codebook reads of a prompt is pooled on the way, and after the last block
that it reads the query is made and matched, once per prompt and per row of the batch; after `value_layer` the matched rows
get their entry's value at the last prompt tokens.
A prompt that is read in another form than it was typed (`Prompts.as_read`) is read in a pass of its own before.
Where no row matched nothing is touched, so the logits are bitwise those of the bare model. Decode steps with a KV cache
see one token at a time and pass untouched; without a cache the whole sequence passes again and the same match is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.codebook.codebook import Codebook, Match
from grace_core.codebook.encoder import Reader
from grace_core.codebook.geometry import Matrix
from grace_core.codebook.learned import Read
from grace_core.config import Pool
from grace_core.models.activations import activations_of
from grace_core.models.batch import Batch
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from grace_core.models.pooling import pooled, pooling_weights
from grace_core.models.prompts import Prompt


@dataclass
class Routing:
    """What the hooks saw. Empty until the first pass over the prompts; then one item per row."""

    activations: tuple[NDArray[np.float32], ...] = ()
    matches: tuple[Match, ...] = ()
    values: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Rows whose hidden state is replaced, and by what."""


@contextmanager
def attached(model: LanguageModel, codebook: Codebook, batch: Batch) -> Iterator[Routing]:
    """Let `codebook` answer while the model runs on `batch`; the hooks are removed when the block ends.

    Any forward pass of `model.module` on these very rows is covered: `generate`, with or without a cache, or a plain
    call. One pass over several prompts must give them as `batch.ids` does.
    """
    routing = Routing()
    reader, value_layer = codebook.reader, codebook.config.value_layer
    assert value_layer is not None  # a codebook's config is resolved
    pooled_states: dict[Read, Matrix] = {}
    apart = _read_apart(model, reader, batch.prompts)

    def reading(layer: int, pools: list[Pool]) -> Callable[[torch.Tensor], None]:
        def read(hidden: torch.Tensor) -> None:
            if routing.matches:
                return
            for pool in pools:
                rows = [pooling_weights(pool, p.ids, p.start, p.end, reader.weights) for p in batch.prompts]
                pooled_states[layer, pool] = pooled(hidden, rows, batch.offsets)
            if layer == reader.highest:
                activations = reader.joined(pooled_states)
                for row, own in apart.items():
                    activations[row] = own
                match(activations)

        return read

    def match(activations: Matrix) -> None:
        routing.activations = tuple(activations)
        routing.matches = codebook.match(codebook.encoder(activations))
        for row, found in enumerate(routing.matches):
            if found.matched and found.entry is not None:
                routing.values[row] = found.entry.value

    def write(hidden: torch.Tensor) -> torch.Tensor | None:
        return replaced(hidden, routing.values, batch.last, batch.offsets if codebook.config.span == "all" else None)

    pools_of: dict[int, list[Pool]] = {}
    for layer, pool in reader.reads:
        pools_of.setdefault(layer, []).append(pool)
    hooks: list[tuple[int, Any]] = [*((layer, reading(layer, pools)) for layer, pools in pools_of.items()), (value_layer, write)]
    with block_hooks(model, hooks, tokens=max(batch.last) + 1, decoding=True):
        yield routing


def _read_apart(model: LanguageModel, reader: Reader, prompts: Sequence[Prompt]) -> dict[int, NDArray[np.float32]]:
    """By row, the activations of prompts that are not read as they were typed."""
    if reader.learned is None:
        return {}
    others = {row: other for row, prompt in enumerate(prompts) if (other := model.prompts.as_read(prompt)) is not prompt}
    return {row: activations_of(model, reader, [other], rows_at_once=1)[0] for row, other in others.items()}
