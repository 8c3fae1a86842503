"""Prompt to answer, greedily, with a codebook in place; knows nothing of edits in the making.

The prompt passes once with the codebook attached; what follows is decoded by the bare model from the KV cache that
this pass left, so a token costs the same with ten thousand entries as with none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from grace_core.codebook.codebook import Codebook, Match
from grace_core.errors import Cancelled
from grace_core.models.hooks import Batch, Reading, attached
from grace_core.models.load import LanguageModel, Prompt

MAX_NEW_TOKENS = 128


@dataclass(frozen=True, eq=False)
class Generation:
    """An answer and why it is that one.

    ids: generated tokens, the end-of-text token included where it was reached (`truncated` says that it was not).
    activation: (width,) float32, the prompt's pooled hidden states.
    """

    prompt: str
    text: str
    ids: tuple[int, ...]
    match: Match
    truncated: bool
    activation: NDArray[np.float32] = field(repr=False)

    @property
    def edit_id(self) -> str | None:
        """The edit that answered; None: the model itself."""
        return self.match.edit_id


def generate(
    model: LanguageModel,
    codebook: Codebook,
    prompt: str,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    on_text: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generation:
    """Answer one prompt.

    Args:
        model: stays unchanged; hooks are on it while the prompt passes.
        codebook: read only.
        prompt: the user's text.
        max_new_tokens: at most so many; an edit's own target always fits.
        on_text: called with all text so far, token by token.
        cancelled: asked before each token.

    Raises:
        InputError: an empty prompt, or one beyond the context window.
        Cancelled: as soon as `cancelled` says so.
    """
    ids: list[int] = []

    def each(_row: int, token: int) -> None:
        if cancelled():
            raise Cancelled("Stopped; nothing was kept.")
        ids.append(token)
        if on_text is not None:
            text = model.text(ids)
            # Half of a multi-byte character decodes to U+FFFD; it is shown once the rest is there.
            if not text.endswith("\ufffd"):
                on_text(text)

    return generate_batch(model, codebook, [prompt], max_new_tokens=max_new_tokens, on_token=each)[0]


def generate_batch(
    model: LanguageModel,
    codebook: Codebook,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    on_token: Callable[[int, int], None] | None = None,
) -> list[Generation]:
    """Answer several prompts as one batch; a row's answer does not depend on its neighbours.

    on_token: called with row and token id as they come.
    """
    return decode(model, codebook, [model.prompt(text) for text in prompts], max_new_tokens, on_token)


@torch.inference_mode()
def decode(
    model: LanguageModel,
    codebook: Codebook,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    on_token: Callable[[int, int], None] | None = None,
) -> list[Generation]:
    """`generate_batch` for prompts that are token ids already."""
    if not prompts:
        return []
    batch = Batch.of(model, prompts)
    cache = DynamicCache(config=model.module.config)
    with attached(model, codebook, batch) as reading:
        logits = forward(model, batch.ids, batch.mask, batch.positions, cache)
    limits = [_limit(model, reading.matches[row], prompt, max_new_tokens) for row, prompt in enumerate(prompts)]
    rows: list[list[int]] = [[] for _ in prompts]
    open_rows = set(range(len(prompts)))
    for step, tokens in enumerate(_greedy(model, logits, batch, cache)):
        for row in sorted(open_rows):
            rows[row].append(tokens[row])
            if on_token is not None:
                on_token(row, tokens[row])
            if tokens[row] in model.eos_ids or step + 1 >= limits[row]:
                open_rows.discard(row)
        if not open_rows:
            break
    return [_generation(model, prompt, rows[i], reading, i) for i, prompt in enumerate(prompts)]


@torch.inference_mode()
def decode_bare(model: LanguageModel, prompts: Sequence[Prompt], tokens: int) -> list[tuple[int, ...]]:
    """The first greedy token ids of each row as the frozen model gives them: no codebook is read and no hook is set.

    At most `tokens`, fewer where a row's text ends. What a codebook costs is measured against this.
    """
    batch = Batch.of(model, prompts)
    cache = DynamicCache(config=model.module.config)
    rows: list[list[int]] = [[] for _ in prompts]
    for some in islice(_greedy(model, forward(model, batch.ids, batch.mask, batch.positions, cache), batch, cache), tokens):
        for row, token in zip(rows, some, strict=True):
            if not row or row[-1] not in model.eos_ids:
                row.append(token)
        if all(row[-1] in model.eos_ids for row in rows):
            break
    return [tuple(row) for row in rows]


def forward(
    model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """(batch, vocabulary) logits after the last token; appends to `cache`."""
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "past_key_values": cache, "use_cache": True}
    if "position_ids" in model.accepts:
        inputs["position_ids"] = positions
    if "logits_to_keep" in model.accepts:
        inputs["logits_to_keep"] = 1
    logits: torch.Tensor = model.module(**inputs).logits
    return logits[:, -1]


def _greedy(model: LanguageModel, logits: torch.Tensor, batch: Batch, cache: DynamicCache) -> Iterator[list[int]]:
    """The most likely token of each row, step by step, for as long as the caller asks."""
    mask, positions = batch.mask, batch.positions[:, -1:]
    while True:
        tokens = logits.argmax(-1)
        yield tokens.tolist()
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        positions = positions + 1
        logits = forward(model, tokens[:, None], mask, positions, cache)


def _limit(model: LanguageModel, match: Match, prompt: Prompt, max_new_tokens: int) -> int:
    """Tokens that this row may have: a matched target must never be cut short."""
    wanted = max_new_tokens
    if match.matched and match.entry is not None:
        wanted = max(wanted, len(match.entry.target_ids))
    return max(1, min(wanted, model.context - len(prompt.ids)))


def _generation(model: LanguageModel, prompt: Prompt, ids: list[int], reading: Reading, row: int) -> Generation:
    truncated = ids[-1] not in model.eos_ids
    return Generation(prompt.text, model.text(ids), tuple(ids), reading.matches[row], truncated, reading.activations[row])
