"""Which words of a prompt brought it near a key: leave one out, read the rest again, and see how far it then is.

A look at a codebook, not a use of it. What a word does alone says nothing of what it does beside another one: of two words
that say the same, neither counts for much.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from grace_core.codebook.codebook import Codebook, Entry, Parts
from grace_core.codebook.geometry import pair_distances, two_distances
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel

MOST = 60
"""So many readings at most; of a longer prompt, words that stand side by side are left out together."""
_WORD = re.compile(r"\w+(?:[-'’.]\w+)*")
_ROWS = 16


@dataclass(frozen=True)
class Away:
    """How far a prompt is from one key. parts: of the distance, where it has two."""

    distance: float
    parts: Parts | None = None


@dataclass(frozen=True)
class LeftOut:
    """A prompt read without its characters from `start` to `end`: one word, or some side by side.

    away: how far the rest is from each key that was asked about. edit_id: what would answer the rest (None: the model).
    """

    start: int
    end: int
    away: tuple[Away, ...]
    edit_id: str | None


def words_of(prompt: str, most: int = MOST) -> tuple[tuple[int, int], ...]:
    """Where the words of a prompt begin and end, without punctuation; of more than `most`, some side by side as one."""
    found = [match.span() for match in _WORD.finditer(prompt)]
    size = -(-len(found) // most) if found else 1
    groups = (found[at : at + size] for at in range(0, len(found), size))
    return tuple((group[0][0], group[-1][1]) for group in groups)


def without(prompt: str, start: int, end: int) -> str:
    """The prompt without these characters and the space before them; at its beginning, the space after them."""
    before, after = prompt[:start].rstrip(), prompt[end:]
    return before + after if before else after.lstrip()


def words_left_out(
    model: LanguageModel,
    codebook: Codebook,
    prompt: str,
    entries: Sequence[Entry],
    *,
    on_read: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[LeftOut, ...]:
    """How far from these keys a prompt is without each of its words; () where there is but one, or no key.

    on_read: how many of how many are read.

    Raises:
        Cancelled: as soon as `cancelled` says so.
    """
    words = words_of(prompt)
    if len(words) < 2 or not entries:
        return ()
    prompts = [model.prompt(without(prompt, *word)) for word in words]
    read = activations_of(
        model, codebook.reader, prompts, _ROWS,
        share_start=True, on_read=lambda done: on_read(done, len(words)), cancelled=cancelled,
    )  # fmt: skip
    queries = codebook.encoder(read)
    keys = np.stack([entry.key for entry in entries])
    return tuple(
        LeftOut(start, end, _away(codebook, query, keys), match.edit_id)
        for (start, end), query, match in zip(words, queries, codebook.match(queries), strict=True)
    )


def _away(codebook: Codebook, query: np.ndarray, keys: np.ndarray) -> tuple[Away, ...]:
    distances = pair_distances(query, keys, codebook.config.distance).tolist()
    if codebook.config.distance != "two_keys":
        return tuple(Away(distance) for distance in distances)
    parts = two_distances(query, keys).tolist()
    return tuple(Away(distance, Parts(*both)) for distance, both in zip(distances, parts, strict=True))
