"""Ways to run a model past `grace_core`: plain logits, transformers' own generate, and whether it is left as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from grace_core.models.batch import Batch
from grace_core.models.language_model import LanguageModel


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
def continued(model: LanguageModel, batch: Batch, use_cache: bool) -> list[list[int]]:
    """New tokens of each row up to its end of text, by `module.generate`."""
    out = model.module.generate(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        max_new_tokens=10,
        do_sample=False,
        use_cache=use_cache,
        pad_token_id=model.end_id,
    )
    rows = out[:, batch.ids.shape[1] :].tolist()
    return [row[: row.index(model.end_id)] if model.end_id in row else row for row in rows]
