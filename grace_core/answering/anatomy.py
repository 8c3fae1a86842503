"""Why one prompt gets its answer: the keys near its query, the verdict, and what the value does to the next token.

A look at a codebook, not a use of it: nothing is logged and nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.answering.attached import attached
from grace_core.answering.generate import MAX_NEW_TOKENS, Generation, generate
from grace_core.answering.occlusion import LeftOut, words_left_out
from grace_core.codebook.codebook import Codebook, Entry, Match, Parts
from grace_core.codebook.geometry import pair_distances
from grace_core.config import Distance
from grace_core.models.batch import Batch
from grace_core.models.language_model import LanguageModel

NEAREST = 5
TOP_TOKENS = 6


class Reach(NamedTuple):
    """One part of a distance, or the whole of one without parts: how far the query is, and how far the key reaches."""

    name: str
    away: float
    end: float

    @property
    def inside(self) -> bool:
        """Whether this part alone would let the key answer."""
        return self.away <= self.end


@dataclass(frozen=True)
class NearKey:
    """A key and how far the query is from it; `inside`: in its ball (only the nearest key can answer).

    parts: of the distance, where it has two. subject_epsilon: how far the subject's part may be; None: as far as ε.
    """

    edit_id: str
    prompt: str
    target: str
    distance: float
    epsilon: float
    parts: Parts | None = None
    subject_epsilon: float | None = None

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """Each part of the distance beside its own end."""
        if self.parts is None:
            return (Reach("distance", self.distance, self.epsilon),)
        end = self.epsilon if self.subject_epsilon is None else min(self.subject_epsilon, self.epsilon)
        return Reach("subject", self.parts.subject, end), Reach("question", self.parts.question, self.epsilon)

    @property
    def inside(self) -> bool:
        """Whether the query lies in this key's ball: all parts of its distance within their ends."""
        return all(part.inside for part in self.reaches)


@dataclass(frozen=True)
class TokenShift:
    """One token's probability as the next one, without and with the codebook."""

    text: str
    before: float
    after: float


@dataclass(frozen=True)
class Anatomy:
    """One prompt taken apart.

    keys: nearest first. edit_id: of the edit that answers; None where the query is deferred to the model.
    tokens: the likeliest next tokens of either distribution, likeliest with the codebook first.
    divergence: KL(with ‖ without) of the next token, in nats; exactly 0 where the query is deferred.
    distance: what the codebook measures its keys' distances in.
    cut: the answer with the codebook was cut off for its length; cut_without: the one without.
    words: the prompt without each of its words, and how far it then is from each of `keys`.
    """

    prompt: str
    keys: tuple[NearKey, ...]
    edit_id: str | None
    with_codebook: str
    without_codebook: str
    tokens: tuple[TokenShift, ...]
    divergence: float
    distance: Distance
    cut: bool = False
    cut_without: bool = False
    words: tuple[LeftOut, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether an edit answers, and with its target: as far as it goes where the answer was cut off."""
        if self.edit_id is None:
            return False
        said, target = self.with_codebook.strip(), self.keys[0].target.strip()
        return target.startswith(said) if self.cut else said == target

    def _said(self) -> str:
        """What comes of the value, in words."""
        if not self.exact:
            return "but what the model then says is not its target: the value was learned at the key, and here it leads elsewhere"
        return "and its target is the answer" + (", which is cut off here" if self.cut else "")

    def verdict(self) -> str:
        """Match or defer, and why, in words."""
        if not self.keys:
            return "Deferred: the codebook has no key yet, so the model answers by itself."
        near = self.keys[0]
        if self.edit_id is not None:
            words = (
                f"Matched: the nearest key is {_inside_words(near)}, so its value takes the place of the hidden state, "
                f"{self._said()}."
            )
            rivals = sum(key.inside for key in self.keys[1:])
            if rivals:
                others = "another key's ε" if rivals == 1 else f"the ε of {rivals} other keys"
                words += f" The query is within {others} too; only the nearest key counts."
            return words
        words = f"Deferred: the nearest key is {_outside_words(near)}, so the model answers by itself, untouched."
        further = next((i for i, key in enumerate(self.keys) if key.inside), None)
        if further is not None:
            words += f" It is within the ε of key {further + 1}, but only the nearest key is asked."
        return words


def _inside_words(near: NearKey) -> str:
    if near.parts is None:
        return f"{near.distance:.3f} away, within its ε of {near.epsilon:.3f}"
    subject, question = near.reaches
    return (
        f"near enough in both parts: the subject is {subject.away:.2f} away, of at most {subject.end:.2f}, and the question "
        f"{question.away:.2f}, of at most {question.end:.2f}"
    )


def _outside_words(near: NearKey) -> str:
    if near.parts is None:
        return f"{near.distance:.3f} away, beyond its ε of {near.epsilon:.3f} by {near.distance - near.epsilon:.3f}"
    subject, question = near.reaches
    told = {part.name: f"{part.away:.2f} away, of at most {part.end:.2f}" for part in (subject, question)}
    if subject.inside:
        return f"about the same subject ({told['subject']}), but asks something else ({told['question']})"
    if question.inside:
        return f"the same question ({told['question']}), but about another subject ({told['subject']})"
    return f"too far in both parts: the subject is {told['subject']}, the question {told['question']}"


def dissect(
    model: LanguageModel,
    codebook: Codebook,
    prompt: str,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Anatomy:
    """Take the answer to one prompt apart.

    Raises:
        InputError: an empty prompt, or one beyond the context window.
        Cancelled: as soon as `cancelled` says so.
    """
    bare = codebook.with_edits(())
    own = model.prompt(prompt).text
    progress("Reading the prompt", 0.02)
    before, _ = _next_token(model, bare, own)
    after, match = _next_token(model, codebook, own)

    def told(stage: str, start: float, share: float) -> Callable[[str], None]:
        return lambda text: progress(stage, start + share * min(1.0, len(text) / 300))

    def answer(book: Codebook, stage: str, start: float) -> Generation:
        return generate(
            model, book, own, max_new_tokens=max_new_tokens, cancelled=cancelled, on_text=told(stage, start, 0.35)
        )  # fmt: skip

    answered = answer(codebook, "Answering with the codebook", 0.1)
    without = answer(bare, "Answering without the codebook", 0.45) if match.matched else answered
    query = codebook.encoder(answered.activation[None])[0]
    near = nearest_entries(codebook, query)
    words = words_left_out(
        model, codebook, own, [entry for entry, _ in near], cancelled=cancelled,
        on_read=lambda done, total: progress(f"Leaving out one word at a time: {done} of {total}", 0.8 + 0.2 * done / total),
    )  # fmt: skip
    return Anatomy(
        prompt=own,
        keys=tuple(_near_key(codebook, query, entry, distance) for entry, distance in near),
        edit_id=match.edit_id,
        with_codebook=answered.text,
        without_codebook=without.text,
        tokens=token_shifts(before, after, lambda token: _token_text(model, token)),
        divergence=divergence(before, after),
        distance=codebook.config.distance,
        cut=answered.truncated,
        cut_without=without.truncated,
        words=words,
    )


def nearest_entries(
    codebook: Codebook, query: NDArray[np.float32], count: int = NEAREST
) -> tuple[tuple[Entry, float], ...]:  # fmt: skip
    """The entries nearest to a query (dimensions,), in true distances; of equally near ones the last made comes first."""
    if not codebook.entries:
        return ()
    distances = pair_distances(query, codebook.keys, codebook.config.distance)
    last_first = np.arange(len(distances))[::-1]
    order = last_first[np.argsort(distances[::-1], kind="stable")][:count]
    return tuple((codebook.entries[i], float(distances[i])) for i in order)


def _near_key(codebook: Codebook, query: NDArray[np.float32], entry: Entry, distance: float) -> NearKey:
    return NearKey(
        entry.edit_id, entry.prompt, entry.target, distance, float(entry.epsilon), codebook.parts(query, entry),
        entry.subject_epsilon,
    )  # fmt: skip


def token_shifts(
    before: NDArray[np.float64], after: NDArray[np.float64], text: Callable[[int], str], count: int = TOP_TOKENS
) -> tuple[TokenShift, ...]:
    """The likeliest tokens of two distributions over the vocabulary, those of `after` first."""
    chosen = dict.fromkeys((*np.argsort(-after, kind="stable")[:count], *np.argsort(-before, kind="stable")[:count]))
    ranked = sorted(chosen, key=lambda token: (-after[token], -before[token]))
    return tuple(TokenShift(text(int(token)), float(before[token]), float(after[token])) for token in ranked)


def divergence(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """KL(after ‖ before) in nats: how far the codebook moved the next token; 0 for equal distributions."""
    used = after > 0
    return max(0.0, float((after[used] * (np.log(after[used]) - np.log(np.maximum(before[used], 1e-300)))).sum()))


def _token_text(model: LanguageModel, token: int) -> str:
    return "(end)" if token in model.eos_ids else str(model.tokenizer.decode([token]))


@torch.inference_mode()
def _next_token(model: LanguageModel, codebook: Codebook, prompt: str) -> tuple[NDArray[np.float64], Match]:
    """(vocabulary,) probabilities of the token after the prompt, and what the codebook says of the prompt."""
    batch = Batch.of(model, [model.prompt(prompt)])
    with attached(model, codebook, batch) as routing:
        logits = model.family.decoding(model, batch).start()
    return logits[0].double().softmax(-1).cpu().numpy(), routing.matches[0]
