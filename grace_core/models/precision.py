"""A twin of the model in bfloat16 to learn values on, where this processor multiplies bfloat16 faster.

Learning a value takes hundreds of passes whose rounding does not matter: a confident answer has nats to spare. Queries,
answers and every check of an edit stay with the model as it is. Measured here: a step takes about half the time.
"""

from __future__ import annotations

import copy
import time
from functools import lru_cache
from typing import cast
from weakref import WeakKeyDictionary

import torch
from torch import nn

from grace_core.models.load import LanguageModel

_SMALL = 20_000_000
"""Parameters below which a step is so short that its kind of number does not show."""
_WORTH = 1.3
"""How much faster a product of matrices must be."""
_twins: WeakKeyDictionary[LanguageModel, LanguageModel] = WeakKeyDictionary()


def quicker(model: LanguageModel) -> LanguageModel:
    """The model to learn values on: its bfloat16 twin (half its memory more, made once), or the model itself."""
    parameters = list(model.module.parameters())
    usual = all(p.dtype == torch.float32 and p.device.type == "cpu" for p in parameters)
    if not usual or sum(p.numel() for p in parameters) < _SMALL or not _bfloat16_pays():
        return model
    if model not in _twins:
        _twins[model] = _twin(model)
    return _twins[model]


def _twin(model: LanguageModel) -> LanguageModel:
    module = copy.deepcopy(model.module).to(torch.bfloat16)
    head = model.module.get_output_embeddings()
    if isinstance(head, nn.Linear):
        # A logit of 20 is rounded to eighths in bfloat16; the head stays as it is, and is shared.
        module.set_output_embeddings(cast(nn.Module, _Head(head)))
    # The fused attention's backward pass is slow in bfloat16 (a third of a step); plain products of matrices are not.
    module.set_attn_implementation("eager")
    return LanguageModel(model.name, module, model.tokenizer)


class _Head(nn.Module):
    """Another module's weights, read in their own precision."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = head.weight, head.bias

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias)


@lru_cache(maxsize=1)
def _bfloat16_pays() -> bool:
    """Measure one product of matrices both ways: what the processor says it has is not always what is fast."""
    rows, weights = torch.randn(128, 1024), torch.randn(1024, 1024)
    return _fastest(rows, weights) > _WORTH * _fastest(rows.bfloat16(), weights.bfloat16())


def _fastest(a: torch.Tensor, b: torch.Tensor) -> float:
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        a @ b
        spent.append(time.perf_counter() - began)
    return min(spent)
