"""Ask a codebook: what answers each prompt, how far each answer is right, and which answers have changed; knows no report.

A prompt that the codebook defers is answered by the bare model, bit for bit (`attached`, and its tests); so prompts that
must not change are decoded only where one matched, and count as unchanged where none did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from grace_core.answering.generate import Generation, decode, decode_bare
from grace_core.answering.given_values import tokens_right
from grace_core.codebook.codebook import Codebook, Match
from grace_core.codebook.geometry import Matrix
from grace_core.errors import InputError
from grace_core.measuring.protocols import holds
from grace_core.models.activations import activations_of
from grace_core.models.family import Asked
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

_AT_ONCE = 16
_LOCAL_TOKENS = 20


@dataclass(frozen=True, eq=False)
class Answer:
    """What a codebook says to one prompt.

    right: whether an entry with the target answers; wrong: whether another one does. exact: token for token, the end
    included. contains: the target's words are in it. slip: how many tokens are the target's before the first that is not.
    """

    right: bool
    wrong: bool
    exact: bool
    contains: bool
    slip: int
    match: Match = field(repr=False)


def read(model: LanguageModel, codebook: Codebook, prompts: Sequence[Prompt], rows_at_once: int = 32) -> Matrix:
    """(prompts, width) what the codebook reads of prompts, before encoding."""
    return activations_of(model, codebook.reader, prompts, rows_at_once)


def queries_of(model: LanguageModel, codebook: Codebook, texts: Sequence[str]) -> Matrix:
    """(texts, dimensions) their queries.

    Raises:
        InputError: a prompt that does not fit the model.
    """
    return codebook.encoder(read(model, codebook, [model.prompt(text) for text in texts]))


def answers(model: LanguageModel, codebook: Codebook, asked: Sequence[tuple[str, str]], free: int = 0) -> list[Answer]:
    """The greedy answer to each prompt beside its target; a prompt or target that does not fit the model is not answered.

    free: decode up to so many tokens or a natural stop; else as many as the longest target of the batch has.
    """
    out = [Answer(False, False, False, False, 0, Match(None, None, False))] * len(asked)
    rows: list[tuple[int, Prompt, tuple[int, ...]]] = []
    for i, (text, target) in enumerate(asked):
        prompt = fitting_prompt(model, text)
        if prompt is not None:
            rows.append((i, prompt, target_ids(model, text, target)))
    rows.sort(key=lambda row: len(row[2]))
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        most = max(1, free, *(len(ids) for *_, ids in some))
        said = decode(model, codebook, [prompt for _, prompt, _ in some], most)
        for (i, _, ids), generation in zip(some, said, strict=True):
            out[i] = _answer(generation, ids, asked[i][1])
    return out


def _answer(said: Generation, ids: tuple[int, ...], target: str) -> Answer:
    match = said.match
    right = match.matched and match.entry is not None and match.entry.target_ids == ids
    return Answer(
        right,
        match.matched and not right,
        bool(ids) and said.ids == ids,
        holds(said.text, target),
        agreeing(said.ids, ids),
        match,
    )


def exact_answers(model: LanguageModel, codebook: Codebook, asked: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether the greedy answer to each prompt is exactly its target, token ids and end included."""
    return [answer.exact for answer in answers(model, codebook, asked)]


def unchanged(model: LanguageModel, codebook: Codebook, prompts: Sequence[str], tokens: int = _LOCAL_TOKENS) -> list[bool]:
    """Whether each prompt's greedy answer is, token by token, the bare model's.

    Raises:
        InputError: a prompt that does not fit the model.
    """
    return [stays for stays, _ in unchanged_and_deferred(model, codebook, prompts, tokens)]


def unchanged_and_deferred(
    model: LanguageModel, codebook: Codebook, prompts: Sequence[str], tokens: int = _LOCAL_TOKENS
) -> list[tuple[bool, bool]]:
    """`unchanged` of each prompt, and whether no entry answers it."""
    matches = codebook.match(queries_of(model, codebook, prompts)) if prompts else ()
    out = [(True, not match.matched) for match in matches]
    matched = [i for i, match in enumerate(matches) if match.matched]
    for start in range(0, len(matched), _AT_ONCE):
        some = matched[start : start + _AT_ONCE]
        rows = [model.prompt(prompts[i]) for i in some]
        now = [generation.ids[:tokens] for generation in decode(model, codebook, rows, tokens)]
        for i, edited, bare in zip(some, now, decode_bare(model, rows, tokens), strict=True):
            out[i] = (edited == bare, False)
    return out


def token_accuracies(
    model: LanguageModel, codebook: Codebook, asked: Sequence[tuple[str, str]], matches: Sequence[Match]
) -> list[float]:
    """Share of each target's tokens that are the most likely ones, each after the true ones before it."""
    layer = codebook.config.value_layer
    assert layer is not None  # resolved
    out, rows = [0.0] * len(asked), dict[int, Asked]()
    for i, ((text, target), match) in enumerate(zip(asked, matches, strict=True)):
        ids = target_ids(model, text, target)
        if ids:
            value = match.entry.value if match.matched and match.entry is not None else None
            rows[i] = Asked(model.prompt(text), ids, value)
    for i, right in zip(rows, tokens_right(model, layer, list(rows.values())), strict=True):
        out[i] = float(np.mean(right))
    return out


def agreeing(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two answers begin with in common."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def fitting_prompt(model: LanguageModel, text: str) -> Prompt | None:
    """None where the model cannot read it; such a prompt has no answer."""
    try:
        return model.prompt(text)
    except InputError:
        return None


def target_ids(model: LanguageModel, prompt: str, target: str) -> tuple[int, ...]:
    """() where prompt and target do not fit the model: such a target cannot be answered either."""
    try:
        return model.target_ids(prompt, target)
    except InputError:
        return ()
