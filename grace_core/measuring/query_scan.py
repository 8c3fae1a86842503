"""Run a model over prompts once and measure every choice of layer, pooling and encoding on them.

One forward pass per batch reads all wanted layers and goes no higher than the highest; what is kept are pooled vectors.
Whitening is fitted on what the encoder of a choice is calibrated on where it is put in force, less what is measured: no
prompt judges itself, and what is measured is all but the encoder that one gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Self, get_args

import numpy as np

from grace_core.codebook.codebook import Edit, in_force, numbered
from grace_core.codebook.encoder import Encoder
from grace_core.codebook.learned import LearnedEncoder
from grace_core.config import Encoding, GraceConfig, Pool
from grace_core.editing.fitting import background_prompts, fitting, weights_of
from grace_core.editing.siblings import siblings, subject, vocabulary
from grace_core.errors import InputError
from grace_core.measuring.distances import Choice, Kind, Separation, fitted, measure
from grace_core.models.activations import pooled_at, stop_if
from grace_core.models.language_model import LanguageModel

POOLS: tuple[Pool, ...] = get_args(Pool)
ENCODINGS: tuple[Encoding, ...] = ("raw", "whiten")
JOINED_READ = 512
"""Of the prompts that joined a background, so many are read at most, each standing for its like: they are siblings of edits,
and thousands of them say little more than hundreds (the suggested ε of 50 zsRE edits: 0.633 instead of 0.634 with all 1,579)."""
_STANDS_FOR = 16
"""How many prompts one may stand for: beyond that, more of them hardly change an encoder, but take time and memory."""
_SIBLINGS_EACH = GraceConfig().siblings
_PARAPHRASES_EACH = 4
"""Of one edit at most so many are measured, so that no edit outweighs the others."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Sample:
    """The prompts of one scan.

    paraphrases: text and the index of its key. asked: how many of them people asked, rather than gave with the edit. made: how
    many were made here, for edits that have none.
    fit: what whitening is fitted on, besides the keys themselves. stands_for: how many prompts of the background each of
    these stands for. weighed: what token weights are counted on.
    """

    keys: tuple[Edit, ...] = field(repr=False)
    paraphrases: tuple[tuple[str, int], ...]
    asked: int
    made: int
    unrelated: tuple[str, ...]
    siblings: tuple[str, ...]
    fit: tuple[str, ...]
    stands_for: tuple[int, ...] = field(repr=False)
    weighed: tuple[str, ...] = field(repr=False)

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
    """A finished scan: what was measured, and each choice's distances.

    paraphrases, asked, made: see `Sample`. owners: the index of each paraphrase's key; () in results of before it was kept.
    """

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
    asked: int = 0
    owners: tuple[int, ...] = field(default=(), repr=False)

    @property
    def given(self) -> int:
        """How many paraphrases came with the edits."""
        return self.paraphrases - self.asked - self.made

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
        lists: dict[str, Any] = {name: tuple(data[name]) for name in ("layers", "pools", "encodings", "owners") if name in data}
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
    model: LanguageModel,
    edits: Sequence[Edit],
    *,
    asked: Mapping[str, Sequence[str]] = MappingProxyType({}),
    unrelated: Sequence[str] = (),
    background: Sequence[str] = (),
    weighed: int | None = None,
    max_edits: int = 50,
    max_unrelated: int = 100,
    max_joined: int = JOINED_READ,
) -> Sample:
    """Choose what a scan reads: edits with phrasings of their own come first, then evenly over the rest.

    asked: prompts that people asked and an edit should answer, by the edit's id; they count as its phrasings.
    unrelated: a person's own prompts that must not match; () takes some of the background's, on which nothing is fitted then.
    background: what the encoder of a choice is calibrated on where it is put in force; () takes the model's background prompts,
    and siblings of the edits as editing makes them. Token weights are counted on the first `weighed` of it (None: on all); of
    the rest `max_joined` are read, each standing for its like.

    Raises:
        InputError: no edits, or an unrelated prompt that does not fit the model.
    """
    if not edits:
        raise InputError("There are no edits to measure yet; make some on the Review page, then calibrate.")
    current = in_force(edits)
    own = {edit.edit_id: _own_phrasings(edit, asked.get(edit.edit_id, ())) for edit in current}
    keys = _spread([edit for edit in current if own[edit.edit_id]], max_edits)
    keys += _spread([edit for edit in current if not own[edit.edit_id]], max_edits - len(keys))
    names, common = vocabulary(background_prompts(model))
    paraphrases: list[tuple[str, int]] = []
    heard = made = 0
    for index, edit in enumerate(keys):
        texts = own[edit.edit_id] or _fitting(model, made_phrasings(edit.prompt, common))
        made += 0 if own[edit.edit_id] else len(texts)
        heard += sum(text not in edit.paraphrases for text in own[edit.edit_id])
        paraphrases += [(text, index) for text in texts]
    # Other names for the fit than for the measurement, so that whitening cannot learn the very strangers it is judged on.
    fit_names, measured_names = names[0::2], names[1::2]
    first, joined = _background(model, keys, background, weighed, fit_names)
    prompts = {edit.prompt for edit in keys} | {text for text, _ in paraphrases}
    others = _fitting(model, (text for edit in keys for text in siblings(edit.prompt, 1, measured_names, common)))
    strangers = [text for text in others if text not in prompts]
    for text in unrelated:
        model.prompt(text)
    apart = [text for text in (tuple(unrelated) or first) if text not in prompts]
    judged = _spread(apart, max_unrelated if unrelated else min(max_unrelated, len(apart) // 2))
    measured = prompts | set(strangers) | set(judged)
    fit = [text for text in dict.fromkeys(first) if text not in measured]
    known = {*measured, *fit}
    read, stands_for = _standing_for((text for text in dict.fromkeys(joined) if text not in known), max_joined)
    return Sample(
        tuple(keys), tuple(paraphrases), heard, made, tuple(judged), tuple(dict.fromkeys(strangers)), (*fit, *read),
        (*(1 for _ in fit), *stands_for), first,
    )  # fmt: skip


def _background(
    model: LanguageModel, keys: Sequence[Edit], background: Sequence[str], weighed: int | None, names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What token weights are counted on, and what joined it since; see `make_sample`. names: for the siblings of edits."""
    if background:
        first = tuple(background[:weighed])
        return first, tuple(background[len(first) :])
    first = background_prompts(model)
    _, common = vocabulary(first)
    return first, _fitting(model, (text for edit in keys for text in siblings(edit.prompt, _SIBLINGS_EACH, names, common)))


def _standing_for(texts: Iterable[str], most: int) -> tuple[list[str], list[int]]:
    """At most so many of some texts, evenly over all, and for how many of them each stands."""
    more = list(texts)
    read = _spread(more, most)
    share = min(len(more), _STANDS_FOR * len(read))
    bounds = [(i * share) // len(read) for i in range(len(read) + 1)] if read else [0]
    return read, [after - before for before, after in pairwise(bounds)]


def scan(
    model: LanguageModel,
    base: GraceConfig,
    sample: Sample,
    layers: Sequence[int],
    pools: Sequence[Pool],
    encodings: Sequence[Encoding],
    *,
    learned: LearnedEncoder | None = None,
    progress: Progress = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Separation, ...]:
    """Every choice's distances on a sample.

    learned: an encoder that is measured too, as the last choice.

    Raises:
        InputError: nothing to measure, or a layer that the model does not have.
        Cancelled: as soon as `cancelled` says so.
    """
    for name, chosen in (("layer", layers), ("pooling", pools), ("encoding", encodings)):
        if not chosen:
            raise InputError(f"No {name} is chosen; choose at least one.")
    weights = weights_of(model, base, sample.weighed)
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

    places = [(layer, pool) for layer in sorted(set(layers)) for pool in pools]
    own = [] if learned is None else learned.reads
    read = pooled_at(model, weights, prompts, list(dict.fromkeys([*places, *own])), on_read=reading, cancelled=cancelled)
    bounds = np.cumsum([len(sample.fit), len(sample.keys), len(sample.paraphrases), len(sample.unrelated)])
    groups = numbered([edit.target_ids for edit in sample.keys])
    owners = np.array([owner for _, owner in sample.paraphrases], dtype=np.int64)
    cells: list[Separation] = []
    choices = [Choice(layer, pool, encoding) for layer in sorted(set(layers)) for pool in pools for encoding in encodings]
    for done, choice in enumerate(choices):
        stop_if(cancelled)
        progress(f"Comparing: layer {choice.layer}, {choice.pool}, {choice.encoding}", 0.85 + 0.15 * done / len(choices))
        fit, keys, paraphrases, unrelated, strangers = np.split(read[choice.layer, choice.pool], bounds)
        # As in the product, the edited prompts themselves belong to the background.
        background = np.concatenate([np.repeat(fit, sample.stands_for, axis=0), keys])
        encoder = fitted(choice, background, weights, base.directions)
        vectors = {"keys": keys, "paraphrases": paraphrases, "unrelated": unrelated, "siblings": strangers}
        cells.append(measure(choice, encoder, groups=groups, owners=owners, **vectors))
    if learned is not None:
        _, keys, paraphrases, unrelated, strangers = np.split(learned(read), bounds)
        vectors = {"keys": keys, "paraphrases": paraphrases, "unrelated": unrelated, "siblings": strangers}
        cells.append(measure(Choice.learned(base), Encoder.fixed(learned), groups=groups, owners=owners, **vectors))
    return tuple(cells)


def _own_phrasings(edit: Edit, asked: Sequence[str]) -> tuple[str, ...]:
    """Those given with an edit, then those that people asked."""
    return tuple(text for text in dict.fromkeys((*edit.paraphrases, *asked)) if text != edit.prompt)[:_PARAPHRASES_EACH]


def _fitting(model: LanguageModel, texts: Iterable[str]) -> tuple[str, ...]:
    """Texts that were made up here, less those that are too long for the model."""
    return tuple(prompt.text for prompt in fitting(model, texts))


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, evenly over all of them."""
    if len(items) <= count:
        return list(items)
    return [items[int(i * len(items) / count)] for i in range(max(0, count))]
