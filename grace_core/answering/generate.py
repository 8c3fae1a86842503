"""Prompt to answer, greedily, with a codebook in place; knows nothing of edits in the making.

The prompt passes once with the codebook attached; what follows is decoded by the bare model from the KV cache that
this pass left, so a token costs the same with ten thousand entries as with none. Only where a model's cache cannot be
trusted everything passes again at each token, the codebook attached throughout.

`in_context`: a prompt about an edit's subject that no edit answers is passed again with the edit's fact before it
(`in_context`), by the bare model. It is off by default, and then nothing here differs from a codebook alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.answering.attached import Routing, attached
from grace_core.answering.in_context import Given, given_fact
from grace_core.codebook.about import About
from grace_core.codebook.codebook import Codebook, Match
from grace_core.models.activations import stop_if
from grace_core.models.batch import Batch
from grace_core.models.hooks import block_hooks
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

MAX_NEW_TOKENS = 128


@dataclass(frozen=True, eq=False)
class Generation:
    """An answer and why it is that one.

    ids: generated tokens, the end-of-text token included where it was reached (`truncated` says that it was not).
    activation: (width,) float32, the prompt's pooled hidden states.
    about: where an edit's fact was put before the prompt, its entry and how far the prompt was from its key.
    labels: of a classifier, each label with its probability, the likeliest first; () where an answer is text.
    """

    prompt: str
    text: str
    ids: tuple[int, ...]
    match: Match
    truncated: bool
    activation: NDArray[np.float32] = field(repr=False)
    about: About | None = None
    labels: tuple[tuple[str, float], ...] = ()

    @property
    def edit_id(self) -> str | None:
        """The edit that answered; None: the model itself."""
        return self.match.edit_id

    @property
    def in_context_of(self) -> str | None:
        """The edit whose fact was put before the prompt; None: the model got the prompt alone."""
        return None if self.about is None else self.about.edit_id


@dataclass(frozen=True)
class _Decoded:
    """Greedy token ids of one prompt, and the routing of its batch with its row there, which is empty without a codebook.

    labels: see `Generation`. given: what is to be decoded instead; then there are no ids.
    """

    ids: list[int]
    routing: Routing
    row: int
    labels: tuple[tuple[str, float], ...]
    given: Given | None = None


def generate(
    model: LanguageModel,
    codebook: Codebook,
    prompt: str,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    in_context: bool = False,
    on_text: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generation:
    """Answer one prompt.

    Args:
        model: stays unchanged; hooks are on it while the prompt passes.
        codebook: read only.
        prompt: the user's text.
        max_new_tokens: at most so many; an edit's own target always fits.
        in_context: where no edit answers but one is about the same subject, put its fact before the prompt.
        on_text: called with all text so far, token by token.
        cancelled: asked before each token, and after each block while the prompt passes.

    Raises:
        InputError: an empty prompt, or one beyond the context window.
        Cancelled: as soon as `cancelled` says so.
    """
    ids: list[int] = []

    def each(_row: int, token: int) -> None:
        stop_if(cancelled)
        ids.append(token)
        if on_text is not None:
            text = model.text(ids)
            # Half of a multi-byte character decodes to U+FFFD; it is shown once the rest is there.
            if not text.endswith("\ufffd"):
                on_text(text)

    # A long prompt passes for a minute before its first token: there it is asked after each block.
    asked = [(layer + 1, lambda _hidden: stop_if(cancelled)) for layer in range(len(model.blocks))]
    with block_hooks(model, asked, tokens=2):
        return generate_batch(
            model, codebook, [prompt], max_new_tokens=max_new_tokens, in_context=in_context, on_token=each
        )[0]  # fmt: skip


def generate_batch(
    model: LanguageModel,
    codebook: Codebook,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    in_context: bool = False,
    on_token: Callable[[int, int], None] | None = None,
) -> list[Generation]:
    """Answer several prompts as one batch; a row's answer does not depend on its neighbours.

    in_context: see `generate`. on_token: called with row and token id as they come.
    """
    own = [model.prompt(text) for text in prompts]
    return decode(model, codebook, own, max_new_tokens, on_token, in_context=in_context)


def decode(
    model: LanguageModel,
    codebook: Codebook,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    on_token: Callable[[int, int], None] | None = None,
    *,
    in_context: bool = False,
) -> list[Generation]:
    """`generate_batch` for prompts that are token ids already."""
    each = on_token or (lambda row, token: None)
    found = _decoded(model, codebook, prompts, max_new_tokens, each, in_context)
    again = {row: one.given for row, one in enumerate(found) if one.given is not None}
    rows = list(again)
    with_facts = _decoded(
        model, None, [given.prompt for given in again.values()], max_new_tokens, lambda at, token: each(rows[at], token)
    )
    for row, one in zip(rows, with_facts, strict=True):
        found[row].ids.extend(one.ids)
    return [_generation(model, prompt, one) for prompt, one in zip(prompts, found, strict=True)]


def decode_bare(model: LanguageModel, prompts: Sequence[Prompt], tokens: int) -> list[tuple[int, ...]]:
    """The first greedy token ids of each row as the frozen model gives them: no codebook is read and no hook is set.

    At most `tokens`, fewer where a row's text or the model's context ends. What a codebook costs is measured against this.
    """
    return [tuple(one.ids) for one in _decoded(model, None, prompts, tokens, lambda row, token: None)]


@torch.inference_mode()
def _decoded(
    model: LanguageModel,
    codebook: Codebook | None,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    on_token: Callable[[int, int], None],
    in_context: bool = False,
) -> list[_Decoded]:
    """Decode each prompt; with `in_context`, only those that are not to be passed again with a fact."""
    if len({len(prompt.ids) for prompt in prompts}) > 1 and not model.ways.padded:
        return _one_by_one(model, codebook, prompts, max_new_tokens, on_token, in_context)
    if not prompts:
        return []
    batch = Batch.of(model, prompts)
    decoding = model.family.decoding(model, batch)
    with ExitStack() as hooks:
        routing = hooks.enter_context(attached(model, codebook, batch)) if codebook is not None else Routing()
        logits = decoding.start()
        limits = [_limit(model, routing, row, prompt, max_new_tokens) for row, prompt in enumerate(prompts)]
        if len(prompts) > 1 and max(limits) > min(map(model.room, prompts)):
            # The longest row ends with the context, and others need not end with it.
            hooks.close()
            return _one_by_one(model, codebook, prompts, max_new_tokens, on_token, in_context)
        if decoding.cached:
            hooks.close()
        found = [_Decoded([], routing, row, _likeliest(model, logits[row])) for row in range(len(prompts))]
        if in_context and codebook is not None and not model.labels:
            found = [
                replace(one, given=_given(model, codebook, prompts[one.row], routing, one.row, max_new_tokens)) for one in found
            ]
        open_rows = {one.row for one in found if one.given is None}
        while open_rows:
            best = logits.argmax(-1)
            tokens = best.tolist()
            for row in sorted(open_rows):
                ids = found[row].ids
                ids.append(tokens[row])
                on_token(row, tokens[row])
                if tokens[row] in model.eos_ids or len(ids) >= limits[row]:
                    open_rows.discard(row)
            if open_rows:
                logits = decoding.next(best)
        return found


def _one_by_one(
    model: LanguageModel,
    codebook: Codebook | None,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    on_token: Callable[[int, int], None],
    in_context: bool,
) -> list[_Decoded]:
    """`_decoded` of each prompt by itself."""
    found = []
    for row, prompt in enumerate(prompts):
        found += _decoded(
            model, codebook, [prompt], max_new_tokens,
            lambda _row, token, row=row: on_token(row, token), in_context,  # type: ignore[misc]
        )  # fmt: skip
    return found


def _given(
    model: LanguageModel, codebook: Codebook, prompt: Prompt, routing: Routing, row: int, max_new_tokens: int
) -> Given | None:
    """The fact that a row is given; None where an edit answers it, or none is about its subject."""
    if routing.matches[row].matched:
        return None
    # Behind a fact there must be room for as long an answer as the default gives.
    return given_fact(model, codebook, prompt, routing.activations[row], min(max_new_tokens, MAX_NEW_TOKENS))


def _limit(model: LanguageModel, routing: Routing, row: int, prompt: Prompt, max_new_tokens: int) -> int:
    """Tokens that this row may have: a matched target must never be cut short, and nothing leaves the context."""
    match = routing.matches[row] if routing.matches else None
    wanted = max_new_tokens
    if match is not None and match.matched and match.entry is not None:
        wanted = max(wanted, len(match.entry.target_ids))
    return max(1, min(wanted, model.room(prompt)))


def _likeliest(model: LanguageModel, logits: torch.Tensor) -> tuple[tuple[str, float], ...]:
    """Each label with its probability, the likeliest first; () where an answer is text."""
    if not model.labels:
        return ()
    return tuple(sorted(zip(model.labels, logits.float().softmax(-1).tolist(), strict=True), key=lambda one: -one[1]))


def _generation(model: LanguageModel, prompt: Prompt, found: _Decoded) -> Generation:
    routing, row, ids = found.routing, found.row, found.ids
    truncated = not found.labels and ids[-1] not in model.eos_ids
    return Generation(
        prompt.text, model.text(ids), tuple(ids), routing.matches[row], truncated, routing.activations[row],
        found.given.about if found.given is not None else None, found.labels,
    )  # fmt: skip
