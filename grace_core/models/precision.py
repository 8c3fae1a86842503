"""A twin of the model in bfloat16 to learn values on, where this processor multiplies bfloat16 in hardware.

Learning a value takes hundreds of passes whose rounding does not matter: a confident answer has nats to spare. Queries,
answers and every check of an edit stay with the model as it is. Measured on such a processor: a step takes about half
the time. The choice depends on the model, the processor and `LanguageModel.learn_in` alone, never on the load of the
machine, and each `Trained` says which it was.
"""

from __future__ import annotations

import copy
from typing import Literal, cast

import torch
from torch import nn
from transformers import PreTrainedModel

from grace_core.models.language_model import LanguageModel

Arithmetic = Literal["float32", "bfloat16"]
_SMALL = 20_000_000
"""Parameters below which a step is so short that its kind of number does not show."""


def arithmetic_of(model: LanguageModel) -> Arithmetic:
    """The kind of number that values of this model are learned in here."""
    if model.learn_in != "auto":
        return model.learn_in
    usual = all(p.dtype == torch.float32 and p.device.type == "cpu" for p in model.module.parameters())
    return "bfloat16" if usual and model.parameters >= _SMALL and _in_hardware() else "float32"


def quicker(model: LanguageModel) -> LanguageModel:
    """The model to learn values on: its bfloat16 twin (half its memory more, made once), or the model itself."""
    if arithmetic_of(model) == "float32":
        return model
    if model.found.twin is None:
        model.found.twin = _twin(model.module)
    return model.with_module(model.found.twin)


def _twin(module: PreTrainedModel) -> PreTrainedModel:
    twin = copy.deepcopy(module)
    nn.Module.to(twin, torch.bfloat16)
    head = module.get_output_embeddings()
    if isinstance(head, nn.Linear):
        # A logit of 20 is rounded to eighths in bfloat16; the head stays as it is, and is shared.
        twin.set_output_embeddings(cast(nn.Module, _Head(head)))
    # The fused attention's backward pass is slow in bfloat16 (a third of a step); plain products of matrices are not.
    twin.set_attn_implementation("eager")
    return twin


class _Head(nn.Module):
    """Another module's weights, read in their own precision."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = head.weight, head.bias

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias)


def _in_hardware() -> bool:
    """Whether this processor has instructions for products in bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
