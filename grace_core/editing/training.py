"""Learn values: the vectors that make a frozen model say a target, at one block and the last prompt tokens.

A value at block L changes nothing below L and nothing before its first position (causal attention). So the prompt's
prefix is run once and its keys and values kept, the target's hidden states after block L are computed once, and each
step runs only the blocks above L, on the value's positions and the target. The vocabulary's softmax is taken over the
tokens that are in the running, refreshed from the whole vocabulary every few steps and for every decision to stop.
Knows no codebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import DynamicCache

from grace_core.config import GraceConfig
from grace_core.errors import Cancelled
from grace_core.models.hooks import Enough, block_hooks
from grace_core.models.load import LanguageModel, Prompt
from grace_core.models.precision import quicker

_ROWS_AT_ONCE = 3
"""Prompts of each task that one step takes."""
_LOOKED_AT_ONCE = 16
"""Rows whose whole-vocabulary logits are held at once."""
_REFRESH = 8
"""Steps between two looks at the whole vocabulary."""
_CANDIDATES = 48
"""Most likely tokens of each position that stay in the running."""
_WORST = 5.0
"""How many times the mean loss at which training stops a single token's may be: in a long target one shaky token is enough."""
_BETAS = (0.8, 0.99)
"""Adam's; a first moment that forgets faster than the usual 0.9 took a tenth fewer steps."""
_DECAY_STEPS, _LOWEST_RATE = 80, 0.15
"""The learning rate falls linearly over so many steps, to this share."""


@dataclass(frozen=True)
class Task:
    """One value to learn: it must make the model say `target_ids` after every one of `prompts`, the first above all."""

    prompts: tuple[Prompt, ...]
    target_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Trained:
    """A learned value (positions, width) float32. losses: per step, mean over the rows, nats per token. exact: per prompt."""

    value: NDArray[np.float32] = field(repr=False)
    losses: tuple[float, ...]
    exact: tuple[bool, ...]

    @property
    def steps(self) -> int:
        """How often the value was changed."""
        return len(self.losses) - 1


class _Bench:
    """What stays the same over all steps of one batch of tasks.

    Rows are prompts. A row is: the tokens that all prompts begin with, padding, the rest of its prefix (all but the
    last `positions` prompt tokens), its suffix (those tokens and the target), padding.
    """

    def __init__(self, model: LanguageModel, layer: int, positions: int, tasks: Sequence[Task]) -> None:
        self.model, self.layer, self.span = model, layer, positions
        rows = [(task, prompt, t) for t, task in enumerate(tasks) for prompt in task.prompts]
        prefixes = [prompt.ids[: len(prompt.ids) - positions] for _, prompt, _ in rows]
        common = next(
            (i for i, tokens in enumerate(zip(*prefixes, strict=False)) if len(set(tokens)) > 1), min(map(len, prefixes))
        )
        self.task_of = torch.tensor([t for _, _, t in rows], device=model.device)
        self.prefix = max(len(prefix) for prefix in prefixes)
        target = max(len(task.target_ids) for task, _, _ in rows)
        ids = torch.full((len(rows), self.prefix + positions - 1 + target), model.end_id)
        mask = torch.zeros_like(ids)
        labels = torch.full((len(rows), target), -100)
        for row, (task, prompt, _) in enumerate(rows):
            tokens = (*prompt.ids, *task.target_ids[:-1])
            start = self.prefix - len(prefixes[row]) + common
            for at, part in ((0, tokens[:common]), (start, tokens[common:])):
                ids[row, at : at + len(part)] = torch.tensor(part)
                mask[row, at : at + len(part)] = 1
            labels[row, : len(task.target_ids)] = torch.tensor(task.target_ids)
        self.labels = labels.to(model.device)
        self.mask = mask.to(model.device)
        self.positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
        self.past: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._run_prefix(ids.to(model.device), common)

    @torch.no_grad()
    def _run_prefix(self, ids: torch.Tensor, common: int) -> None:
        """Keep the prefixes' keys and values, and the suffixes' hidden states after the layer.

        What all prompts begin with (a chat template, mostly) is run once, for all rows.
        """
        if common:
            self._continue(ids[:1], slice(0, common))
            self.past = [(keys.expand(len(ids), -1, -1, -1), values.expand(len(ids), -1, -1, -1)) for keys, values in self.past]
        if self.prefix > common:
            self._continue(ids, slice(common, self.prefix))
        hidden: list[torch.Tensor] = []

        def take(states: torch.Tensor) -> None:
            hidden.append(states)
            raise Enough

        with block_hooks(self.model, [(self.layer, take)]), suppress(Enough):
            self._continue(ids, slice(self.prefix, ids.shape[1]))
        self.states = hidden[0]

    def _continue(self, ids: torch.Tensor, part: slice) -> None:
        """One ordinary pass over some columns, behind what is kept already; keeps their keys and values too."""
        cache = self._cache(self.past)
        inputs: dict[str, Any] = {
            "input_ids": ids[:, part], "attention_mask": self.mask[: len(ids), : part.stop], "past_key_values": cache,
            "use_cache": True,
        }  # fmt: skip
        if "position_ids" in self.model.accepts:
            inputs["position_ids"] = self.positions[: len(ids), part]
        if "logits_to_keep" in self.model.accepts:
            inputs["logits_to_keep"] = 1
        self.model.module(**inputs)
        layers: list[Any] = cache.layers
        self.past = [(layer.keys, layer.values) for layer in layers]

    def _cache(self, past: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> DynamicCache:
        """A new cache that begins with these keys and values, one pair per block; empty where there are none."""
        cache = DynamicCache(config=self.model.module.config)
        layers: list[Any] = cache.layers
        for layer, (keys, values) in zip(layers if past else [], past, strict=True):
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys, values
        return cache

    def start(self) -> torch.Tensor:
        """(tasks, positions, width) the warm start: the prompts' own hidden states, averaged over each task's rows."""
        own = self.states[:, : self.span].float()
        out = own.new_zeros(int(self.task_of.max()) + 1, *own.shape[1:])
        out.index_add_(0, self.task_of, own)
        return out / torch.bincount(self.task_of)[:, None, None]

    def logits(self, values: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(rows, target, vocabulary) with values (tasks, positions, width) put in; for all rows or for some."""
        chosen = torch.arange(len(self.states), device=self.states.device) if rows is None else rows
        values = values.to(self.states.dtype)
        states = torch.cat([values[self.task_of[chosen]], self.states[chosen, self.span :]], dim=1)
        cache = self._cache(self.past if rows is None else [(keys[chosen], vals[chosen]) for keys, vals in self.past])
        inputs: dict[str, Any] = {
            "inputs_embeds": states, "attention_mask": self.mask[chosen], "past_key_values": cache, "use_cache": True,
        }  # fmt: skip
        if "position_ids" in self.model.accepts:
            inputs["position_ids"] = self.positions[chosen, self.prefix :]
        if "logits_to_keep" in self.model.accepts:
            inputs["logits_to_keep"] = self.labels.shape[1]
        with _starting_after(self.model, self.layer, states):
            logits: torch.Tensor = self.model.module(**inputs).logits
        return logits[:, -self.labels.shape[1] :].float()


class _Candidates:
    """Logits of the tokens in the running only: the head is a third of a step's work and most tokens are out of it.

    Each task has candidates of its own, so that tasks in one batch do not influence each other.
    """

    def __init__(self, bench: _Bench) -> None:
        self._bench = bench
        self._head = bench.model.module.get_output_embeddings()
        self._weights: dict[int, torch.Tensor] = {}
        self._labels: dict[int, torch.Tensor] = {}
        weight = getattr(self._head, "weight", None)
        self._usable = weight is not None and getattr(self._head, "bias", None) is None
        self._compared = False

    def losses(self, values: torch.Tensor, rows: torch.Tensor, *, whole: bool) -> torch.Tensor:
        """(rows, target) cross entropy of each target token: over the whole vocabulary, or among the candidates.

        A look at the whole vocabulary chooses the candidates of these rows' tasks anew.
        """
        labels = self._bench.labels[rows]
        if whole or not self._usable:
            logits = self._bench.logits(values, rows)
            if self._usable:
                self._choose(values.detach(), rows, logits.detach())
            return _token_losses(logits, labels)
        hidden = self._hidden(values, rows)
        tasks, out = self._bench.task_of[rows], hidden.new_zeros(labels.shape)
        for task in torch.unique(tasks).tolist():
            own = tasks == task
            places = torch.searchsorted(self._labels[task], labels[own].clamp(min=0))
            logits = hidden[own] @ self._weights[task].T
            out = out.index_put((own.nonzero()[:, 0],), _token_losses(logits, torch.where(labels[own] >= 0, places, -100)))
        return out

    def _choose(self, values: torch.Tensor, rows: torch.Tensor, logits: torch.Tensor) -> None:
        """Each task's candidates: its target's tokens and the likeliest ones at each of its positions here."""
        tasks = self._bench.task_of[rows]
        for task in torch.unique(tasks).tolist():
            own, labels = tasks == task, self._bench.labels[rows][tasks == task]
            top = logits[own][labels >= 0].topk(min(_CANDIDATES, logits.shape[-1]), dim=-1).indices
            ids = torch.unique(torch.cat([top.flatten(), labels[labels >= 0]]))
            self._labels[task], self._weights[task] = ids, self._head.weight[ids].float()
            if not self._compared:
                # Some architectures scale or cap their logits; there the whole head is used.
                with torch.no_grad():
                    through = self._hidden(values, rows[own]) @ self._weights[task].T
                self._usable = bool(torch.allclose(through, logits[own][..., ids], rtol=1e-3, atol=1e-3))
                self._compared = True

    def _hidden(self, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """(rows, target, width) what the head would read."""
        with _as_identity(self._head):
            return self._bench.logits(values, rows)


class _Turns:
    """Which rows of one task take part in a step: those not yet confident, a few at a time, the edited prompt among them.

    Rows of one task pull a value the same way for the most part, so a few of them say as much as all; those whose turn it
    is change from step to step.
    """

    def __init__(self, rows: torch.Tensor) -> None:
        self.rows = rows
        self._waiting = dict.fromkeys(rows.tolist())
        """In the order of their turns; a dictionary is an ordered set."""

    def settle(self, rows: Sequence[int], settled: Sequence[bool]) -> None:
        """Note which rows are confident now; the others go to the end of the queue."""
        for row, is_settled in zip(rows, settled, strict=True):
            self._waiting.pop(row, None)
            if not is_settled:
                self._waiting[row] = None

    def next(self) -> list[int]:
        """At most `_ROWS_AT_ONCE` rows; empty where all are confident."""
        own = int(self.rows[0])
        others = [row for row in self._waiting if row != own]
        if own not in self._waiting:
            return others[:_ROWS_AT_ONCE]
        return [own, *others[: _ROWS_AT_ONCE - 1]]


@contextmanager
def _as_identity(head: Any) -> Iterator[None]:
    """Let the output head pass hidden states through; mutates it, undone in the end."""
    before = head.__dict__.get("forward")
    head.forward = lambda hidden: hidden
    try:
        yield
    finally:
        _restore(head, before)


def _restore(module: nn.Module, forward: Any) -> None:
    """Give a module back the `forward` it had of its own, or that of its class."""
    if forward is None:
        module.__dict__.pop("forward", None)
    else:
        module.forward = forward


@contextmanager
def _starting_after(model: LanguageModel, layer: int, states: torch.Tensor) -> Iterator[None]:
    """Let a forward pass begin behind `layer` with the given hidden states; mutates the blocks, undone in the end."""

    def passes(block: nn.Module, give: Callable[[torch.Tensor], torch.Tensor]) -> None:
        def forward(hidden_states: torch.Tensor, *_args: Any, **_kwargs: Any) -> Any:
            return give(hidden_states)

        block.forward = forward

    lower = model.blocks[:layer]
    before = [block.__dict__.get("forward") for block in lower]
    try:
        for block in lower[:-1]:
            passes(block, lambda hidden: hidden)
        passes(lower[-1], lambda _hidden: states)
        yield
    finally:
        for block, forward in zip(lower, before, strict=True):
            _restore(block, forward)


def value_positions(model: LanguageModel, config: GraceConfig) -> int:
    """How many of the last prompt tokens a value replaces."""
    return max(1, model.tail) if config.span == "tail" else 1


def train_values(
    model: LanguageModel,
    config: GraceConfig,
    tasks: Sequence[Task],
    *,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Trained]:
    """Learn one value per task, all tasks as one batch; tasks do not influence each other.

    Each step takes a few of a task's rows. Once all of them are confident the whole vocabulary is asked about all of
    them; those that fail take their turns again.

    Args:
        model: its weights stay as they are; the blocks of it (or of its `precision.quicker` twin) are rerouted while a step runs.
        config: value layer and span, learning rate, step limit and stop.
        tasks: independent of each other.
        on_step: called with the step number and the mean loss (nats per token) over the tasks still learning.
        cancelled: asked before each step.

    Raises:
        Cancelled: as soon as `cancelled` says so.
    """
    assert config.value_layer is not None  # a codebook's config is resolved
    bench = _Bench(quicker(model), config.value_layer, value_positions(model, config), tasks)
    start = bench.start()
    values = [row.clone().requires_grad_(True) for row in start]
    # Hidden states differ tenfold in size between layers and models; a step is measured against their own.
    rates = [config.learning_rate * float(row.square().mean().sqrt()) for row in start]
    optimizer = torch.optim.Adam([{"params": [v], "lr": rate} for v, rate in zip(values, rates, strict=True)], betas=_BETAS)
    candidates = _Candidates(bench)
    turns = [_Turns(torch.nonzero(bench.task_of == t)[:, 0]) for t in range(len(tasks))]
    losses = torch.full((len(bench.task_of),), torch.nan, device=model.device)
    history: list[list[float]] = [[] for _ in tasks]
    done: dict[int, Trained] = {}
    for step in range(config.max_steps + 1):
        if cancelled():
            raise Cancelled("The edit was cancelled; nothing was kept.")
        last = step == config.max_steps
        for t in (t for t in range(len(tasks)) if t not in done and (last or not turns[t].next())):
            now, exact, settled = _look(bench, values[t], turns[t].rows, t, config.stop_loss)
            turns[t].settle(turns[t].rows.tolist(), settled.tolist())
            losses[turns[t].rows] = now
            if last or bool(settled.all()):
                history[t].append(float(now.mean()))
                value = values[t].detach().cpu().numpy().copy()
                done[t] = Trained(value, tuple(history[t]), tuple(bool(e) for e in exact))
                values[t].grad = None  # Adam skips it; a finished value must not drift on old momentum
        learning = [t for t in range(len(tasks)) if t not in done]
        if not learning:
            on_step(step, float(losses.nanmean()))
            break
        rows = torch.tensor([row for t in learning for row in turns[t].next()], device=model.device)
        optimizer.zero_grad()
        each = candidates.losses(torch.stack(values), rows, whole=step % _REFRESH == 0)
        now = each.sum(-1) / (bench.labels[rows] >= 0).sum(-1)
        now.sum().backward()
        losses[rows] = now.detach()
        confident = (losses[rows] <= config.stop_loss) & (each.detach().amax(-1) <= _WORST * config.stop_loss)
        for t in learning:
            history[t].append(float(losses[turns[t].rows].nanmean()))
            of_task = bench.task_of[rows] == t
            turns[t].settle(rows[of_task].tolist(), confident[of_task].tolist())
        on_step(step, float(torch.cat([losses[turns[t].rows] for t in learning]).nanmean()))
        for t, (group, rate) in enumerate(zip(optimizer.param_groups, rates, strict=True)):
            group["lr"] = rate * max(_LOWEST_RATE, 1.0 - step / _DECAY_STEPS)
            if t in done:
                values[t].grad = None
        optimizer.step()
    return [done[t] for t in range(len(tasks))]


@torch.no_grad()
def _look(
    bench: _Bench, value: torch.Tensor, rows: torch.Tensor, task: int, stop_loss: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One task's rows: their losses, and whether each decodes exactly and is confident, over the whole vocabulary."""
    values = value.detach()[None].expand(task + 1, -1, -1)
    losses, exact, settled = [], [], []
    for some in rows.split(_LOOKED_AT_ONCE):
        logits, labels = bench.logits(values, some), bench.labels[some]
        each = _token_losses(logits, labels)
        losses.append(each.sum(-1) / (labels >= 0).sum(-1))
        exact.append(((logits.argmax(-1) == labels) | (labels < 0)).all(-1))
        settled.append(exact[-1] & (losses[-1] <= stop_loss) & (each.amax(-1) <= _WORST * stop_loss))
    return torch.cat(losses), torch.cat(exact), torch.cat(settled)


def _token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(rows, target) cross entropy of each target token; 0 behind a row's target."""
    return nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
