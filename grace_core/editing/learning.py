"""Fit the learned encoder of a model, once: read the phrasebook, whiten what was read, learn both keys.

The subject's key holds together what asks about the same subject, whatever is asked; the question's key what asks the
same, whoever it is about. Both are learned with the supervised contrastive loss (Khosla et al. 2020, eq. 2). In every
second batch many rows share what must not count, which makes the hard cases: one question about many subjects, many
questions about one subject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.codebook.geometry import Matrix
from grace_core.codebook.learned import LearnedEncoder, LearnedKey, Read, Whitening, encoder_of_tensors, tensors_of
from grace_core.codebook.threads import one_thread
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig, Pool
from grace_core.editing.fitting import background_prompts, fitting, weights_of
from grace_core.editing.phrasebook import Phrase, phrases
from grace_core.models.activations import pooled_at, stop_if
from grace_core.models.language_model import LanguageModel

Progress = Callable[[str, float], None]

_ALIKE, _BESIDE = 8, 48
"""Rows of one group in a batch: of those that belong together, and of those that share what must not count."""
_RATE, _DECAY, _DROPPED = 3e-3, 1e-3, 0.5
_DIMENSIONS, _HIDDEN = 128, 256
_EVERY = 12
"""One in so many prompts of the phrasebook joins the background that whitens: they are far too many of one kind."""
_READING = 0.85
"""How much of the time reading takes."""


@dataclass(frozen=True)
class KeyPlan:
    """What one key reads and how it is learned.

    reads: the share of the value layer's height, pooling, directions kept. batch: rows in each step.
    members: maps that are learned from other beginnings and joined; the distance is then the mean of theirs, which is steadier.
    """

    reads: tuple[tuple[float, Pool, int], ...]
    temperature: float
    steps: int
    scale: float
    batch: int = 1024
    members: int = 2

    def places(self, top: int) -> list[tuple[Read, int]]:
        """The reads of a model whose values are put in after block `top`, each place once."""
        found: dict[Read, int] = {}
        for height, pool, directions in self.reads:
            found.setdefault((max(1, round(height * top)), pool), directions)
        return list(found.items())


SUBJECT = KeyPlan(((0.0, "weighted", 300), (0.19, "mean", 200), (0.38, "mean", 200)), 0.1, 400, 0.45)
QUESTION = KeyPlan(
    ((0.0, "mean", 200), (0.38, "mean", 200), (0.71, "last", 128), (0.86, "last", 128), (1.0, "last", 128)), 0.05, 400, 0.26
)
"""Measured on SmolLM2, whose 21st of 30 blocks takes the values: blocks 1, 4, 8, and 1, 8, 15, 18, 21 (assets/docs/method.md).
Scales: there 2 to 3 % of other questions about the same subject are inside."""


def fit_encoder(
    model: LanguageModel,
    config: GraceConfig,
    book: Sequence[Phrase] | None = None,
    *,
    plans: tuple[KeyPlan, KeyPlan] = (SUBJECT, QUESTION),
    progress: Progress = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> LearnedEncoder:
    """Read the phrasebook and learn both keys: minutes for a small model.

    Args:
        model: frozen; it is read only.
        config: resolved; nothing is read above its value layer.
        book: other prompts than the package's phrasebook.
        plans: of the subject's key and of the question's.
        progress: a stage in words and the fraction done.
        cancelled: asked before each batch and each step.

    Raises:
        Cancelled: as soon as `cancelled` says so.
    """
    top = config.value_layer
    assert top is not None  # resolved
    rows = [row for row in (phrases() if book is None else book) if fitting(model, [row.text])]
    background = background_prompts(model)
    weights = weights_of(model, config, background)
    prompts = [*fitting(model, background), *(model.prompt(row.text) for row in rows)]
    places = list(dict.fromkeys(read for plan in plans for read, _ in plan.places(top)))

    def on_read(done: int) -> None:
        progress(f"Reading the phrasebook: {done} of {len(prompts)} prompts", _READING * done / len(prompts))

    states = pooled_at(model, weights, prompts, places, rows_at_once=32, on_read=on_read, cancelled=cancelled)
    behind = len(prompts) - len(rows)
    return learned_from(states, behind, rows, weights, plans, top, progress=progress, cancelled=cancelled)


def learned_from(
    states: Mapping[Read, Matrix], behind: int, rows: Sequence[Phrase], weights: TokenWeights,
    plans: tuple[KeyPlan, KeyPlan], top: int, *,
    progress: Progress = lambda stage, fraction: None, cancelled: Callable[[], bool] = lambda: False,
) -> LearnedEncoder:  # fmt: skip
    """Both keys from what was read: first of `behind` background prompts, then of the phrasebook's rows."""
    subjects, questions = [row.subject for row in rows], [row.question for row in rows]
    keys = []
    with one_thread():
        for at, (plan, same, other) in enumerate(zip(plans, (subjects, questions), (questions, subjects), strict=True)):
            words = ("Learning to tell subjects apart", "Learning to tell questions apart")[at]

            def on_step(done: float, words: str = words, at: int = at) -> None:
                progress(words, _READING + (1 - _READING) * (at + done) / len(plans))

            keys.append(_key(states, behind, plan, top, _numbered(same), _numbered(other), on_step, cancelled))
    some = {read: states[read][:behind] for read in states}
    background = np.concatenate([key(some) for key in keys], axis=1)
    # As a file holds it: what is used from the start is what is used after it was kept.
    return encoder_of_tensors(tensors_of(LearnedEncoder(keys[0], keys[1], weights, background)))


def _key(
    states: Mapping[Read, Matrix], behind: int, plan: KeyPlan, top: int, same: NDArray[np.int64], other: NDArray[np.int64],
    on_step: Callable[[float], None], cancelled: Callable[[], bool],
) -> LearnedKey:  # fmt: skip
    whitenings = tuple(
        Whitening.of(read, np.concatenate([states[read][:behind], states[read][behind::_EVERY]]), directions)
        for read, directions in plan.places(top)
    )
    book = {read: rows[behind:] for read, rows in states.items()}
    features = torch.from_numpy(np.concatenate([whiten(book) for whiten in whitenings], axis=1))
    learned = []
    for seed in range(plan.members):
        map_ = _Map(features.shape[1], seed)
        _learn(map_, features, same, other, plan, seed, lambda done, at=seed: on_step((at + done) / plan.members), cancelled)  # type: ignore[misc]
        learned.append(map_)
    linear, inner, bias, outer = (np.ascontiguousarray(tensor.detach().numpy()) for tensor in _joined(learned))
    return LearnedKey(whitenings, linear, inner, bias, outer, plan.scale)


def _joined(maps: Sequence[_Map]) -> tuple[torch.Tensor, ...]:
    """One map whose vector is those of all, one behind another."""
    return (
        torch.cat([one.linear for one in maps], dim=1),
        torch.cat([one.inner for one in maps], dim=1),
        torch.cat([one.bias for one in maps]),
        torch.block_diag(*(one.outer for one in maps)),
    )


class _Map(torch.nn.Module):
    """What a `LearnedKey` computes, to be learned."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def begun(rows: int, columns: int) -> torch.nn.Parameter:
            return torch.nn.Parameter((torch.rand(rows, columns, generator=generator) * 2 - 1) / rows**0.5)

        self.linear, self.inner, self.outer = begun(width, _DIMENSIONS), begun(width, _HIDDEN), begun(_HIDDEN, _DIMENSIONS)
        self.bias = torch.nn.Parameter(torch.zeros(_HIDDEN))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, features) to (rows, dimensions) of unit length."""
        return torch.nn.functional.normalize(rows @ self.linear + torch.relu(rows @ self.inner + self.bias) @ self.outer, dim=1)


def _learn(
    map_: _Map, features: torch.Tensor, same: NDArray[np.int64], other: NDArray[np.int64], plan: KeyPlan, seed: int,
    on_step: Callable[[float], None], cancelled: Callable[[], bool],
) -> None:  # fmt: skip
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    alike, beside = _grouped(same), _grouped(other)
    optimizer = torch.optim.AdamW(map_.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=plan.steps)
    for step in range(plan.steps):
        stop_if(cancelled)
        on_step(step / plan.steps)
        groups, size = (beside, _BESIDE) if step % 2 == 0 else (alike, _ALIKE)
        chosen: list[int] = []
        while len(chosen) < plan.batch:
            group = groups[rng.integers(len(groups))]
            chosen.extend(rng.choice(group, min(size, len(group)), replace=False))
        kept = torch.rand(len(chosen), features.shape[1], generator=generator) > _DROPPED
        loss = _contrast(map_(features[chosen] * kept), torch.from_numpy(same[chosen]), plan.temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _contrast(vectors: torch.Tensor, label: torch.Tensor, temperature: float) -> torch.Tensor:
    """Khosla et al. 2020, eq. 2: each row is to be likelier with those of its label than with all others."""
    itself = torch.eye(len(vectors), dtype=torch.bool)
    positive = (label[:, None] == label) & ~itself
    likeness = (vectors @ vectors.T / temperature).masked_fill(itself, -1e9)
    log = likeness - likeness.logsumexp(1, keepdim=True)
    has = positive.any(1)
    return -(log.masked_fill(~positive, 0).sum(1)[has] / positive.sum(1)[has]).mean()


def _numbered(labels: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(np.unique(np.asarray(labels), return_inverse=True)[1], dtype=np.int64)


def _grouped(labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]
