"""Ratios of two things run in turn in one process: this library against the published recipe, and against the bare model.

Absolute times depend on the machine and its load; only ratios of medians are reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
import torch
from torch import nn

from grace_core.adapter import Batch, hidden_after
from grace_core.calibration import new_codebook
from grace_core.codebook import Codebook, Edit
from grace_core.config import GraceConfig
from grace_core.contexts import training_contexts
from grace_core.generation import decode
from grace_core.geometry import nearest
from grace_core.models import LanguageModel
from grace_core.training import Task, train_values

SHORT = ("What river is Oglio a tributary of?", "Po")
SENTENCE = (
    "Write a one-sentence biography of Ada Lovelace.",
    "Augusta Ada King, Countess of Lovelace was an English mathematician and writer chiefly known for her work on Charles "
    "Babbage's proposed mechanical general-purpose computer, the Analytical Engine.",
)
_PUBLISHED_STEPS, _PUBLISHED_RATE = 100, 1.0


@dataclass(frozen=True)
class Ratio:
    """One line of the table. at_least: whether `figure` should reach `goal`, or stay within it."""

    name: str
    figure: float
    goal: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.figure >= self.goal if self.at_least else self.figure <= self.goal


def published_edit(model: LanguageModel, layer: int, prompt: str, target: str) -> bool:
    """The published training loop: 100 full forward and backward passes, Adam, one vector at one block's MLP output.

    (GRACE, Algorithm 1, "finetune on P_f": the value replaces the layer's output at the last prompt token.) Returns
    whether the target then comes out exactly.
    """
    own, ids = model.prompt(prompt), model.target_ids(prompt, target)
    tokens = torch.tensor([[*own.ids, *ids[:-1]]], device=model.device)
    labels = torch.tensor(ids, device=model.device)
    last = len(own.ids) - 1
    mlp = next(child for name, child in model.blocks[layer - 1].named_children() if name in ("mlp", "feed_forward", "ff"))
    value: list[torch.Tensor] = []

    def put(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        if not value:
            value.append(output[0, last].detach().clone().requires_grad_(True))
        out = output.clone()
        out[0, last] = value[0]
        return out

    handle = mlp.register_forward_hook(put)
    try:
        with torch.no_grad():
            model.module(input_ids=tokens, use_cache=False)
        optimizer = torch.optim.Adam(value, lr=_PUBLISHED_RATE)
        for _ in range(_PUBLISHED_STEPS):
            logits = model.module(input_ids=tokens, use_cache=False).logits[0, last:]
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, labels).backward()
            optimizer.step()
        with torch.no_grad():
            logits = model.module(input_ids=tokens, use_cache=False).logits[0, last:]
    finally:
        handle.remove()
    return bool((logits.argmax(-1) == labels).all())


def run(model: LanguageModel, config: GraceConfig, progress: Callable[[str, float], None], rounds: int = 3) -> list[Ratio]:
    """All ratios, the two sides of each run in turn `rounds` times."""
    resolved = config.resolved(len(model.blocks))
    alone = GraceConfig.named(resolved.preset, value_layer=resolved.value_layer, contexts=0).resolved(len(model.blocks))
    layer = resolved.value_layer
    assert layer is not None  # resolved
    out: list[Ratio] = []
    for name, (prompt, target), own, goal in (
        ("one short edit, published over ours", SHORT, alone, 20.0),
        ("one sentence, published over ours", SENTENCE, alone, 8.0),
        ("one sentence in five contexts, published over ours", SENTENCE, resolved, 3.0),
    ):
        progress(name, len(out) / 7)
        task = _task(model, own, prompt, target)
        theirs, ours = partial(published_edit, model, layer, prompt, target), partial(train_values, model, own, [task])
        out.append(Ratio(name, _over(theirs, ours, rounds), goal, at_least=True))
    progress("16 short edits as one batch", 3 / 7)
    tasks = [_task(model, alone, f"What river is {name} a tributary of?", "Po") for name in _names(16)]
    ratio = _over(
        lambda: [train_values(model, alone, [task]) for task in tasks], lambda: train_values(model, alone, tasks), rounds
    )
    out.append(Ratio("16 short edits, one at a time over one batch", ratio, 2.0, at_least=True))
    progress("10,000 entries", 4 / 7)
    empty = new_codebook(model, config)
    full = Codebook(empty.config, empty.encoder, random_edits(model, 10_000), fingerprint=empty.fingerprint)
    row = [model.prompt("Tell me about the weather.")]
    ratio = 1 / _over(lambda: decode(model, empty, row, 40), lambda: decode(model, full, row, 40), 2 * rounds)
    out.append(Ratio("a 40-token answer, 10,000 entries over none", ratio, 1.03, at_least=False))
    progress("100,000 keys", 5 / 7)
    keys = np.random.default_rng(0).normal(size=(100_000, empty.encoder.dimensions)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    twenty = Batch.of(model, [model.prompt("a " * 20)])
    ratio = 1 / _over(
        lambda: hidden_after(model, len(model.blocks), twenty), lambda: nearest(keys[7], keys, empty.config.distance), 4 * rounds
    )
    out.append(Ratio("matching among 100,000 keys over one forward pass", ratio, 0.10, at_least=False))
    progress("Fold and undo", 6 / 7)
    began = time.perf_counter()
    Codebook(empty.config, empty.encoder, full.edits)
    out.append(Ratio("seconds to fold 10,000 edits", time.perf_counter() - began, 3.0, at_least=False))
    began = time.perf_counter()
    full.without(full.edits[77].edit_id)
    out.append(Ratio("seconds to undo one of 10,000", time.perf_counter() - began, 0.3, at_least=False))
    return out


def random_edits(model: LanguageModel, count: int, seed: int = 0) -> list[Edit]:
    """Edits with random vectors: as many as you like, none of them learned."""
    random = np.random.default_rng(seed)
    return [
        Edit(
            f"random-{i}", f"prompt {i}", f"target {i % 997}", (i % 997,),
            random.normal(size=model.width).astype(np.float32), random.normal(size=(1, model.width)).astype(np.float32), 0.45,
        )
        for i in range(count)
    ]  # fmt: skip


def _task(model: LanguageModel, config: GraceConfig, prompt: str, target: str) -> Task:
    own = model.prompt(prompt)
    return Task((own, *training_contexts(model, config, own)), model.target_ids(prompt, target))


def _names(count: int) -> Sequence[str]:
    return [f"Oglio {number}" for number in range(count)]


def _over(first: Callable[[], object], second: Callable[[], object], rounds: int) -> float:
    """Median time of `first` over that of `second`, run in turn."""
    spent: tuple[list[float], list[float]] = ([], [])
    second()
    for _ in range(rounds):
        for work, times in zip((first, second), spent, strict=True):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return median(spent[0]) / median(spent[1])
