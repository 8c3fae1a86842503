"""Learn values: the vector that makes a frozen model say a target, at one block and the last prompt token.

A value at block L changes nothing below L and nothing before the last prompt token (causal attention). So the prompt's
prefix is run once and its keys and values kept, the target's hidden states after block L are computed once, and each
step runs only the blocks above L on the last prompt token and the target. Knows no codebook.
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


@dataclass(frozen=True)
class Task:
    """One value to learn: it must make the model say `target_ids` after every one of `prompts`."""

    prompts: tuple[Prompt, ...]
    target_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Trained:
    """A learned value (width,) float32. losses: per step, mean over the rows, nats per token. exact: per prompt."""

    value: NDArray[np.float32] = field(repr=False)
    losses: tuple[float, ...]
    exact: tuple[bool, ...]

    @property
    def steps(self) -> int:
        """How often the value was changed."""
        return len(self.losses) - 1


class _Bench:
    """What stays the same over all steps of one batch of tasks.

    Rows are prompts; the prefix (all but the last prompt token) is padded on the left, the suffix (last prompt token
    and target) on the right.
    """

    def __init__(self, model: LanguageModel, layer: int, tasks: Sequence[Task]) -> None:
        self.model, self.layer = model, layer
        rows = [(task, prompt, t) for t, task in enumerate(tasks) for prompt in task.prompts]
        self.task_of = torch.tensor([t for _, _, t in rows], device=model.device)
        prefix = max(len(prompt.ids) - 1 for _, prompt, _ in rows)
        suffix = max(len(task.target_ids) for task, _, _ in rows)
        ids = torch.full((len(rows), prefix + suffix), model.end_id)
        mask = torch.zeros_like(ids)
        labels = torch.full((len(rows), suffix), -100)
        for row, (task, prompt, _) in enumerate(rows):
            start = prefix - (len(prompt.ids) - 1)
            tokens = (*prompt.ids, *task.target_ids[:-1])
            ids[row, start : start + len(tokens)] = torch.tensor(tokens)
            mask[row, start : start + len(tokens)] = 1
            labels[row, : len(task.target_ids)] = torch.tensor(task.target_ids)
        self.prefix = prefix
        self.labels = labels.to(model.device)
        self.counts = (self.labels >= 0).sum(-1)
        self.mask = mask.to(model.device)
        positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
        self.positions = positions[:, prefix:]
        self._run_prefix(ids.to(model.device), positions)

    @torch.inference_mode()
    def _run_prefix(self, ids: torch.Tensor, positions: torch.Tensor) -> None:
        """One ordinary pass: keeps the prefix's keys and values, and the suffix's hidden states after the layer."""
        hidden: list[torch.Tensor] = []
        cache = DynamicCache(config=self.model.module.config)
        inputs: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": self.mask,
            "past_key_values": cache,
            "use_cache": True,
        }
        if "position_ids" in self.model.accepts:
            inputs["position_ids"] = positions
        if "logits_to_keep" in self.model.accepts:
            inputs["logits_to_keep"] = 1
        with block_hooks(self.model, {self.layer: [hidden.append]}, tokens=1):
            self.model.module(**inputs)
        self.states = hidden[0][:, self.prefix :].clone()
        layers: list[Any] = cache.layers
        self.past = [(layer.keys[..., : self.prefix, :].clone(), layer.values[..., : self.prefix, :].clone()) for layer in layers]

    def start(self) -> torch.Tensor:
        """(tasks, width) the warm start: the prompts' own hidden states, averaged over each task's rows."""
        out = torch.zeros(int(self.task_of.max()) + 1, self.states.shape[-1], device=self.states.device)
        out.index_add_(0, self.task_of, self.states[:, 0].clone())
        return out / torch.bincount(self.task_of)[:, None]

    def logits(self, values: torch.Tensor) -> torch.Tensor:
        """(rows, suffix, vocabulary) with values (tasks, width) at the last prompt token."""
        states = torch.cat([values[self.task_of][:, None], self.states[:, 1:]], dim=1)
        cache = DynamicCache(config=self.model.module.config)
        layers: list[Any] = cache.layers
        for layer, (keys, vals) in zip(layers, self.past, strict=True):
            layer.lazy_initialization(keys, vals)
            layer.keys, layer.values = keys, vals
        inputs: dict[str, Any] = {
            "inputs_embeds": states, "attention_mask": self.mask, "past_key_values": cache, "use_cache": True,
        }  # fmt: skip
        if "position_ids" in self.model.accepts:
            inputs["position_ids"] = self.positions
        with _starting_after(self.model, self.layer, states):
            logits: torch.Tensor = self.model.module(**inputs).logits
        return logits


@contextmanager
def _starting_after(model: LanguageModel, layer: int, states: torch.Tensor) -> Iterator[None]:
    """Let a forward pass begin behind `layer` with the given hidden states; mutates the blocks, undone in the end."""

    def passes(block: nn.Module, give: Callable[[torch.Tensor], torch.Tensor]) -> None:
        def forward(hidden_states: torch.Tensor, *_args: Any, **_kwargs: Any) -> Any:
            return give(hidden_states)

        block.forward = forward

    lower = model.blocks[:layer]
    try:
        for block in lower[:-1]:
            passes(block, lambda hidden: hidden)
        passes(lower[-1], lambda _hidden: states)
        yield
    finally:
        for block in lower:
            block.__dict__.pop("forward", None)


def train_values(
    model: LanguageModel,
    config: GraceConfig,
    tasks: Sequence[Task],
    *,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Trained]:
    """Learn one value per task, all tasks as one batch; tasks do not influence each other.

    Args:
        model: its weights stay as they are; its blocks are rerouted while a step runs.
        config: value layer, learning rate, step limit and stop.
        tasks: independent of each other.
        on_step: called with the step number and the mean loss (nats per token) over the tasks still learning.
        cancelled: asked before each step.

    Raises:
        Cancelled: as soon as `cancelled` says so.
    """
    assert config.value_layer is not None
    bench = _Bench(model, config.value_layer, tasks)
    start = bench.start()
    # A step is measured against the hidden state's own size, which differs tenfold between layers and models.
    values = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([values], lr=config.learning_rate)
    done: dict[int, Trained] = {}
    history: list[list[float]] = [[] for _ in tasks]
    for step in range(config.max_steps + 1):
        if cancelled():
            raise Cancelled("The edit was cancelled; nothing was kept.")
        logits = bench.logits(values)
        losses = _row_losses(logits, bench.labels)
        exact = ((logits.detach().argmax(-1) == bench.labels) | (bench.labels < 0)).all(-1)
        worst, mean = torch.zeros(len(tasks)), torch.zeros(len(tasks))
        for t in range(len(tasks)):
            own = losses.detach()[bench.task_of == t]
            worst[t], mean[t] = own.max(), own.mean()
            history[t].append(float(mean[t]))
        on_step(step, float(mean.mean()))
        last = step == config.max_steps
        for t in range(len(tasks)):
            if t in done:
                continue
            own_exact = tuple(bool(e) for e in exact[bench.task_of == t])
            if last or (config.stop_loss and all(own_exact) and worst[t] <= config.stop_loss):
                done[t] = Trained(values.detach()[t].cpu().numpy().copy(), tuple(history[t]), own_exact)
        if len(done) == len(tasks):
            break
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
    return [done[t] for t in range(len(tasks))]


def _row_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(rows,) mean cross entropy over each row's own target tokens."""
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
    return losses.sum(-1) / (labels >= 0).sum(-1)
