"""A codebook in place on a live model: the hooks read it and nothing else.

Attached for the time of a `with` block: after `key_layer` the prompt's query is pooled, encoded and matched, once per
prompt and per row of the batch; after `value_layer` the matched rows get their entry's value at the last prompt tokens.
Where no row matched nothing is touched, so the logits are bitwise those of the bare model. Decode steps with a KV cache
see one token at a time and pass untouched; without a cache the whole sequence passes again and the same match is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.codebook.codebook import Codebook, Match
from grace_core.models.batch import Batch
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from grace_core.models.pooling import pooled, pooling_weights


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
    config = codebook.config
    assert config.key_layer is not None and config.value_layer is not None  # a codebook's config is resolved  # noqa: PT018

    def read(hidden: torch.Tensor) -> None:
        if routing.matches:
            return
        weights = codebook.encoder.weights
        rows = [pooling_weights(config.pool, p.ids, p.start, p.end, weights) for p in batch.prompts]
        activations = pooled(hidden, rows, batch.offsets)
        routing.activations = tuple(activations)
        routing.matches = codebook.match(codebook.encoder(activations))
        for row, match in enumerate(routing.matches):
            if match.matched and match.entry is not None:
                routing.values[row] = match.entry.value

    def write(hidden: torch.Tensor) -> torch.Tensor | None:
        return replaced(hidden, routing.values, batch.last)

    both: list[tuple[int, Any]] = [(config.key_layer, read), (config.value_layer, write)]
    with block_hooks(model, both, tokens=max(batch.last) + 1, decoding=True):
        yield routing
