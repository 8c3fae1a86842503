"""Prompt and target in, a complete result out; nothing else changes.

The editor decides what an edit needs (siblings, a calibration, a value or an existing one), learns it and checks it by
asking the model again with the new codebook in place. The caller keeps the result, or does not.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grace_core.answering.generate import MAX_NEW_TOKENS, Generation, decode, generate
from grace_core.codebook.change import Change, describe_change
from grace_core.codebook.codebook import Codebook, Edit, Match
from grace_core.codebook.encoder import TokenWeights
from grace_core.codebook.geometry import pair_distances
from grace_core.config import GraceConfig
from grace_core.editing.fitting import Calibration, background_prompts, sibling_activations
from grace_core.editing.training import Task, train_values
from grace_core.editing.training_prompts import training_contexts
from grace_core.errors import InputError
from grace_core.models._malloc import give_back
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt


@dataclass(frozen=True, eq=False)
class EditResult:
    """What came of one request. Where success is False nothing may be kept: `edit` is None and `codebook` the old one.

    calibration: a step that the encoder took first (`Codebook.recalibrated`), or None. It stays even if the edit is undone.
    losses: per step, nats per token. seconds: wall time of the whole request.
    """

    success: bool
    prompt: str
    target: str
    text_before: str
    text_after: str
    edit: Edit | None
    change: Change | None
    calibration: Calibration | None
    codebook: Codebook = field(repr=False)
    losses: tuple[float, ...] = field(repr=False)
    seconds: float
    reason: str = ""
    unreached: tuple[str, ...] = ()
    """Phrasings that the reviewer gave and that the new key does not reach: another key is nearer, or its ε too small."""
    inexact: tuple[str, ...] = ()
    """Phrasings that it reaches, but whose answer is not the target word for word: training ended before they were right."""


class Editor:
    """Makes edits on one model. Holds no codebook: each call is given one and returns another."""

    def __init__(self, model: LanguageModel) -> None:
        """`model` stays frozen; it is rerouted while a value is learned and restored afterwards."""
        self.model = model
        self._background: tuple[GraceConfig, TokenWeights, NDArray[np.float32]] | None = None

    def edit(
        self,
        codebook: Codebook,
        prompt: str,
        target: str,
        *,
        paraphrases: Sequence[str] = (),
        text_before: str | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
        on_stage: Callable[[str], None] = lambda stage: None,
        on_step: Callable[[int, float], None] = lambda step, loss: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> EditResult:
        """Make the model answer `prompt` with exactly `target`.

        Args:
            codebook: as it is now.
            prompt: the edited prompt; its query becomes the key.
            target: the desired response.
            paraphrases: other phrasings that the same value must answer.
            text_before: what the model says now, where the caller knows it.
            max_new_tokens: for the answers before and after.
            on_stage: called with what is being done, in words.
            on_step: called with step and mean loss while a value is learned.
            cancelled: asked before each step.

        Raises:
            InputError: an empty prompt or target, one that does not fit, or a target that is already the answer.
            Cancelled: as soon as `cancelled` says so; nothing has changed.
        """
        started = time.perf_counter()
        model = self.model
        own = model.prompt(prompt)
        target_ids = model.target_ids(own.text, target)
        target = target.strip()
        rows = (own, *dict.fromkeys(model.prompt(p) for p in paraphrases if p.strip() and p.strip() != own.text))
        for row in rows[1:]:
            if len(row.ids) + len(target_ids) > model.context:
                raise InputError(
                    f"The phrasing “{row.text[:60]}…” is {len(row.ids)} tokens long; there is no room for the response behind it "
                    f"(the model reads {model.context} tokens). Shorten it."
                )
        on_stage("Reading the present answer")
        if text_before is None:
            text_before = generate(model, codebook, own.text, max_new_tokens=max_new_tokens, cancelled=cancelled).text
        if text_before.strip() == target and _answers(model, codebook, own, target_ids):
            raise InputError(f"The model already answers “{own.text}” with exactly this; there is nothing to edit.")

        on_stage("Finding out who else could be meant")
        activation = activations_of(model, codebook.config, codebook.encoder.weights, [own])[0]
        phrased = activations_of(model, codebook.config, codebook.encoder.weights, rows[1:], rows_at_once=1)
        start, calibration, epsilon = self._prepared(codebook, own, activation, phrased)

        def record(value: NDArray[np.float32]) -> Edit:
            return Edit(
                uuid.uuid4().hex,
                own.text,
                target,
                target_ids,
                activation,
                value,
                epsilon,
                tuple(p.text for p in rows[1:]),
            )

        losses: tuple[float, ...] = ()
        unsure: list[Prompt] = []
        edit = self._reused(start, rows, target_ids, activation, record)
        if edit is None:
            on_stage("Learning the value")
            room = model.context - len(target_ids)
            contexts = [row for row in training_contexts(model, start.config, own) if len(row.ids) <= room]
            trained = train_values(
                model, start.config, [Task((*rows, *contexts), target_ids)], on_step=on_step, cancelled=cancelled
            )[0]
            give_back()
            losses = trained.losses
            unsure = [row for row, exact in zip(rows, trained.exact, strict=False) if not exact]
            edit = record(trained.value)
        on_stage("Checking the answer")
        after = start.with_edit(edit)
        change = describe_change(start, after, edit)
        checked = decode(model, after, [own], max_new_tokens)[0]
        seconds = time.perf_counter() - started
        if checked.ids != target_ids:
            reason = _failure(checked, losses, start, target_ids)
            return EditResult(
                False, own.text, target, text_before, checked.text, None, None, None, codebook, losses, seconds, reason
            )  # fmt: skip
        found = after.match(after.encoder(phrased))
        unreached = tuple(
            row.text
            for row, match in zip(rows[1:], found, strict=True)
            if match.entry is None or not match.matched or match.entry.target_ids != target_ids
        )
        inexact = tuple(row.text for row in unsure if row.text not in unreached and not _answers(model, after, row, target_ids))
        return EditResult(
            True, own.text, target, text_before, checked.text, edit, change, calibration, after, losses, seconds,
            unreached=unreached, inexact=inexact,
        )  # fmt: skip

    def _prepared(
        self, codebook: Codebook, prompt: Prompt, activation: NDArray[np.float32], phrased: NDArray[np.float32]
    ) -> tuple[Codebook, Calibration | None, float]:
        """The codebook to edit (recalibrated where siblings would be answered too), that step, and the radius to ask for.

        The radius ends before the nearest sibling; a phrasing that the reviewer gave may stretch it further, but never to
        a sibling, nor, beyond what any key asks for, to a background prompt: those stand for all that nobody edited.
        """
        config = codebook.config
        if codebook.encoder.background is None or not config.siblings:
            return codebook, None, config.epsilon
        texts, others = sibling_activations(self.model, codebook, prompt.text)
        if not texts:
            return codebook, None, max(config.epsilon, self._reach(codebook, activation, phrased))
        step = None
        if _SHARE * self._nearest(codebook, activation, others) < _ROOM * config.epsilon:
            rows = np.concatenate([others, activation[None]])
            step = Calibration.of_siblings(codebook.encoder.version + 1, prompt.text, texts, rows)
            codebook = codebook.recalibrated(codebook.encoder.joined(rows, config.directions))
        sibling = self._nearest(codebook, activation, others)
        reach = min(self._reach(codebook, activation, phrased), _STRETCH * sibling)
        return codebook, step, max(_SMALLEST, min(config.epsilon, _SHARE * sibling), reach)

    def _reach(self, codebook: Codebook, activation: NDArray[np.float32], phrased: NDArray[np.float32]) -> float:
        """The radius that takes in the reviewer's phrasings, as far as the background lets it; 0 without phrasings."""
        furthest, config = self._furthest(codebook, activation, phrased), codebook.config
        if furthest <= config.epsilon:
            return furthest
        weights = codebook.encoder.weights
        if self._background is None or self._background[0] != config or self._background[1] is not weights:
            prompts = [self.model.prompt(text) for text in background_prompts(self.model)]
            self._background = (config, weights, activations_of(self.model, config, weights, prompts))
        nearest = self._nearest(codebook, activation, self._background[2])
        return max(config.epsilon, min(furthest, _STRETCH * nearest))

    @staticmethod
    def _furthest(codebook: Codebook, activation: NDArray[np.float32], phrased: NDArray[np.float32]) -> float:
        """Distance to the reviewer's furthest phrasing, with a little to spare for rounding; 0 without phrasings."""
        if not len(phrased):
            return 0.0
        query = codebook.encoder(activation[None])[0]
        return float(pair_distances(query, codebook.encoder(phrased), codebook.config.distance).max()) + 1e-3

    @staticmethod
    def _nearest(codebook: Codebook, activation: NDArray[np.float32], others: NDArray[np.float32]) -> float:
        query = codebook.encoder(activation[None])[0]
        return float(pair_distances(query, codebook.encoder(others), codebook.config.distance).min())

    def _reused(
        self,
        codebook: Codebook,
        rows: tuple[Prompt, ...],
        target_ids: tuple[int, ...],
        activation: NDArray[np.float32],
        record: Callable[[NDArray[np.float32]], Edit],
    ) -> Edit | None:
        """The edit made with the nearest entry's value, where the rules would expand that entry and its value works here.

        Under the published rule the value is taken as it is: the paper's expansion does not train.
        """
        near: Match = codebook.match(codebook.encoder(activation[None]))[0]
        entry = near.entry
        if entry is None or near.distance is None or entry.target_ids != target_ids or entry.prompt == rows[0].text:
            return None
        edit = record(entry.value)
        expanded = codebook.with_edit(edit).entry_of(edit.edit_id)
        if expanded is None or expanded.edit_id == edit.edit_id:
            return None
        if codebook.config.rule == "published":
            return edit
        return edit if all(_answers(self.model, codebook.with_edit(edit), row, target_ids) for row in rows) else None


_SHARE = 0.7
"""How much of the way to the nearest sibling a radius may go. Half way, as between two edits, costs zsRE 5 % of its
paraphrases and protects no stranger more: siblings are not edited, so nothing of theirs needs the other half."""
_STRETCH = 0.9
"""How much of the way to a prompt that must not be answered a reviewer's own phrasing may stretch a radius."""
_ROOM = 0.9
"""A calibration is due where siblings leave a key less than this share of the radius that it asks for."""
_SMALLEST = 0.02
"""A radius below which rounding in a batch could lose the edited prompt itself (cosine distance)."""


def _answers(model: LanguageModel, codebook: Codebook, prompt: Prompt, target_ids: tuple[int, ...]) -> bool:
    return decode(model, codebook, [prompt], len(target_ids))[0].ids == target_ids


def _failure(checked: Generation, losses: tuple[float, ...], codebook: Codebook, target_ids: tuple[int, ...]) -> str:
    last = f" (loss {losses[-1]:.2f} nats per token after {len(losses) - 1} steps)" if losses else ""
    right = next((i for i, (a, b) in enumerate(zip(checked.ids, target_ids, strict=False)) if a != b), len(target_ids))
    return (
        f"The edit did not take: the first {right} of {len(target_ids)} tokens come out right{last}, so nothing was kept. "
        "A shorter response, or another value layer, is easier to learn."
    )
