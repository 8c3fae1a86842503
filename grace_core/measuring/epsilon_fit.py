"""Which ε of one edit agrees best with a person: prompts that it should answer, and prompts that it should not. Pure.

No encoder is fitted. The mistakes at an ε are those of the codebook as it would be, folded with that ε.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from grace_core.codebook.codebook import Codebook, Parts
from grace_core.codebook.geometry import Matrix, pair_distances
from grace_core.config import FURTHEST
from grace_core.errors import InputError
from grace_core.measuring.what_if import asked_epsilon, changed_codebook, served, slider_end


@dataclass(frozen=True)
class Judged:
    """A prompt, whether the edit should answer it, how far it is from the edit's key, and whether the edit answers it now.

    parts: of the distance, where it has two. then: whether the edit would answer it at the suggested ε.
    """

    prompt: str
    should: bool
    distance: float
    parts: Parts | None
    now: bool
    then: bool


@dataclass(frozen=True)
class Span:
    """An ε from `low` to below `high` makes these mistakes: should-prompts that are missed, others that are answered."""

    low: float
    high: float
    missed: int
    wrong: int

    @property
    def mistakes(self) -> int:
        """Of either kind."""
        return self.missed + self.wrong


@dataclass(frozen=True)
class EpsilonFit:
    """How well each ε of one edit agrees with a person's lists.

    asked, epsilon, subject_end: what the key asks for, and gets, now. suggested: an ε with the fewest mistakes; the one asked
    for now where it is one of them. spans: without gaps, from 0 on. query_space_id: of the one in whose unit it all is.
    """

    edit_id: str
    prompt: str
    asked: float
    epsilon: float
    subject_end: float | None
    suggested: float
    spans: tuple[Span, ...]
    judged: tuple[Judged, ...]
    query_space_id: str = ""

    def at(self, epsilon: float) -> Span:
        """The span that an ε is in; beyond the last one nothing changes."""
        return next((span for span in self.spans if epsilon < span.high), self.spans[-1])

    @property
    def best(self) -> tuple[Span, ...]:
        """All spans with the fewest mistakes: these prompts do not tell them apart."""
        least = min(span.mistakes for span in self.spans)
        return tuple(span for span in self.spans if span.mistakes == least)


def fit_epsilon(
    codebook: Codebook, edit_id: str, should: Sequence[str], should_not: Sequence[str], activations: Matrix,
    query_space_id: str = "",
) -> EpsilonFit:  # fmt: skip
    """The mistakes of every ε of one key. activations: (prompts, width) of `should`, then of `should_not`.

    Raises:
        InputError: no prompt, one in both lists, or an edit without a key.
    """
    prompts = (*should, *should_not)
    if not prompts:
        raise InputError("Both lists are empty; write at least one prompt that the edit should answer or should not.")
    if twice := sorted(set(should) & set(should_not)):
        raise InputError(f"“{twice[0]}” stands in both lists; leave it in one of them.")
    ids = set(served(codebook, edit_id))
    entry = codebook.entry_of(edit_id)
    assert entry is not None  # it is served
    wanted = np.arange(len(prompts)) < len(should)
    queries = codebook.encoder(activations)
    distances = pair_distances(entry.key, queries, codebook.config.distance)

    def answered(book: Codebook) -> np.ndarray:
        return np.array([m.matched and m.entry is not None and bool(ids & set(m.entry.edit_ids)) for m in book.match(queries)])

    spans = []
    for low, high in _between(distances, slider_end(codebook), FURTHEST[codebook.config.distance]):
        then = answered(changed_codebook(codebook, (low + high) / 2, edit_id))
        spans.append(Span(low, high, int((wanted & ~then).sum()), int((~wanted & then).sum())))
    asked = asked_epsilon(codebook, edit_id)[1]
    merged = _merged(spans)
    suggested = _suggested(merged, asked)
    now, then = answered(codebook), answered(changed_codebook(codebook, suggested, edit_id))
    judged = tuple(
        Judged(
            prompt, bool(wanted[i]), float(distances[i]), codebook.parts(queries[i], entry), bool(now[i]), bool(then[i])
        )
        for i, prompt in enumerate(prompts)
    )  # fmt: skip
    end = entry.subject_end if codebook.config.distance == "two_keys" else None
    return EpsilonFit(
        entry.edit_id, entry.prompt, asked, float(entry.epsilon), end, suggested, merged, judged, query_space_id
    )  # fmt: skip


def _between(distances: np.ndarray, end: float, furthest: float) -> list[tuple[float, float]]:
    """From one distance to the next: only there does the answer to a prompt change."""
    inner = sorted({float(apart) for apart in distances if 1e-6 < apart < furthest})
    edges = [0.0, *inner, max(end, 1.1 * inner[-1]) if inner else end]
    return [(low, min(high, furthest)) for low, high in pairwise(edges) if low < min(high, furthest)]


def _merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Neighbours with the same mistakes as one."""
    found: list[Span] = []
    for span in spans:
        if found and (found[-1].missed, found[-1].wrong) == (span.missed, span.wrong):
            found[-1] = Span(found[-1].low, span.high, span.missed, span.wrong)
        else:
            found.append(span)
    return tuple(found)


def _suggested(spans: Sequence[Span], asked: float) -> float:
    """What is asked for now, where nothing is better; else the middle of the widest of the best spans."""
    least = min(span.mistakes for span in spans)
    best = [span for span in spans if span.mistakes == least]
    if any(span.low <= asked < span.high for span in best) or (asked >= spans[-1].high and spans[-1] in best):
        return asked
    widest = max(best, key=lambda span: span.high - span.low)
    middle = (widest.low + widest.high) / 2
    return next((short for digits in (2, 3, 4) if widest.low < (short := round(middle, digits)) < widest.high), middle)
