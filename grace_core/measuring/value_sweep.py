"""Where values take: the same edits learned at several layers, asked in words that the learning never saw.

Nothing is kept: the values are measured and thrown away. A phrasing is reached where its own key is the nearest and
within ε, which the value layer does not change; it is answered where the value also gives the exact target.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from grace_core.answering.given_values import gives_target
from grace_core.codebook.codebook import Codebook, Edit
from grace_core.codebook.geometry import pair_distances
from grace_core.config import GraceConfig
from grace_core.editing.fitting import background_prompts, fitting
from grace_core.editing.siblings import vocabulary
from grace_core.editing.training import Task, train_values
from grace_core.editing.training_prompts import training_contexts
from grace_core.errors import InputError
from grace_core.measuring.query_scan import made_phrasings
from grace_core.models.activations import activations_of
from grace_core.models.family import Asked
from grace_core.models.language_model import LanguageModel

_PHRASINGS_EACH = 3


@dataclass(frozen=True)
class LayerResult:
    """Values learned at one layer. steps, losses, exact: per edit. answered: per phrasing, whether the value gives the target."""

    layer: int
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    exact: tuple[bool, ...]
    answered: tuple[bool, ...]
    seconds: float


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    distances: of each phrasing to its own key. own: whether its own key (or one with the same target) is the nearest.
    made: whether the phrasings were made here, for edits that have none. max_steps: training gave up after so many.
    """

    prompts: tuple[str, ...]
    phrasings: tuple[str, ...]
    made: int
    distances: tuple[float, ...]
    own: tuple[bool, ...]
    epsilons: tuple[float, ...]
    present_layer: int
    present_epsilon: float
    max_steps: int
    layers: tuple[LayerResult, ...]

    def success(self, result: LayerResult) -> float:
        """Share of edits whose own prompt gives the target."""
        return float(np.mean(result.exact))

    def phrasing_success(self, result: LayerResult, epsilon: float) -> float | None:
        """Share of phrasings that give the target at this ε; None without phrasings."""
        if not self.phrasings:
            return None
        reached = np.array(self.own) & (np.array(self.distances) <= epsilon)
        return float((reached & np.array(result.answered)).mean())

    def reached(self, epsilon: float) -> float | None:
        """Share of phrasings that their own key reaches at this ε, whatever the value says; None without phrasings."""
        if not self.phrasings:
            return None
        return float((np.array(self.own) & (np.array(self.distances) <= epsilon)).mean())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read `to_dict`'s form."""
        return cls(**(_tuples(data) | {"layers": tuple(LayerResult(**_tuples(layer)) for layer in data["layers"])}))


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def default_value_layers(blocks: int, config: GraceConfig) -> tuple[int, ...]:
    """Five layers up the model that lie at or above the key layer, the present value layer among them."""
    lowest, present = config.key_layer or 1, config.value_layer or blocks
    wanted = {present, *(max(lowest, round(share * blocks)) for share in (0.1, 0.3, 0.5, 0.9))}
    return tuple(sorted(layer for layer in wanted if layer >= 1))


def default_epsilons(epsilon: float) -> tuple[float, ...]:
    """The present ε, and a half, three quarters and one and a half times as much."""
    return tuple(round(factor * epsilon, 3) for factor in (0.5, 0.75, 1.0, 1.5))


def sweep_layers(
    model: LanguageModel,
    codebook: Codebook,
    layers: Sequence[int],
    *,
    edits: int = 4,
    max_steps: int = 60,
    epsilons: Sequence[float] = (),
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sweep:
    """Learn a sample of the codebook's own edits at each layer, without their phrasings, and ask those.

    Raises:
        InputError: no edits, no layer, or a layer below the one at which the query is read.
        Cancelled: as soon as `cancelled` says so.
    """
    config = codebook.config
    assert config.key_layer is not None and config.value_layer is not None  # resolved  # noqa: PT018
    if not codebook.entries:
        raise InputError("There are no edits to learn yet; make some on the Review page, then sweep.")
    _check(model, config.key_layer, layers)
    sample = _sample(codebook, edits)
    phrasings, made = _phrasings(model, sample)
    distances, own = _reach(model, codebook, sample, phrasings)
    tasks = [_task(model, config, edit) for edit in sample]
    results = []
    order = sorted(set(layers))
    for done, layer in enumerate(order):
        here = replace(config, value_layer=layer, max_steps=max_steps)
        began = time.perf_counter()

        def on_step(step: int, loss: float, done: int = done, layer: int = layer) -> None:
            part = (done + min(1.0, step / max_steps)) / len(order)
            progress(f"Layer {layer} ({done + 1} of {len(order)}): step {step}, loss {loss:.2f}", part)

        trained = train_values(model, here, tasks, on_step=on_step, cancelled=cancelled)
        asked = [Asked(model.prompt(text), sample[i].target_ids, trained[i].value) for text, i in phrasings]
        results.append(
            LayerResult(
                layer,
                tuple(one.steps for one in trained),
                tuple(one.losses[-1] for one in trained),
                tuple(one.exact[0] for one in trained),
                gives_target(model, layer, asked, cancelled),
                time.perf_counter() - began,
            )
        )
    return Sweep(
        prompts=tuple(edit.prompt for edit in sample),
        phrasings=tuple(text for text, _ in phrasings),
        made=made,
        distances=distances,
        own=own,
        epsilons=tuple(epsilons) or default_epsilons(config.epsilon),
        present_layer=config.value_layer,
        present_epsilon=config.epsilon,
        max_steps=max_steps,
        layers=tuple(results),
    )


def _check(model: LanguageModel, key_layer: int, layers: Sequence[int]) -> None:
    if not layers:
        raise InputError("No layer is chosen; choose at least one.")
    for layer in layers:
        if not key_layer <= layer <= len(model.blocks):
            raise InputError(
                f"A value cannot be written after block {layer}: choose blocks {key_layer} (where the query is read) "
                f"to {len(model.blocks)}."
            )


def _sample(codebook: Codebook, count: int) -> list[Edit]:
    """Edits in force, those with phrasings of their own first, evenly over the codebook."""
    current = [edit for edit in codebook.edits if codebook.entry_of(edit.edit_id) is not None]
    chosen: list[Edit] = []
    for group in ([e for e in current if e.paraphrases], [e for e in current if not e.paraphrases]):
        room = max(0, count - len(chosen))
        taken = min(room, len(group))
        chosen += [group[int(i * len(group) / taken)] for i in range(taken)]
    return chosen


def _phrasings(model: LanguageModel, sample: Sequence[Edit]) -> tuple[list[tuple[str, int]], int]:
    """Held-out phrasings with the index of their edit, and how many of them were made here."""
    _, common = vocabulary(background_prompts(model))
    out: list[tuple[str, int]] = []
    made = 0
    for index, edit in enumerate(sample):
        texts = (edit.paraphrases or _made(model, edit, common))[:_PHRASINGS_EACH]
        made += 0 if edit.paraphrases else len(texts)
        out += [(text, index) for text in texts]
    return out, made


def _made(model: LanguageModel, edit: Edit, common: frozenset[str]) -> tuple[str, ...]:
    """Phrasings made here that fit the model with the target behind them."""
    rows = fitting(model, made_phrasings(edit.prompt, common))
    return tuple(row.text for row in rows if len(row.ids) + len(edit.target_ids) <= model.context)


def _reach(
    model: LanguageModel, codebook: Codebook, sample: Sequence[Edit], phrasings: Sequence[tuple[str, int]]
) -> tuple[tuple[float, ...], tuple[bool, ...]]:
    """Each phrasing's distance to its own edit's query, and whether the nearest key has its target."""
    if not phrasings:
        return (), ()
    prompts = [model.prompt(text) for text, _ in phrasings]
    queries = codebook.encoder(activations_of(model, codebook.reader, prompts))
    keys = codebook.encoder(np.stack([edit.activation for edit in sample]))
    matches = codebook.match(queries)
    distances = tuple(
        float(pair_distances(query, keys[index][None], codebook.config.distance)[0])
        for query, (_, index) in zip(queries, phrasings, strict=True)
    )
    own = tuple(
        match.entry is not None and match.entry.target_ids == sample[index].target_ids
        for match, (_, index) in zip(matches, phrasings, strict=True)
    )
    return distances, own


def _task(model: LanguageModel, config: GraceConfig, edit: Edit) -> Task:
    """What an edit is learned from, as `Editor.edit` chooses it, but without its phrasings."""
    own, room = model.prompt(edit.prompt), model.context - len(edit.target_ids)
    contexts = [row for row in training_contexts(model, config, own) if len(row.ids) <= room]
    return Task((own, *contexts), edit.target_ids)
