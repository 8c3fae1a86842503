"""Prompts of different lengths as one tensor. Knows no model but the few facts that padding needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import torch

from grace_core.models.prompts import Prompt

Side: TypeAlias = Literal["left", "right"]


class Padding(Protocol):
    """What padding is made of, and where."""

    @property
    def end_id(self) -> int:
        """A token id that fills a row up."""
        ...

    @property
    def side(self) -> Side:
        """On which side, where nothing else is said."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the tensors go."""
        ...


@dataclass(frozen=True)
class Batch:
    """Prompts of different lengths as one tensor. ids, mask: (batch, tokens). offsets: where each row's prompt begins."""

    prompts: tuple[Prompt, ...]
    ids: torch.Tensor
    mask: torch.Tensor
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, model: Padding, prompts: Sequence[Prompt], side: str | None = None) -> Batch:
        """Pad to the longest prompt, on the left (to decode from) or on the right."""
        side = side or model.side
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
