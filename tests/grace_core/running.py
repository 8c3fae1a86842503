"""What tests do with a model: drawn edits of real prompts, and ways to run it past `grace_core`.

Plain logits, transformers' own generate, and whether it is left as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from grace_core.codebook.codebook import Codebook, Edit
from grace_core.editing.training import value_positions
from grace_core.models.activations import activations_of
from grace_core.models.batch import Batch
from grace_core.models.language_model import LanguageModel
from grace_core.models.pooling import pooling_weights


def edit_for(model: LanguageModel, codebook: Codebook, prompt: str, target: str, *, edit_id: str, seed: int = 0) -> Edit:
    """An edit of a real prompt whose value was not learned but drawn: quick, and certain to change the answer's logits."""
    own = model.prompt(prompt)
    activation = activations_of(model, codebook.reader, [own])[0]
    positions = value_positions(model, codebook.config)
    value = 3 * np.random.default_rng(seed).normal(size=(positions, model.width)).astype(np.float32)
    return Edit(edit_id, own.text, target, model.target_ids(own.text, target), activation, value, codebook.config.epsilon)


def own_weights(model: LanguageModel, codebook: Codebook, prompt: str) -> Any:
    """(tokens,) pooling weights of a prompt."""
    own = model.prompt(prompt)
    return pooling_weights(codebook.config.pool, own.ids, own.start, own.end, codebook.encoder.weights)


def hooks(model: LanguageModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.module.modules())


def assert_not_rerouted(model: LanguageModel) -> None:
    assert all("forward" not in vars(module) for module in model.module.modules())


@torch.inference_mode()
def logits(model: LanguageModel, batch: Batch) -> torch.Tensor:
    """(batch, tokens, vocabulary)."""
    inputs: dict[str, Any] = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if "position_ids" in model.accepts:
        inputs["position_ids"] = batch.positions
    found: torch.Tensor = model.module(**inputs).logits
    return found


def batch_of(model: LanguageModel, texts: Sequence[str], side: str | None = None) -> Batch:
    return Batch.of(model, [model.prompt(text) for text in texts], side)


def own_last(found: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(batch, vocabulary) logits at each row's last prompt token."""
    return torch.stack([found[row, at] for row, at in enumerate(batch.last)])


@torch.inference_mode()
def continued(model: LanguageModel, batch: Batch, use_cache: bool, most: int = 10) -> list[list[int]]:
    """At most so many new tokens of each row up to its end of text, by `module.generate`."""
    out = model.module.generate(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        max_new_tokens=most,
        do_sample=False,
        use_cache=use_cache,
        pad_token_id=model.end_id,
    )
    rows = out[:, batch.ids.shape[1] :].tolist()
    return [row[: row.index(model.end_id)] if model.end_id in row else row for row in rows]
