"""Functions on the output of a live model's blocks, for the time of a `with` block. Knows no codebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from grace_core.models.language_model import LanguageModel


def replaced(
    hidden: torch.Tensor, values: dict[int, NDArray[np.float32]], last: Sequence[int], first: Sequence[int] | None = None
) -> torch.Tensor | None:
    """A copy of hidden (batch, tokens, width) with the last prompt tokens of the given rows replaced; None where none are.

    values: row to (positions, width). last: index of each row's last prompt token. first: of its first one; where it is given
    a value is one vector, and all of a row's tokens are replaced by it.
    """
    if not values:
        return None
    out = hidden.clone()
    for row, value in values.items():
        begin = first[row] if first is not None else last[row] + 1 - len(value)
        out[row, begin : last[row] + 1] = torch.tensor(value, dtype=hidden.dtype, device=hidden.device)
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


def restore(module: nn.Module, forward: Any) -> None:
    """Give a module back the `forward` it had of its own, or that of its class."""
    if forward is None:
        module.__dict__.pop("forward", None)
    else:
        module.forward = forward


class Enough(Exception):
    """Raised to leave a forward pass once the needed block has run."""
