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
from grace_core.answering.given_values import gives_target
from grace_core.codebook.change import Change, describe_change
from grace_core.codebook.codebook import Codebook, Edit, Match
from grace_core.codebook.geometry import Matrix
from grace_core.config import MAX_PHRASINGS
from grace_core.editing.fitting import Calibration
from grace_core.editing.radius import Radii, Reach, Readings
from grace_core.editing.training import Task, train_values
from grace_core.editing.training_prompts import training_contexts
from grace_core.errors import InputError
from grace_core.models._malloc import give_back
from grace_core.models.activations import activations_of, stop_if
from grace_core.models.family import Asked
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


@dataclass(frozen=True)
class _Request:
    """What is asked for, as the model sees it. phrasings: the given ones, then those of the edit that this one replaces."""

    own: Prompt
    target: str
    target_ids: tuple[int, ...]
    phrasings: tuple[Prompt, ...]

    @property
    def rows(self) -> tuple[Prompt, ...]:
        """All that the value must answer."""
        return (self.own, *self.phrasings)


@dataclass(frozen=True)
class _Watch:
    """Who looks on while an edit is made."""

    stage: Callable[[str], None]
    step: Callable[[int, float], None]
    cancelled: Callable[[], bool]


@dataclass(frozen=True, eq=False)
class _Learned:
    """An edit with its value. unsure: phrasings that training ended without getting right."""

    edit: Edit
    losses: tuple[float, ...] = ()
    unsure: tuple[Prompt, ...] = ()


class Editor:
    """Makes edits on one model. Holds no codebook: each call is given one and returns another."""

    def __init__(self, model: LanguageModel) -> None:
        """`model` stays frozen; it is rerouted while a value is learned and restored afterwards."""
        self.model = model
        self._radii = Radii(model)

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
            paraphrases: other phrasings that the same value must answer, at most `MAX_PHRASINGS`. Those of an edit of the
                same prompt with the same target, which this one replaces, are kept.
            text_before: what the model says now, where the caller knows it.
            max_new_tokens: for the answers before and after.
            on_stage: called with what is being done, in words.
            on_step: called with step and mean loss while a value is learned.
            cancelled: asked before each prompt that is read, each step and each answer that is checked.

        Raises:
            InputError: an empty prompt or target, one that does not fit, too many phrasings, or a target that is already
                the answer to the prompt and to all phrasings.
            Cancelled: as soon as `cancelled` says so; nothing has changed.
        """
        started, watch = time.perf_counter(), _Watch(on_stage, on_step, cancelled)
        request = self._request(codebook, prompt, target, paraphrases)
        on_stage("Reading the present answer")
        own = request.own
        if text_before is None:
            text_before = generate(self.model, codebook, own.text, max_new_tokens=max_new_tokens, cancelled=cancelled).text
        if text_before.strip() == request.target:
            self._refuse_what_is_said_already(codebook, request, cancelled)
        on_stage("Finding out who else could be meant")
        readings = Readings(self._read(codebook, (own,), cancelled)[0], self._read(codebook, request.phrasings, cancelled))
        reach = self._radii.reach(codebook, own, readings, cancelled)
        learned = self._reused(reach, request, readings, watch) or self._learned(reach, request, readings, watch)

        on_stage("Checking the answer")
        after = reach.codebook.with_edit(learned.edit)
        checked = decode(self.model, after, [own], max_new_tokens, lambda row, token: stop_if(cancelled))[0]
        seconds = time.perf_counter() - started
        if checked.ids != request.target_ids:
            return EditResult(
                False, own.text, request.target, text_before, checked.text, None, None, None, codebook, learned.losses,
                seconds, _failure(checked, learned.losses, request.target_ids),
            )  # fmt: skip
        unreached, inexact = self._missed(after, request, readings, learned.unsure, cancelled)
        return EditResult(
            True, own.text, request.target, text_before, checked.text, learned.edit,
            describe_change(reach.codebook, after, learned.edit), reach.calibration, after, learned.losses, seconds,
            unreached=unreached, inexact=inexact,
        )  # fmt: skip

    def _request(self, codebook: Codebook, prompt: str, target: str, paraphrases: Sequence[str]) -> _Request:
        """The request in tokens.

        Raises:
            InputError: see `edit`.
        """
        model = self.model
        own = model.prompt(prompt)
        target_ids = model.target_ids(own.text, target)
        given = [text for text in dict.fromkeys(text.strip() for text in paraphrases) if text and text != own.text]
        if len(given) > MAX_PHRASINGS:
            raise InputError(
                f"There are {len(given)} phrasings; an edit takes at most {MAX_PHRASINGS}, and a few that differ do as much. "
                "Leave some out."
            )
        old = next((e for e in reversed(codebook.edits) if e.prompt == own.text and codebook.entry_of(e.edit_id)), None)
        kept = old.paraphrases if old is not None and old.target_ids == target_ids else ()
        texts = list(dict.fromkeys((*given, *kept)))[:MAX_PHRASINGS]
        phrasings = tuple(model.prompt(text) for text in texts)
        for row in phrasings:
            if len(target_ids) > model.room(row):
                raise InputError(
                    f"The phrasing “{row.text[:60]}…” is {len(row.ids)} tokens long; there is no room for the response behind it "
                    f"(the model reads {model.context} tokens). Shorten it."
                )
        return _Request(own, target.strip(), target_ids, phrasings)

    def _read(self, codebook: Codebook, rows: Sequence[Prompt], cancelled: Callable[[], bool]) -> Matrix:
        """(rows, width) activations, each read alone: they do not depend on what they are batched with."""
        return activations_of(self.model, codebook.reader, rows, rows_at_once=1, cancelled=cancelled)

    def _refuse_what_is_said_already(self, codebook: Codebook, request: _Request, cancelled: Callable[[], bool]) -> None:
        """The text is the target. Token for token, and after every phrasing, too? Then an edit would change nothing."""
        rows = request.rows
        queries = codebook.encoder(self._read(codebook, rows, cancelled))
        if all(self._answered(codebook, rows, codebook.match(queries), request.target_ids, cancelled)):
            asked = f"“{request.own.text}”"
            if request.phrasings:
                asked += " and its phrasing" if len(request.phrasings) == 1 else f" and its {len(request.phrasings)} phrasings"
            raise InputError(f"The model already answers {asked} with exactly this; there is nothing to edit.")

    def _answered(
        self, codebook: Codebook, rows: Sequence[Prompt], matches: Sequence[Match], target_ids: tuple[int, ...],
        cancelled: Callable[[], bool],
    ) -> tuple[bool, ...]:  # fmt: skip
        """Whether the codebook gives exactly the target after each of these rows, of which it says this."""
        layer = codebook.config.value_layer
        assert layer is not None  # resolved
        asked = [
            Asked(row, target_ids, match.entry.value if match.entry is not None and match.matched else None)
            for row, match in zip(rows, matches, strict=True)
        ]
        return gives_target(self.model, layer, asked, cancelled)

    def _reused(self, reach: Reach, request: _Request, readings: Readings, watch: _Watch) -> _Learned | None:
        """The edit made with the nearest entry's value, where the rules would expand that entry and its value works here.

        Under the published rule the value is taken as it is: the paper's expansion does not train.
        """
        codebook = reach.codebook
        entry = codebook.match(codebook.encoder(readings.own[None]))[0].entry
        if entry is None or entry.target_ids != request.target_ids or entry.prompt == request.own.text:
            return None
        edit = _recorded(reach, request, readings, entry.value)
        after = codebook.with_edit(edit)
        expanded = after.entry_of(edit.edit_id)
        if expanded is None or expanded.edit_id == edit.edit_id:
            return None
        if codebook.config.rule == "separated":
            matches = after.match(after.encoder(np.concatenate([readings.own[None], readings.phrasings])))
            if not all(self._answered(after, request.rows, matches, request.target_ids, watch.cancelled)):
                return None
        return _Learned(edit)

    def _learned(self, reach: Reach, request: _Request, readings: Readings, watch: _Watch) -> _Learned:
        """The edit with a value of its own, trained on its rows and on contexts that leave room for the target."""
        watch.stage("Learning the value")
        model, config = self.model, reach.codebook.config
        contexts = [row for row in training_contexts(model, config, request.own) if len(request.target_ids) <= model.room(row)]
        task = Task((*request.rows, *contexts), request.target_ids)
        trained = train_values(model, config, [task], on_step=watch.step, cancelled=watch.cancelled)[0]
        give_back()
        unsure = tuple(row for row, exact in zip(request.phrasings, trained.exact[1:], strict=False) if not exact)
        return _Learned(_recorded(reach, request, readings, trained.value), trained.losses, unsure)

    def _missed(
        self, after: Codebook, request: _Request, readings: Readings, unsure: Sequence[Prompt], cancelled: Callable[[], bool]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Phrasings that the new codebook does not reach, and those (of the unsure ones) that it answers in other words."""
        matches = dict(zip(request.phrasings, after.match(after.encoder(readings.phrasings)), strict=True))
        unreached = tuple(
            row.text
            for row, match in matches.items()
            if match.entry is None or not match.matched or match.entry.target_ids != request.target_ids
        )
        rows = [row for row in unsure if row.text not in unreached]
        exact = self._answered(after, rows, [matches[row] for row in rows], request.target_ids, cancelled)
        return unreached, tuple(row.text for row, right in zip(rows, exact, strict=True) if not right)


def _recorded(reach: Reach, request: _Request, readings: Readings, value: NDArray[np.float32]) -> Edit:
    """The edit as a codebook keeps it. value: (positions, width)."""
    phrasings = tuple(row.text for row in request.phrasings)
    return Edit(
        uuid.uuid4().hex, request.own.text, request.target, request.target_ids, readings.own, value, reach.epsilon, phrasings,
        reach.subject_epsilon,
    )  # fmt: skip


def _failure(checked: Generation, losses: tuple[float, ...], target_ids: tuple[int, ...]) -> str:
    last = f" (loss {losses[-1]:.2f} nats per token after {len(losses) - 1} steps)" if losses else ""
    right = next((i for i, (a, b) in enumerate(zip(checked.ids, target_ids, strict=False)) if a != b), len(target_ids))
    return (
        f"The edit did not take: the first {right} of {len(target_ids)} tokens come out right{last}, so nothing was kept. "
        "A shorter response, or another value layer, is easier to learn."
    )
