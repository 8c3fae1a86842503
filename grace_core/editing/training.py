"""Learn values: the vectors that make a frozen model say a target, at one block and the last prompt tokens.

The model's family runs the passes, by the short way where there is one. The vocabulary's softmax is taken over the tokens
that are in the running, refreshed from the whole vocabulary every few steps and for every decision to stop.
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

from grace_core.config import GraceConfig
from grace_core.errors import Cancelled
from grace_core.models.family import Row, TrainingBatch
from grace_core.models.hooks import restore
from grace_core.models.language_model import LanguageModel
from grace_core.models.precision import Arithmetic, arithmetic_of, quicker
from grace_core.models.prompts import Prompt

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
    """A learned value (positions, width) float32.

    losses: per step, mean over the rows, nats per token. exact: per prompt. arithmetic: the kind of number it was learned in.
    """

    value: NDArray[np.float32] = field(repr=False)
    losses: tuple[float, ...]
    exact: tuple[bool, ...]
    arithmetic: Arithmetic

    @property
    def steps(self) -> int:
        """How often the value was changed."""
        return len(self.losses) - 1


class _Candidates:
    """Logits of the tokens in the running only: the head is a third of a step's work and most tokens are out of it.

    Each task has candidates of its own, so that tasks in one batch do not influence each other.
    """

    def __init__(self, batch: TrainingBatch) -> None:
        self._batch = batch
        self._head: Any = batch.head
        self._weights: dict[int, torch.Tensor] = {}
        self._labels: dict[int, torch.Tensor] = {}
        weight = getattr(self._head, "weight", None)
        self._usable = weight is not None and getattr(self._head, "bias", None) is None
        self._compared = False

    def losses(self, values: torch.Tensor, rows: torch.Tensor, *, whole: bool) -> torch.Tensor:
        """(rows, target) cross entropy of each target token: over the whole vocabulary, or among the candidates.

        A look at the whole vocabulary chooses the candidates of these rows' tasks anew.
        """
        labels = self._batch.labels[rows]
        if whole or not self._usable:
            logits = self._batch.logits(values, rows)
            if self._usable:
                self._choose(values.detach(), rows, logits.detach())
            return _token_losses(logits, labels)
        hidden = self._hidden(values, rows)
        tasks, out = self._batch.task_of[rows], hidden.new_zeros(labels.shape)
        for task in torch.unique(tasks).tolist():
            own = tasks == task
            places = torch.searchsorted(self._labels[task], labels[own].clamp(min=0))
            logits = hidden[own] @ self._weights[task].T
            out = out.index_put((own.nonzero()[:, 0],), _token_losses(logits, torch.where(labels[own] >= 0, places, -100)))
        return out

    def _choose(self, values: torch.Tensor, rows: torch.Tensor, logits: torch.Tensor) -> None:
        """Each task's candidates: its target's tokens and the likeliest ones at each of its positions here."""
        tasks = self._batch.task_of[rows]
        for task in torch.unique(tasks).tolist():
            own, labels = tasks == task, self._batch.labels[rows][tasks == task]
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
            return self._batch.logits(values, rows)


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
        restore(head, before)


class _Learner:
    """One task while its value is learned. rows: of the batch; they follow each other."""

    def __init__(self, task: int, rows: torch.Tensor, start: torch.Tensor, config: GraceConfig) -> None:
        self.task, self.rows, self._config = task, rows, config
        self.value = start.clone().requires_grad_(True)
        # Hidden states differ tenfold in size between layers and models; a step is measured against their own.
        self.rate = config.learning_rate * float(start.square().mean().sqrt())
        self.turns = _Turns(rows)
        self.losses = torch.full((len(rows),), torch.nan, device=rows.device)
        self.history: list[float] = []
        self.exact: tuple[bool, ...] | None = None
        """Per row, once learning has ended."""

    @property
    def present(self) -> torch.Tensor:
        """The value; a finished one gets no gradient, so that it does not drift on old momentum."""
        return self.value if self.exact is None else self.value.detach()

    @torch.no_grad()
    def look(self, batch: TrainingBatch, *, last: bool) -> None:
        """Ask the whole vocabulary about all rows; learning ends where all are confident, or this was the last look."""
        values = self.value.detach()[None].expand(self.task + 1, -1, -1)
        exact, settled = [], []
        for some in self.rows.split(_LOOKED_AT_ONCE):
            logits, labels = batch.logits(values, some), batch.labels[some]
            each = _token_losses(logits, labels)
            exact.append(((logits.argmax(-1) == labels) | (labels < 0)).all(-1))
            settled.append(exact[-1] & self._note(some, each, labels))
        whole = torch.cat(settled).tolist()
        self.turns.settle(self.rows.tolist(), whole)
        if last or all(whole):
            self.history.append(float(self.losses.mean()))
            self.exact = tuple(torch.cat(exact).tolist())

    def step(self, rows: torch.Tensor, each: torch.Tensor, labels: torch.Tensor) -> None:
        """Note what one step found of some rows. each: (rows, target) losses."""
        confident = self._note(rows, each, labels)
        self.history.append(float(self.losses.nanmean()))
        self.turns.settle(rows.tolist(), confident.tolist())

    def _note(self, rows: torch.Tensor, each: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Keep these rows' mean losses; (rows,) whether each is low enough to stop, in the mean and at its worst token."""
        mean, stop = each.sum(-1) / (labels >= 0).sum(-1), self._config.stop_loss
        self.losses[rows - self.rows[0]] = mean
        return (mean <= stop) & (each.amax(-1) <= _WORST * stop)


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
    learning_model = quicker(model)
    rows = [Row(prompt, task.target_ids, t) for t, task in enumerate(tasks) for prompt in task.prompts]
    batch = model.family.training_batch(learning_model, config.value_layer, value_positions(model, config), rows)
    learners = [_Learner(t, torch.nonzero(batch.task_of == t)[:, 0], start, config) for t, start in enumerate(batch.start())]
    optimizer = torch.optim.Adam([{"params": [one.value], "lr": one.rate} for one in learners], betas=_BETAS)
    candidates = _Candidates(batch)
    for step in range(config.max_steps + 1):
        if cancelled():
            raise Cancelled("The edit was cancelled; nothing was kept.")
        last = step == config.max_steps
        for one in learners:
            if one.exact is None and (last or not one.turns.next()):
                one.look(batch, last=last)
        learning = [one for one in learners if one.exact is None]
        if not learning:
            on_step(step, _mean_loss(learners))
            break
        _step(batch, candidates, learners, optimizer, step)
        on_step(step, _mean_loss(learning))
    arithmetic = arithmetic_of(model)
    return [Trained(one.value.detach().cpu().numpy().copy(), tuple(one.history), one.exact or (), arithmetic) for one in learners]


def _step(
    batch: TrainingBatch, candidates: _Candidates, learners: Sequence[_Learner], optimizer: torch.optim.Optimizer, step: int
) -> None:
    """Change each value that is still learned once, by the rows whose turn it is."""
    learning = [one for one in learners if one.exact is None]
    turns = [torch.tensor(one.turns.next(), device=batch.labels.device) for one in learning]
    rows = torch.cat(turns)
    optimizer.zero_grad()
    values = torch.stack([one.present for one in learners])
    each = candidates.losses(values, rows, whole=step % _REFRESH == 0)
    labels = batch.labels[rows]
    (each.sum(-1) / (labels >= 0).sum(-1)).sum().backward()
    bounds = [len(some) for some in turns]
    for one, some, found, own in zip(learning, turns, each.detach().split(bounds), labels.split(bounds), strict=True):
        one.step(some, found, own)
    for group, one in zip(optimizer.param_groups, learners, strict=True):
        group["lr"] = one.rate * max(_LOWEST_RATE, 1.0 - step / _DECAY_STEPS)
    optimizer.step()


def _mean_loss(learners: Sequence[_Learner]) -> float:
    return float(torch.cat([one.losses for one in learners]).nanmean())


def _token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(rows, target) cross entropy of each target token; 0 behind a row's target."""
    return nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
