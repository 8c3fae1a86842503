"""Many passes over the same prompts and targets with a value put in, for learning it; the short way and the long way.

A value after block L changes nothing below L and nothing before its first position (causal attention). So on the short
way the prompts' prefixes are run once and their keys and values kept, the targets' hidden states after block L are
computed once, and each step runs only the blocks above L, on the value's positions and the target. The long way is an
ordinary pass over all tokens, the value put in by a hook. Knows no codebook and no optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn

from grace_core.models.batch import Batch
from grace_core.models.families.passes import Past, averaged, cache_of, kept, labels_of, run
from grace_core.models.family import Row
from grace_core.models.hooks import Enough, block_hooks, restore
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt


class ShortBatch:
    """`family.TrainingBatch` with the blocks above the value alone.

    A row is: the tokens that all prompts begin with, padding, the rest of its prefix (all but the last `positions` prompt
    tokens), its suffix (those tokens and the target), padding.
    """

    def __init__(self, model: LanguageModel, layer: int, positions: int, rows: Sequence[Row]) -> None:
        """Run the prefixes, and the suffixes up to `layer`."""
        self.model, self.layer, self.span, self.head = model, layer, positions, model.head
        self.task_of = torch.tensor([row.task for row in rows], device=model.device)
        self.labels = labels_of(rows).to(model.device)
        prefixes = [row.prompt.ids[: len(row.prompt.ids) - positions] for row in rows]
        self.prefix = max(len(prefix) for prefix in prefixes)
        columns = self.prefix + positions - 1 + self.labels.shape[1]
        common = next(
            (i for i, tokens in enumerate(zip(*prefixes, strict=False)) if len(set(tokens)) > 1), min(map(len, prefixes))
        )
        if model.window is not None and columns > model.window and len(set(map(len, prefixes))) > 1:
            # A block that looks back so many columns would count the padding between the two parts of a prefix.
            common = 0
        ids = torch.full((len(rows), columns), model.end_id)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            tokens = (*row.prompt.ids, *row.target_ids[:-1])
            start = self.prefix - len(prefixes[i]) + common
            for at, part in ((0, tokens[:common]), (start, tokens[common:])):
                ids[i, at : at + len(part)] = torch.tensor(part)
                mask[i, at : at + len(part)] = 1
        self.ids, self.mask = ids.to(model.device), mask.to(model.device)
        self.positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
        self.past: Past = []
        self._run_prefix(common)

    @torch.no_grad()
    def _run_prefix(self, common: int) -> None:
        """Keep the prefixes' keys and values, and the suffixes' hidden states after the layer.

        What all prompts begin with (a chat template, mostly) is run once, for all rows.
        """
        rows = len(self.ids)
        if common:
            self.past = self._behind(slice(0, common), 1)
            self.past = [(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)) for keys, values in self.past]
        if self.prefix > common:
            self.past = self._behind(slice(common, self.prefix), rows)
        hidden: list[torch.Tensor] = []

        def take(states: torch.Tensor) -> None:
            hidden.append(states)
            raise Enough

        with _outputs(self.model.blocks[: self.layer]) as forms, block_hooks(self.model, [(self.layer, take)]), suppress(Enough):
            self._behind(slice(self.prefix, self.ids.shape[1]), rows)
        self._forms = forms
        self.states = hidden[0]

    def _behind(self, part: slice, rows: int) -> Past:
        """One ordinary pass over some columns of the first rows, behind what is kept already."""
        return kept(self.model, self.ids[:rows, part], self.mask[:rows, : part.stop], self.positions[:rows, part], self.past)

    def start(self) -> torch.Tensor:
        """(tasks, positions, width) the prompts' own hidden states, averaged over each task's rows."""
        return averaged(self.states[:, : self.span], self.task_of)

    def logits(self, values: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(rows, target, vocabulary) with values (tasks, positions, width) put in; for all rows or for some."""
        chosen = torch.arange(len(self.states), device=self.states.device) if rows is None else rows
        values = values.to(self.states.dtype)
        states = torch.cat([values[self.task_of[chosen]], self.states[chosen, self.span :]], dim=1)
        past = self.past if rows is None else [(keys[chosen], vals[chosen]) for keys, vals in self.past]
        suffix, target = slice(self.prefix, None), self.labels.shape[1]
        with _starting_after(self.model, self._forms, states):
            found = run(
                self.model, self.ids[chosen, suffix], self.mask[chosen], self.positions[chosen, suffix],
                cache=cache_of(past), keep=target,
            )  # fmt: skip
        return found[:, -target:].float()


class LongBatch:
    """`family.TrainingBatch` by whole passes, for models on which nothing may be left out. Padded on the right."""

    def __init__(self, model: LanguageModel, layer: int, positions: int, rows: Sequence[Row]) -> None:
        """Nothing runs yet."""
        self.model, self.layer, self.span, self.head = model, layer, positions, model.head
        self.task_of = torch.tensor([row.task for row in rows], device=model.device)
        self.labels = labels_of(rows).to(model.device)
        whole = [Prompt("", (*row.prompt.ids, *row.target_ids[:-1]), row.prompt.start, row.prompt.end) for row in rows]
        self.batch = Batch.of(model, whole, side="right")
        self.last = torch.tensor([len(row.prompt.ids) - 1 for row in rows], device=model.device)

    @torch.no_grad()
    def start(self) -> torch.Tensor:
        """(tasks, positions, width) the prompts' own hidden states, averaged over each task's rows."""
        hidden: list[torch.Tensor] = []

        def take(states: torch.Tensor) -> None:
            hidden.append(states)
            raise Enough

        with block_hooks(self.model, [(self.layer, take)]), suppress(Enough):
            run(self.model, self.batch.ids, self.batch.mask, self.batch.positions, keep=1)
        every = torch.arange(len(self.last), device=self.last.device)
        return averaged(hidden[0][every[:, None], self._places(every)], self.task_of)

    def logits(self, values: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(rows, target, vocabulary) with values (tasks, positions, width) put in; for all rows or for some."""
        chosen = torch.arange(len(self.last), device=self.last.device) if rows is None else rows
        which = torch.arange(len(chosen), device=self.last.device)[:, None]

        def put(hidden: torch.Tensor) -> torch.Tensor:
            return hidden.index_put((which, self._places(chosen)), values[self.task_of[chosen]].to(hidden.dtype))

        with block_hooks(self.model, [(self.layer, put)]):
            found = run(self.model, self.batch.ids[chosen], self.batch.mask[chosen], self.batch.positions[chosen])
        # Of rows that are shorter than others, places behind the end are masked by their labels.
        at = self.last[chosen, None] + torch.arange(self.labels.shape[1], device=self.last.device)
        return found[which, at.clamp(max=found.shape[1] - 1)].float()

    def _places(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, positions) where a row's value goes."""
        return self.last[rows, None] + torch.arange(1 - self.span, 1, device=self.last.device)


@contextmanager
def _outputs(blocks: Sequence[nn.Module]) -> Iterator[list[int]]:
    """How many things each block gives back as a tuple that begins with its hidden states; 0: these alone, as a tensor."""
    forms = [0] * len(blocks)

    def look(at: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            forms[at] = len(output) if isinstance(output, tuple) else 0

        return hook

    handles = [block.register_forward_hook(look(at)) for at, block in enumerate(blocks)]
    try:
        yield forms
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _starting_after(model: LanguageModel, forms: Sequence[int], states: torch.Tensor) -> Iterator[None]:
    """Let a forward pass begin behind the lowest blocks with the given hidden states; mutates them, undone in the end.

    forms: of the lowest blocks' outputs, as `_outputs` finds them.
    """

    def passes(block: nn.Module, form: int, give: Callable[[torch.Tensor], torch.Tensor]) -> None:
        def forward(hidden_states: torch.Tensor, *_args: Any, **_kwargs: Any) -> Any:
            return (give(hidden_states), *[None] * (form - 1)) if form else give(hidden_states)

        block.forward = forward

    lower = model.blocks[: len(forms)]
    before = [block.__dict__.get("forward") for block in lower]
    try:
        for block, form in zip(lower[:-1], forms, strict=False):
            passes(block, form, lambda hidden: hidden)
        passes(lower[-1], forms[-1], lambda _hidden: states)
        yield
    finally:
        for block, forward in zip(lower, before, strict=True):
            restore(block, forward)
