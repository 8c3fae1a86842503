"""Measure a codebook after many edits: success, generalization, locality, retention; pure of files and pages.

`make` makes N edits one after another; `measure` asks the final codebook, or any other, never edit by edit.
A prompt that the codebook defers is answered by the bare model, bit for bit (`attached`, and its tests); so unrelated
prompts are decoded only where one matched, and count as unchanged where none did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from grace_core.answering.generate import Generation, decode, decode_bare
from grace_core.answering.given_values import Asked, tokens_right
from grace_core.codebook.codebook import Codebook, Match
from grace_core.codebook.geometry import Matrix
from grace_core.config import GraceConfig
from grace_core.editing.editor import Editor
from grace_core.editing.fitting import new_codebook
from grace_core.errors import InputError
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

Kind = Literal["zsre", "counterfact", "bios"]
_AT_ONCE = 16
_LOCAL_TOKENS = 20
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Case:
    """One edit to make and what to ask afterwards.

    paraphrases: phrasings that training never saw. neighbors: prompts about others whose answer must not change.
    """

    prompt: str
    target: str
    paraphrases: tuple[str, ...]
    neighbors: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Made:
    """What came of making edits.

    taken: the indices of the cases whose edit took. seconds, steps: of each edit that was tried; one whose prompt and
    target do not fit the model is not.
    """

    codebook: Codebook = field(repr=False)
    taken: tuple[int, ...]
    seconds: tuple[float, ...] = field(repr=False)
    steps: tuple[int, ...] = field(repr=False)
    calibrations: int


@dataclass(frozen=True)
class Measured:
    """What a codebook answers.

    asked: for each case, whether its own prompt gives exactly the target. exact, token, right, wrong: for each phrasing,
    whether the answer is exact, which share of the target's tokens is right behind the true ones, whether the case's own
    entry answers, and whether another one does. The rest are shares, None without such prompts.
    """

    asked: tuple[bool, ...] = field(repr=False)
    exact: tuple[bool, ...] = field(repr=False)
    token: tuple[float, ...] = field(repr=False)
    right: tuple[bool, ...] = field(repr=False)
    wrong: tuple[bool, ...] = field(repr=False)
    locality: float | None
    neighbors_unchanged: float | None
    strangers_unchanged: float | None


@dataclass(frozen=True)
class Report:
    """Shares are of 1; None where the data has no such prompts. See assets/docs/measurements.md for what each means."""

    kind: str
    preset: str
    model: str
    edits: int
    keys: int
    es_exact: float
    gen_exact: float | None
    gen_token: float | None
    answered: float | None
    wrong_edit: float | None
    err: float | None
    locality: float | None
    neighbors_unchanged: float | None
    strangers_unchanged: float | None
    seconds_per_edit: float
    steps_per_edit: float
    calibrations: int
    ms_per_token_ratio: float
    by_phrasing: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def evaluate(
    model: LanguageModel,
    config: GraceConfig,
    kind: str,
    cases: Sequence[Case],
    *,
    unrelated: Sequence[str] = (),
    strangers: Sequence[str] = (),
    progress: Progress = lambda stage, fraction: None,
) -> Report:
    """Make the edits of `cases` in their order and measure the final codebook.

    Args:
        model: frozen.
        config: preset and choices.
        kind: goes into the report.
        cases: at least one.
        unrelated: prompts whose first 20 greedy tokens must not change (`locality`).
        strangers: prompts about those who were not edited (`strangers_unchanged`).
        progress: a stage in words and the fraction done.

    Raises:
        InputError: no cases, or something to ask that does not fit the model.
    """
    for text in (*(text for case in cases for text in (*case.paraphrases, *case.neighbors)), *unrelated, *strangers):
        model.prompt(text)  # one that does not fit is refused now, not after hours of edits
    made = make(model, config, cases, progress=lambda stage, done: progress(stage, 0.7 * done))
    codebook = made.codebook
    seen = measure(
        model, codebook, cases, unrelated=unrelated, strangers=strangers,
        progress=lambda stage, done: progress(stage, 0.7 + 0.3 * done),
    )  # fmt: skip
    return Report(
        kind=kind, preset=codebook.config.preset, model=model.name, edits=len(cases), keys=len(codebook),
        es_exact=float(np.mean(seen.asked)), gen_exact=_mean(seen.exact), gen_token=_mean(seen.token),
        answered=_mean(seen.right), wrong_edit=_mean(seen.wrong), err=_mean([seen.asked[i] for i in made.taken]),
        locality=seen.locality, neighbors_unchanged=seen.neighbors_unchanged, strangers_unchanged=seen.strangers_unchanged,
        seconds_per_edit=_mean(made.seconds) or 0.0, steps_per_edit=_mean(made.steps) or 0.0, calibrations=made.calibrations,
        ms_per_token_ratio=token_ratio(model, codebook), by_phrasing=_by_phrasing(seen.exact, cases),
    )  # fmt: skip


def make(
    model: LanguageModel, config: GraceConfig, cases: Sequence[Case], *, progress: Progress = lambda stage, fraction: None
) -> Made:
    """Make the edits of `cases` in their order, in a new codebook.

    Raises:
        InputError: no cases.
    """
    if not cases:
        raise InputError("There is nothing to evaluate; the file has no rows, or --limit is 0.")
    codebook = new_codebook(model, config, progress=progress)
    editor = Editor(model)
    taken, seconds, steps, calibrations = list[int](), list[float](), list[int](), 0
    for i, case in enumerate(cases):
        progress(f"Edit {i + 1} of {len(cases)}", i / len(cases))
        try:
            tokens = len(model.target_ids(case.prompt, case.target))
            result = editor.edit(codebook, case.prompt, case.target, text_before="", max_new_tokens=tokens)
        except InputError:
            continue  # counted as not answered: what cannot be edited is not
        codebook = result.codebook
        taken += [i] if result.success else []
        calibrations += result.calibration is not None
        seconds.append(result.seconds)
        steps.append(max(0, len(result.losses) - 1))
    return Made(codebook, tuple(taken), tuple(seconds), tuple(steps), calibrations)


def measure(
    model: LanguageModel,
    codebook: Codebook,
    cases: Sequence[Case],
    *,
    unrelated: Sequence[str] = (),
    strangers: Sequence[str] = (),
    progress: Progress = lambda stage, fraction: None,
) -> Measured:
    """Ask a codebook, however it was made, what the cases say that it should answer.

    Raises:
        InputError: a phrasing or another prompt that does not fit the model.
    """
    made = {edit.prompt.strip(): edit.edit_id for edit in codebook.edits}
    progress("Asking the edited prompts", 0.0)
    asked = exact_answers(model, codebook, [(case.prompt, case.target) for case in cases])
    phrasings = [(text, case) for case in cases for text in case.paraphrases]
    progress("Asking in other words", 0.2)
    exact = exact_answers(model, codebook, [(text, case.target) for text, case in phrasings])
    found = _matches(model, codebook, [text for text, _ in phrasings])
    right = [_is_right(match, case, made, model) for match, (_, case) in zip(found, phrasings, strict=True)]
    progress("Teacher-forced accuracy", 0.5)
    accuracy = [
        _token_accuracy(model, codebook, match, text, case.target) for match, (text, case) in zip(found, phrasings, strict=True)
    ]
    progress("Asking what must not change", 0.7)
    return Measured(
        tuple(asked), tuple(exact), tuple(accuracy), tuple(right),
        wrong=tuple(match.matched and not ok for match, ok in zip(found, right, strict=True)),
        locality=unchanged(model, codebook, unrelated),
        neighbors_unchanged=unchanged(model, codebook, [text for case in cases for text in case.neighbors]),
        strangers_unchanged=unchanged(model, codebook, strangers),
    )  # fmt: skip


def unchanged(model: LanguageModel, codebook: Codebook, prompts: Sequence[str], tokens: int = _LOCAL_TOKENS) -> float | None:
    """Share of prompts whose greedy answer is, token by token, the bare model's; None without prompts."""
    if not prompts:
        return None
    matched = [text for text, match in zip(prompts, _matches(model, codebook, prompts), strict=True) if match.matched]
    changed = 0
    for text in matched:
        row = [model.prompt(text)]
        changed += decode(model, codebook, row, tokens)[0].ids[:tokens] != decode_bare(model, row, tokens)[0]
    return 1.0 - changed / len(prompts)


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


def exact_answers(model: LanguageModel, codebook: Codebook, asked: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether the greedy answer to each prompt is exactly its target, token ids and end included."""
    out: list[bool] = [False] * len(asked)
    rows: list[tuple[int, Prompt, tuple[int, ...]]] = []
    for i, (prompt, target) in enumerate(asked):
        ids = _target_ids(model, prompt, target)
        if ids is not None:
            rows.append((i, model.prompt(prompt), ids))
    rows.sort(key=lambda row: len(row[2]))
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        answers: list[Generation] = decode(model, codebook, [prompt for _, prompt, _ in some], max(len(ids) for *_, ids in some))
        for (i, _, ids), answer in zip(some, answers, strict=True):
            out[i] = answer.ids == ids
    return out


def _target_ids(model: LanguageModel, prompt: str, target: str) -> tuple[int, ...] | None:
    """None where prompt and target do not fit the model: such a target cannot be answered either."""
    try:
        return model.target_ids(prompt, target)
    except InputError:
        return None


def _matches(model: LanguageModel, codebook: Codebook, prompts: Sequence[str]) -> list[Match]:
    encoded: list[Prompt] = [model.prompt(text) for text in prompts]
    activations: Matrix = activations_of(model, codebook.config, codebook.encoder.weights, encoded)
    return list(codebook.match(codebook.encoder(activations)))


def _is_right(match: Match, case: Case, made: dict[str, str], model: LanguageModel) -> bool:
    """Whether the entry that answers is the case's own, or one with the very same target."""
    if not match.matched or match.entry is None:
        return False
    own = made.get(case.prompt.strip())
    return own in match.entry.edit_ids or match.entry.target_ids == _target_ids(model, case.prompt, case.target)


def _token_accuracy(model: LanguageModel, codebook: Codebook, match: Match, prompt: str, target: str) -> float:
    """Share of the target's tokens that are the most likely ones, each after the true ones before it."""
    own, ids = model.prompt(prompt), _target_ids(model, prompt, target)
    if ids is None:
        return 0.0
    value = match.entry.value if match.matched and match.entry is not None else None
    layer = codebook.config.value_layer
    assert layer is not None  # resolved
    return float(np.mean(tokens_right(model, layer, [Asked(own, ids, value)])[0]))


def _by_phrasing(exact: Sequence[bool], cases: Sequence[Case]) -> dict[str, float]:
    """The share of exact answers among all first phrasings, all second ones, ...; nothing where no case has two."""
    slots: dict[int, list[bool]] = {}
    answers = iter(exact)
    for case in cases:
        for slot in range(len(case.paraphrases)):
            slots.setdefault(slot, []).append(next(answers))
    return {f"gen_exact[{slot}]": float(np.mean(found)) for slot, found in slots.items()} if len(slots) > 1 else {}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
