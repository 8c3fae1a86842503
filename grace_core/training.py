"""Learn values: the vectors that make a frozen model say a target, at one block and the last prompt tokens.

A value at block L changes nothing below L and nothing before its first position (causal attention). So the prompt's
prefix is run once and its keys and values kept, the target's hidden states after block L are computed once, and each
step runs only the blocks above L, on the value's positions and the target. The vocabulary's softmax is taken over the
tokens that are in the running, refreshed from the whole vocabulary every few steps and for every decision to stop.
Knows no codebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import DynamicCache

from grace_core.adapter import block_hooks
from grace_core.config import GraceConfig
from grace_core.errors import Cancelled
from grace_core.models import LanguageModel, Prompt

_REFRESH = 8
"""Steps between two looks at the whole vocabulary and at all rows."""
_CANDIDATES = 48
"""Most likely tokens of each position that stay in the running."""
_WORST = 5.0
"""How many times the mean loss at which training stops a single token's may be: in a long target one shaky token is enough."""
_DECAY_STEPS, _LOWEST_RATE = 80, 0.15
"""The learning rate falls linearly over so many steps, to this share."""


@dataclass(frozen=True)
class Task:
    """One value to learn: it must make the model say `target_ids` after every one of `prompts`."""

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

    Rows are prompts; the prefix (all but the last `positions` prompt tokens) is padded on the left, the suffix (those
    tokens and the target) on the right.
    """

    def __init__(self, model: LanguageModel, layer: int, positions: int, tasks: Sequence[Task]) -> None:
        self.model, self.layer, self.span = model, layer, positions
        rows = [(task, prompt, t) for t, task in enumerate(tasks) for prompt in task.prompts]
        self.task_of = torch.tensor([t for _, _, t in rows], device=model.device)
        self.prefix = max(len(prompt.ids) - positions for _, prompt, _ in rows)
        target = max(len(task.target_ids) for task, _, _ in rows)
        ids = torch.full((len(rows), self.prefix + positions - 1 + target), model.end_id)
        mask = torch.zeros_like(ids)
        labels = torch.full((len(rows), target), -100)
        for row, (task, prompt, _) in enumerate(rows):
            start = self.prefix - (len(prompt.ids) - positions)
            tokens = (*prompt.ids, *task.target_ids[:-1])
            ids[row, start : start + len(tokens)] = torch.tensor(tokens)
            mask[row, start : start + len(tokens)] = 1
            labels[row, : len(task.target_ids)] = torch.tensor(task.target_ids)
        self.labels = labels.to(model.device)
        self.mask = mask.to(model.device)
        self.positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
        self._run_prefix(ids.to(model.device))

    @torch.inference_mode()
    def _run_prefix(self, ids: torch.Tensor) -> None:
        """One ordinary pass: keeps the prefix's keys and values, and the suffix's hidden states after the layer."""
        hidden: list[torch.Tensor] = []
        cache = DynamicCache(config=self.model.module.config)
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": self.mask, "past_key_values": cache, "use_cache": True}
        if "position_ids" in self.model.accepts:
            inputs["position_ids"] = self.positions
        if "logits_to_keep" in self.model.accepts:
            inputs["logits_to_keep"] = 1
        with block_hooks(self.model, [(self.layer, hidden.append)]):
            self.model.module(**inputs)
        self.states = hidden[0][:, self.prefix :].clone()
        layers: list[Any] = cache.layers
        self.past = [(layer.keys[..., : self.prefix, :].clone(), layer.values[..., : self.prefix, :].clone()) for layer in layers]

    def start(self) -> torch.Tensor:
        """(tasks, positions, width) the warm start: the prompts' own hidden states, averaged over each task's rows."""
        own = self.states[:, : self.span].clone()
        out = own.new_zeros(int(self.task_of.max()) + 1, *own.shape[1:])
        out.index_add_(0, self.task_of, own)
        return out / torch.bincount(self.task_of)[:, None, None]

    def logits(self, values: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(rows, target, vocabulary) with values (tasks, positions, width) put in; for all rows or for some."""
        chosen = torch.arange(len(self.states), device=self.states.device) if rows is None else rows
        states = torch.cat([values[self.task_of[chosen]], self.states[chosen, self.span :]], dim=1)
        cache = DynamicCache(config=self.model.module.config)
        layers: list[Any] = cache.layers
        for layer, (keys, vals) in zip(layers, self.past, strict=True):
            layer.lazy_initialization(keys, vals)
            layer.keys, layer.values = (keys, vals) if rows is None else (keys[chosen], vals[chosen])
        inputs: dict[str, Any] = {
            "inputs_embeds": states, "attention_mask": self.mask[chosen], "past_key_values": cache, "use_cache": True,
        }  # fmt: skip
        if "position_ids" in self.model.accepts:
            inputs["position_ids"] = self.positions[chosen, self.prefix :]
        if "logits_to_keep" in self.model.accepts:
            inputs["logits_to_keep"] = self.labels.shape[1]
        with _starting_after(self.model, self.layer, states):
            logits: torch.Tensor = self.model.module(**inputs).logits
        return logits[:, -self.labels.shape[1] :]


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

    def refresh(self, task: int, rows: torch.Tensor, logits: torch.Tensor, values: torch.Tensor) -> None:
        """Choose one task's candidates anew from whole logits (its rows, target, vocabulary)."""
        labels = self._bench.labels[rows]
        top = logits[labels >= 0].topk(min(_CANDIDATES, logits.shape[-1]), dim=-1).indices
        ids = torch.unique(torch.cat([top.flatten(), labels[labels >= 0]]))
        self._labels[task] = torch.where(labels >= 0, torch.searchsorted(ids, labels.clamp(min=0)), labels)
        if self._usable:
            self._weights[task] = self._head.weight[ids]
        if self._usable and not self._compared:
            # Some architectures scale or cap their logits; there the whole head is used.
            with torch.no_grad():
                own = self._hidden(values, rows) @ self._weights[task].T
            self._usable = bool(torch.allclose(own, logits[..., ids], rtol=1e-3, atol=1e-3))
            self._compared = True

    def losses(self, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """(rows, target) cross entropy of each target token among the candidates."""
        if not self._usable:
            return _token_losses(self._bench.logits(values, rows), self._bench.labels[rows])
        hidden = self._hidden(values, rows)
        out = []
        for task in torch.unique(self._bench.task_of[rows]).tolist():
            own = self._bench.task_of[rows] == task
            of_task = torch.nonzero(self._bench.task_of == task)[:, 0]
            labels = self._labels[task][torch.searchsorted(of_task, rows[own])]
            out.append(_token_losses(hidden[own] @ self._weights[task].T, labels))
        return torch.cat(out)

    def _hidden(self, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """(rows, target, width) what the head would read."""
        with _as_identity(self._head):
            return self._bench.logits(values, rows)


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

    Rows that are confident already take no part in a step, until the next look at all of them.

    Args:
        model: its weights stay as they are; its blocks are rerouted while a step runs.
        config: value layer and span, learning rate, step limit and stop.
        tasks: independent of each other.
        on_step: called with the step number and the mean loss (nats per token) over the tasks still learning.
        cancelled: asked before each step.

    Raises:
        Cancelled: as soon as `cancelled` says so.
    """
    assert config.value_layer is not None  # a codebook's config is resolved
    bench = _Bench(model, config.value_layer, value_positions(model, config), tasks)
    start = bench.start()
    values = [row.clone().requires_grad_(True) for row in start]
    # Hidden states differ tenfold in size between layers and models; a step is measured against their own.
    rates = [config.learning_rate * float(row.square().mean().sqrt()) for row in start]
    optimizer = torch.optim.Adam([{"params": [v], "lr": rate} for v, rate in zip(values, rates, strict=True)], betas=(0.9, 0.99))
    candidates = _Candidates(bench)
    rows_of = [torch.nonzero(bench.task_of == t)[:, 0] for t in range(len(tasks))]
    losses = torch.full((len(bench.task_of),), torch.inf, device=model.device)
    waiting = torch.ones(len(bench.task_of), dtype=torch.bool, device=model.device)
    history: list[list[float]] = [[] for _ in tasks]
    done: dict[int, Trained] = {}
    for step in range(config.max_steps + 1):
        if cancelled():
            raise Cancelled("The edit was cancelled; nothing was kept.")
        last = step == config.max_steps
        learning = [t for t in range(len(tasks)) if t not in done]
        due = [t for t in learning if last or step % _REFRESH == 0 or not bool(waiting[rows_of[t]].any())]
        if due:
            for t, found in zip(due, _look(bench, values, rows_of, due, candidates, config.stop_loss), strict=True):
                losses[rows_of[t]], exact, settled = found
                waiting[rows_of[t]] = ~settled
                if last or bool(settled.all()):
                    history[t].append(float(losses[rows_of[t]].mean()))
                    value = values[t].detach().cpu().numpy().copy()
                    done[t] = Trained(value, tuple(history[t]), tuple(bool(e) for e in exact))
            learning = [t for t in learning if t not in done]
            if not learning:
                on_step(step, float(losses.mean()))
                break
        rows = torch.cat([rows_of[t][waiting[rows_of[t]]] for t in learning])
        optimizer.zero_grad()
        each = candidates.losses(torch.stack(values), rows)
        now = each.sum(-1) / (bench.labels[rows] >= 0).sum(-1)
        now.sum().backward()
        losses[rows] = now.detach()
        for t in learning:
            history[t].append(float(losses[rows_of[t]].mean()))
        on_step(step, float(torch.cat([losses[rows_of[t]] for t in learning]).mean()))
        for t, (group, rate) in enumerate(zip(optimizer.param_groups, rates, strict=True)):
            group["lr"] = rate * max(_LOWEST_RATE, 1.0 - step / _DECAY_STEPS)
            if t in done:
                values[t].grad = None  # Adam skips it; a finished value must not drift on old momentum
        optimizer.step()
        waiting[rows] = ~((losses[rows] <= config.stop_loss) & (each.detach().amax(-1) <= _WORST * config.stop_loss))
    return [done[t] for t in range(len(tasks))]


@torch.no_grad()
def _look(
    bench: _Bench, values: Sequence[torch.Tensor], rows_of: Sequence[torch.Tensor], due: Sequence[int],
    candidates: _Candidates, stop_loss: float,
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:  # fmt: skip
    """For each due task its rows' losses, and whether each decodes exactly and is confident: from the whole vocabulary."""
    stacked = torch.stack([value.detach() for value in values])
    rows = torch.cat([rows_of[t] for t in due])
    logits = bench.logits(stacked, rows)
    labels = bench.labels[rows]
    each = _token_losses(logits, labels)
    losses = each.sum(-1) / (labels >= 0).sum(-1)
    exact = ((logits.argmax(-1) == labels) | (labels < 0)).all(-1)
    settled = exact & (losses <= stop_loss) & (each.amax(-1) <= _WORST * stop_loss)
    out, at = [], 0
    for t in due:
        here = slice(at, at + len(rows_of[t]))
        candidates.refresh(t, rows_of[t], logits[here], stacked)
        out.append((losses[here], exact[here], settled[here]))
        at += len(rows_of[t])
    return out


def _token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(rows, target) cross entropy of each target token; 0 behind a row's target."""
    return nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
