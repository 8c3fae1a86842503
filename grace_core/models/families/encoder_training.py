"""A value that stands for every token of a prompt in an encoder: learning it, and asking what is said with it in place.

Each token of an encoder sees all others, before and behind it, so there is no part of a prompt that a value leaves alone and
whose keys could be kept. Instead the value goes to all tokens. They are one vector then, so nothing of the prompt is left but
its length, and attention over equal vectors gives the same whatever their number: one token stands for any prompt. That is
the short way; `encoder_check` finds out on which models it holds. Knows no codebook and no optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from grace_core.models.activations import hidden_after
from grace_core.models.batch import Batch
from grace_core.models.families.passes import averaged, labels_of
from grace_core.models.family import Asked, Row
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

TargetLogits = Callable[[LanguageModel, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""A family's whole pass: model, ids and mask (rows, tokens), labels (rows, target) to logits (rows, target, answers)."""


class EncoderBatch:
    """`family.TrainingBatch` of a value that goes everywhere. short: on one token, which stands for any prompt."""

    def __init__(
        self, model: LanguageModel, layer: int, rows: Sequence[Row], passed: TargetLogits, *, head: nn.Module | None, short: bool
    ) -> None:
        """Nothing runs yet. passed: the family's whole pass."""
        self.model, self.layer, self.head = model, layer, head
        self._passed = passed
        self.task_of = torch.tensor([row.task for row in rows], device=model.device)
        self.labels = labels_of(rows).to(model.device)
        self._whole = Batch.of(model, [row.prompt for row in rows], side="right")
        one = [Prompt("", row.prompt.ids[:1], 0, 1) for row in rows]
        self._batch = Batch.of(model, one, side="right") if short else self._whole

    @torch.no_grad()
    def start(self) -> torch.Tensor:
        """(tasks, 1, width) the mean of the prompts' own hidden states, averaged over each task's rows."""
        hidden = hidden_after(self.model, self.layer, self._whole).clone().float()
        mask = self._whole.mask[..., None]
        return averaged((hidden * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True), self.task_of)

    def logits(self, values: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(rows, target, answers) with values (tasks, 1, width) put in; for all rows or for some."""
        chosen = torch.arange(len(self.task_of), device=self.task_of.device) if rows is None else rows
        mask = self._batch.mask[chosen]

        def put(hidden: torch.Tensor) -> torch.Tensor:
            return torch.where(mask[..., None].bool(), values[self.task_of[chosen]].to(hidden.dtype), hidden)

        with block_hooks(self.model, [(self.layer, put)]):
            return self._passed(self.model, self._batch.ids[chosen], mask, self.labels[chosen]).float()


def said(model: LanguageModel, layer: int, asked: Sequence[Asked], passed: TargetLogits) -> list[list[int]]:
    """See `Family.said`. passed: the family's whole pass."""
    batch = Batch.of(model, [a.prompt for a in asked], side="right")
    labels = labels_of([Row(a.prompt, a.target_ids, 0) for a in asked]).to(model.device)
    values = {row: a.value for row, a in enumerate(asked) if a.value is not None}
    with block_hooks(model, [(layer, lambda hidden: replaced(hidden, values, batch.last, batch.offsets))]):
        best = passed(model, batch.ids, batch.mask, labels).argmax(-1).tolist()
    return [row[: len(a.target_ids)] for row, a in zip(best, asked, strict=True)]
