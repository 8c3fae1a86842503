"""Measure a codebook after many edits: success, generalization, locality, retention; pure of files and pages.

`make` makes N edits one after another; `measure` asks the final codebook, or any other, never edit by edit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from grace_core.answering.generate import decode, decode_bare
from grace_core.codebook.codebook import Codebook
from grace_core.config import GraceConfig
from grace_core.editing.editor import Editor
from grace_core.editing.new_codebook import new_codebook
from grace_core.editing.training_prompts import training_contexts
from grace_core.errors import InputError
from grace_core.measuring.asking import (
    Answer,
    agreeing,
    answers,
    fitting_prompt,
    target_ids,
    token_accuracies,
    unchanged_and_deferred,
)
from grace_core.measuring.in_context import as_json, with_facts
from grace_core.measuring.measures import FREE, MEASURES, PARAPHRASES, Case, Share, asked_of, contained, unchanged_of
from grace_core.measuring.protocols import MOST_TOKENS
from grace_core.models.language_model import LanguageModel

Progress = Callable[[str, float], None]
Elsewhere = Mapping[str, Sequence[str]]
"""By measure, prompts that belong to no case and that no edit may change."""
Mode = Literal["edits", "routing", "retrieval"]
"""Whether values were learned and answers decoded, or stored texts returned: by the same keys, or by a sentence encoder's."""


@dataclass(frozen=True)
class Checked:
    """Cases and prompts of no case, less what says nothing; `excluded` is how many prompts that is.

    An answer to a prompt that training sees says nothing of others, and one that is edited itself cannot stay as it is.
    """

    cases: tuple[Case, ...]
    elsewhere: Elsewhere
    excluded: int


@dataclass(frozen=True, eq=False)
class Made:
    """What came of making edits.

    taken: the indices of the cases whose edit took. slips: of the others that were tried, how many tokens of the target came
    out right. seconds, steps: of each edit that was tried; one whose prompt and target do not fit the model is not.
    """

    codebook: Codebook = field(repr=False)
    taken: tuple[int, ...]
    slips: dict[int, int] = field(repr=False)
    seconds: tuple[float, ...] = field(repr=False)
    steps: tuple[int, ...] = field(repr=False)
    calibrations: int


@dataclass(frozen=True, eq=False)
class Measured:
    """What a codebook answers.

    answers: by measure, of each prompt that must be answered, in the order of the cases. shares: by measure.
    lookup: by measure, what a table of stored texts would reach through the same keys. gen_token: see `token_accuracies`.
    """

    answers: Mapping[str, tuple[Answer, ...]] = field(repr=False)
    shares: Mapping[str, Share]
    lookup: Mapping[str, Share]
    gen_token: float | None


@dataclass(frozen=True)
class Report:
    """What is said of one run. See assets/docs/measurements.md for what each figure means.

    shares, lookup: by measure; what has no prompts is not there. figures: what is no share of prompts.
    tokens_before_slip: by measure, quartiles over answers. curve: shares at other ε, where keys alone were made.
    distances: then also, by measure, of each prompt to the nearest key; None: that key has another target than the prompt's own.
    excluded: how many prompts were not asked, see `Checked`. in_context: by kind of question, what facts before a prompt bring.
    """

    kind: str
    mode: Mode
    model: str
    config: GraceConfig
    edits: int
    keys: int
    shares: Mapping[str, Share]
    lookup: Mapping[str, Share] = field(default_factory=dict)
    figures: Mapping[str, float | None] = field(default_factory=dict)
    by_phrasing: Mapping[str, float] = field(default_factory=dict)
    tokens_before_slip: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    curve: Mapping[float, Mapping[str, Share]] = field(default_factory=dict)
    distances: Mapping[str, Sequence[float | None]] = field(default_factory=dict, repr=False)
    excluded: int = 0
    in_context: dict[str, dict[str, Share]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: each measure is a number, or None where the data has no such prompts."""
        return {
            "kind": self.kind, "mode": self.mode, "model": self.model, "preset": self.config.preset,
            "config": self.config.to_dict(), "edits": self.edits, "keys": self.keys, "excluded": self.excluded,
            **dict.fromkeys(MEASURES), **_values(self.shares), **self.figures,
            "intervals": {name: list(share.interval) for name, share in self.shares.items()},
            "counts": {name: [share.hits, share.of] for name, share in self.shares.items()},
            "lookup": _values(self.lookup), "by_phrasing": dict(self.by_phrasing),
            "tokens_before_slip": {name: dict(found) for name, found in self.tokens_before_slip.items()},
            "curve": [{"epsilon": epsilon, **_values(shares)} for epsilon, shares in self.curve.items()],
            "distances": {name: list(found) for name, found in self.distances.items()}, "in_context": as_json(self.in_context),
        }  # fmt: skip


def evaluate(
    model: LanguageModel,
    config: GraceConfig,
    kind: str,
    cases: Sequence[Case],
    *,
    elsewhere: Elsewhere | None = None,
    in_context: bool = False,
    progress: Progress = lambda stage, fraction: None,
) -> Report:
    """Make the edits of `cases` in their order and measure the final codebook.

    Args:
        model: frozen.
        config: preset and choices.
        kind: goes into the report.
        cases: at least one.
        elsewhere: prompts of no case that no edit may change, by measure (`locality`, `strangers_unchanged`).
        in_context: also ask what the cases know the right answers to, with and without facts before the prompts.
        progress: a stage in words and the fraction done.

    Raises:
        InputError: no cases, something to ask that does not fit the model, or nothing to ask with facts.
    """
    run, given = checked(model, config, cases, elsewhere or {}), cases
    if in_context and config.distance != "two_keys":
        raise InputError(f"No fact is put before a prompt with the preset {config.preset}; it does not tell who it is about.")
    if in_context and not any(case.known for case in cases):
        raise InputError(f"Nothing can be asked with facts: no {kind} row has a question with a known right answer.")
    cases = run.cases
    made = make(model, config, cases, progress=lambda stage, done: progress(stage, 0.7 * done))
    codebook = made.codebook
    seen = measure(
        model, codebook, cases, elsewhere=run.elsewhere, progress=lambda stage, done: progress(stage, 0.7 + 0.2 * done)
    )  # fmt: skip
    facts = with_facts(model, codebook, cases, lambda stage, done: progress(stage, 0.9 + 0.1 * done)) if in_context else {}
    own = seen.answers["es_exact"]
    shares = dict(seen.shares)
    if made.taken:
        shares["err"] = Share(sum(own[i].exact for i in made.taken), len(made.taken))
    figures: dict[str, float | None] = {
        "gen_token": seen.gen_token, "calibrations": made.calibrations,
        "steps_per_edit": _mean(made.steps) or 0.0, "seconds_per_edit": _mean(made.seconds) or 0.0,
        "ms_per_token_ratio": token_ratio(model, codebook),
    }  # fmt: skip
    slips = {name: [answer.slip for answer in seen.answers[name]] for name in ("es_exact", "gen_exact") if name in seen.answers}
    slips["es_exact"] = [made.slips.get(i, slip) for i, slip in enumerate(slips["es_exact"])]
    return Report(
        kind, "edits", model.name, codebook.config, len(cases), len(codebook), shares, seen.lookup, figures,
        _by_phrasing(seen.answers.get("gen_exact", ()), given, cases), {name: _quartiles(found) for name, found in slips.items()},
        excluded=run.excluded, in_context=facts,
    )  # fmt: skip


def checked(model: LanguageModel, config: GraceConfig, cases: Sequence[Case], elsewhere: Elsewhere) -> Checked:
    """What can be asked of these cases.

    Raises:
        InputError: no cases, or something to ask that does not fit the model: now, not after hours of edits.
    """
    if not cases:
        raise InputError("There is nothing to evaluate; the file has no rows, or --limit is 0.")
    found = [text for texts in elsewhere.values() for text in texts]
    found += [text for case in cases for group in (case.asked, case.unchanged) for texts in group.values() for text in texts]
    for text in [*found, *(text for case in cases for questions in case.known.values() for text, _ in questions)]:
        model.prompt(text)
    edited = {case.prompt.strip() for case in cases}
    kept = list[Case]()
    for case in cases:
        own = fitting_prompt(model, case.prompt)
        seen = {row.text for row in training_contexts(model, config, own)} if own is not None else set()
        kept.append(replace(case, asked=_without(case.asked, seen), unchanged=_without(case.unchanged, edited)))
    rest = _without(elsewhere, edited)
    left = sum(len(texts) for case in kept for group in (case.asked, case.unchanged) for texts in group.values())
    return Checked(tuple(kept), rest, len(found) - left - sum(len(texts) for texts in rest.values()))


def _without(group: Mapping[str, Sequence[str]], unfit: Collection[str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(text for text in texts if text.strip() not in unfit) for name, texts in group.items()}


def make(
    model: LanguageModel, config: GraceConfig, cases: Sequence[Case], *, progress: Progress = lambda stage, fraction: None
) -> Made:
    """Make the edits of `cases` in their order, in a new codebook."""
    codebook = new_codebook(model, config, progress=progress)
    editor = Editor(model)
    taken, slips, seconds, steps, calibrations = list[int](), dict[int, int](), list[float](), list[int](), 0
    for i, case in enumerate(cases):
        progress(f"Edit {i + 1} of {len(cases)}", i / len(cases))
        ids = target_ids(model, case.prompt, case.target)
        if not ids:
            continue  # counted as not answered: what cannot be edited is not
        try:
            result = editor.edit(codebook, case.prompt, case.target, text_before="", max_new_tokens=len(ids))
        except InputError:
            continue
        codebook = result.codebook
        if result.success:
            taken.append(i)
        else:
            slips[i] = agreeing(target_ids(model, case.prompt, result.text_after), ids)
        calibrations += result.calibration is not None
        seconds.append(result.seconds)
        steps.append(max(0, len(result.losses) - 1))
    return Made(codebook, tuple(taken), slips, tuple(seconds), tuple(steps), calibrations)


def measure(
    model: LanguageModel,
    codebook: Codebook,
    cases: Sequence[Case],
    *,
    elsewhere: Elsewhere | None = None,
    progress: Progress = lambda stage, fraction: None,
) -> Measured:
    """Ask a codebook, however it was made, what the cases say that it should answer.

    Raises:
        InputError: a prompt that must not change and does not fit the model.
    """
    asked, still = asked_of(cases), unchanged_of(cases, elsewhere or {})
    groups = len(asked) + len(still) + 1
    found, shares, lookup = dict[str, tuple[Answer, ...]](), dict[str, Share](), dict[str, Share]()
    for done, (name, rows) in enumerate(asked.items()):
        progress(f"Asking what edits must answer: {name}", done / groups)
        free = MOST_TOKENS if name in FREE else 0
        said = found[name] = tuple(answers(model, codebook, [(text, case.target) for text, case in rows], free))
        _put(shares, name, [answer.exact for answer in said])
        _put(lookup, name, [answer.right for answer in said])
        if free:
            _put(shares, contained(name), [answer.contains for answer in said])
    progress("Teacher-forced accuracy", len(asked) / groups)
    paraphrases = [name for name in PARAPHRASES if name in asked]
    forced = token_accuracies(
        model, codebook, [(text, case.target) for name in paraphrases for text, case in asked[name]],
        [answer.match for name in paraphrases for answer in found[name]],
    )  # fmt: skip
    for done, (name, texts) in enumerate(still.items(), len(asked) + 1):
        progress(f"Asking what must not change: {name}", done / groups)
        kept = unchanged_and_deferred(model, codebook, texts)
        _put(shares, name, [stays for stays, _ in kept])
        _put(lookup, name, [deferred for _, deferred in kept])
    said = tuple(answer for name in paraphrases for answer in found[name])
    _put(shares, "answered", [answer.right for answer in said])
    _put(shares, "wrong_edit", [answer.wrong for answer in said])
    others = [answer for name in asked if name != "es_exact" for answer in found[name]]
    _put(shares, "reached_inexact", [not answer.exact for answer in others if answer.right])
    return Measured(found, shares, lookup, _mean(forced))


def token_ratio(model: LanguageModel, codebook: Codebook, tokens: int = 40, rounds: int = 5) -> float:
    """Time of a deferred 40-token answer with the codebook over the bare model's: median of paired rounds."""
    row = [model.prompt("Tell me about the weather.")]
    ratios = []
    for _ in range(rounds):
        spent = []
        for work in (lambda: decode(model, codebook, row, tokens), lambda: decode_bare(model, row, tokens)):
            began = time.perf_counter()
            work()
            spent.append(time.perf_counter() - began)
        ratios.append(spent[0] / spent[1])
    return float(np.median(ratios))


def _put(shares: dict[str, Share], name: str, found: Sequence[bool]) -> None:
    share = Share.counted(found)
    if share is not None:
        shares[name] = share


def _by_phrasing(said: Sequence[Answer], given: Sequence[Case], cases: Sequence[Case]) -> dict[str, float]:
    """The share of exact answers among all first phrasings, all second ones, ...; nothing where no case has two.

    given: the cases with those phrasings that were not asked.
    """
    slots: dict[int, list[bool]] = {}
    rest = iter(said)
    for whole, case in zip(given, cases, strict=True):
        for slot, text in enumerate(whole.asked.get("gen_exact", ())):
            if text in case.asked["gen_exact"]:
                slots.setdefault(slot, []).append(next(rest).exact)
    return {f"gen_exact[{slot}]": float(np.mean(slots[slot])) for slot in sorted(slots)} if len(slots) > 1 else {}


def _quartiles(found: Sequence[int]) -> dict[str, float]:
    names = ("lower_quartile", "median", "upper_quartile")
    return dict(zip(names, np.percentile(found, (25, 50, 75)).tolist(), strict=True))


def _values(shares: Mapping[str, Share]) -> dict[str, float]:
    return {name: share.value for name, share in shares.items()}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
