"""Run a model over prompts once and measure every choice of layer, pooling and encoding on them.

One forward pass per batch reads all wanted layers and goes no higher than the highest; what is kept are pooled vectors.
Whitening is fitted on one half of the background, and the other half is what must not match: no prompt judges itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self, get_args

import numpy as np

from grace_core.calibration import background_prompts
from grace_core.codebook import Edit, in_force
from grace_core.config import Encoding, GraceConfig, Pool
from grace_core.errors import InputError
from grace_core.layers import pooled_at, stop_if, token_weights
from grace_core.models import LanguageModel
from grace_core.separation import Choice, Kind, Separation, fitted, measure
from grace_core.subjects import siblings, subject, vocabulary

POOLS: tuple[Pool, ...] = get_args(Pool)
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
_FITTED_ON = 256
"""Background prompts that the whitening is fitted on, at most: as many as it has directions by default."""
_PARAPHRASES_EACH = 2

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Sample:
    """The prompts of one scan.

    paraphrases: text and the index of its key. made: how many of them were made here, as their edits have none.
    fit: what whitening is fitted on, besides the keys themselves.
    """

    keys: tuple[Edit, ...] = field(repr=False)
    paraphrases: tuple[tuple[str, int], ...]
    made: int
    unrelated: tuple[str, ...]
    siblings: tuple[str, ...]
    fit: tuple[str, ...]

    @property
    def measured(self) -> int:
        """How many prompts are compared with keys."""
        return len(self.paraphrases) + len(self.unrelated) + len(self.siblings)

    @property
    def read(self) -> int:
        """How many prompts the model reads."""
        return self.measured + len(self.keys) + len(self.fit)


@dataclass(frozen=True)
class Scan:
    """A finished scan: what was measured, and each choice's distances."""

    layers: tuple[int, ...]
    pools: tuple[Pool, ...]
    encodings: tuple[Encoding, ...]
    keys: int
    paraphrases: int
    made: int
    counts: dict[Kind, int]
    fit: int
    seconds: float
    cells: tuple[Separation, ...] = field(repr=False)

    def cell(self, choice: Choice) -> Separation | None:
        """The distances under a choice; None where it was not measured."""
        return next((cell for cell in self.cells if cell.choice == choice), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; `from_dict` is the inverse."""
        plain = {name: value for name, value in asdict(self).items() if name != "cells"}
        return plain | {"cells": [cell.to_dict() for cell in self.cells]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read `to_dict`'s form."""
        lists = {name: tuple(data[name]) for name in ("layers", "pools", "encodings")}
        return cls(**(data | lists | {"cells": tuple(Separation.from_dict(cell) for cell in data["cells"])}))


def default_layers(blocks: int) -> tuple[int, ...]:
    """The first block and those a quarter, a half and three quarters up the model."""
    return tuple(sorted({1, *(max(1, round(share * blocks)) for share in (0.25, 0.5, 0.75))}))


def made_phrasings(prompt: str, common: frozenset[str]) -> tuple[str, ...]:
    """Plain rewordings of a prompt, for edits that came without any. They are easier to recognise than a person's own."""
    own = subject(prompt, common)
    bare = prompt.rstrip(" ?.!")
    first = bare[:1].lower() + bare[1:]
    about = f"About {own}: {first}?" if own is not None and not bare.startswith(own) else f"A question: {first}?"
    return about, f"I would like to know {first}."


def make_sample(
    model: LanguageModel, edits: Sequence[Edit], *, unrelated: Sequence[str] = (), max_edits: int = 50, max_unrelated: int = 100
) -> Sample:
    """Choose what a scan reads: edits with phrasings of their own come first, then evenly over the rest.

    unrelated: a person's own prompts that must not match; () takes the half of the background that is not fitted on.

    Raises:
        InputError: no edits, or an unrelated prompt that does not fit the model.
    """
    if not edits:
        raise InputError("There are no edits to measure yet; make some on the Review page, then calibrate.")
    current = in_force(edits)
    ordered = sorted(current, key=lambda edit: not edit.paraphrases)
    with_own = [edit for edit in ordered if edit.paraphrases]
    keys = _spread(with_own, max_edits)
    keys += _spread([edit for edit in ordered if not edit.paraphrases], max_edits - len(keys))
    background = background_prompts(model)
    names, common = vocabulary(background)
    paraphrases: list[tuple[str, int]] = []
    made = 0
    for index, edit in enumerate(keys):
        texts = edit.paraphrases or made_phrasings(edit.prompt, common)
        made += 0 if edit.paraphrases else min(len(texts), _PARAPHRASES_EACH)
        paraphrases += [(text, index) for text in texts[:_PARAPHRASES_EACH]]
    # Other names for the fit than for the measurement, so that whitening cannot learn the very strangers it is judged on.
    fit_names, measured_names = names[0::2], names[1::2]
    prompts = {edit.prompt for edit in keys} | {text for text, _ in paraphrases}
    fit_siblings = [text for edit in keys for text in siblings(edit.prompt, 2, fit_names, common)]
    judged = [text for edit in keys for text in siblings(edit.prompt, 1, measured_names, common) if text not in prompts]
    for text in unrelated:
        model.prompt(text)
    apart = tuple(unrelated) or background[1::2]
    return Sample(
        tuple(keys),
        tuple(paraphrases),
        made,
        tuple(_spread([text for text in apart if text not in prompts], max_unrelated)),
        tuple(dict.fromkeys(judged)),
        tuple(dict.fromkeys((*_spread(background[0::2], _FITTED_ON), *fit_siblings))),
    )


def scan(
    model: LanguageModel,
    base: GraceConfig,
    sample: Sample,
    layers: Sequence[int],
    pools: Sequence[Pool],
    encodings: Sequence[Encoding],
    *,
    progress: Progress = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Separation, ...]:
    """Every choice's distances on a sample.

    Raises:
        InputError: nothing to measure, or a layer that the model does not have.
        Cancelled: as soon as `cancelled` says so.
    """
    for name, chosen in (("layer", layers), ("pooling", pools), ("encoding", encodings)):
        if not chosen:
            raise InputError(f"No {name} is chosen; choose at least one.")
    weights = token_weights(model, base)
    texts = [
        *sample.fit,
        *(edit.prompt for edit in sample.keys),
        *(text for text, _ in sample.paraphrases),
        *sample.unrelated,
        *sample.siblings,
    ]
    prompts = [model.prompt(text) for text in texts]

    def reading(done: int) -> None:
        progress(f"Reading prompts: {done} of {len(prompts)}", 0.85 * done / len(prompts))

    read = pooled_at(model, weights, prompts, sorted(set(layers)), pools, on_read=reading, cancelled=cancelled)
    bounds = np.cumsum([len(sample.fit), len(sample.keys), len(sample.paraphrases), len(sample.unrelated)])
    groups = _numbered([edit.target_ids for edit in sample.keys])
    owners = np.array([owner for _, owner in sample.paraphrases], dtype=np.int64)
    cells: list[Separation] = []
    choices = [Choice(layer, pool, encoding) for layer in sorted(set(layers)) for pool in pools for encoding in encodings]
    for done, choice in enumerate(choices):
        stop_if(cancelled)
        progress(f"Comparing: layer {choice.layer}, {choice.pool}, {choice.encoding}", 0.85 + 0.15 * done / len(choices))
        fit, keys, paraphrases, unrelated, strangers = np.split(read[choice.layer, choice.pool], bounds)
        # As in the product, the edited prompts themselves belong to the background.
        encoder = fitted(choice, np.concatenate([fit, keys]), weights, base.directions)
        vectors = {"keys": keys, "paraphrases": paraphrases, "unrelated": unrelated, "siblings": strangers}
        cells.append(measure(choice, encoder, groups=groups, owners=owners, **vectors))
    return tuple(cells)


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, evenly over all of them."""
    if len(items) <= count:
        return list(items)
    return [items[int(i * len(items) / count)] for i in range(max(0, count))]


def _numbered(labels: Sequence[object]) -> Any:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)
