"""Where prompts are routed, at one ε and at others: what a lookup table of stored texts would say; nothing is learned or decoded.

Keys and radii are made as the editor makes them, at the largest ε that is asked about, and each prompt is read once. At a
smaller ε a key asks for that, or for what siblings left it, whichever is less; other keys cap it as ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from grace_core.codebook.codebook import Codebook, Edit, Match
from grace_core.config import GraceConfig
from grace_core.editing.new_codebook import new_codebook
from grace_core.editing.radius import Radii, Readings
from grace_core.errors import InputError
from grace_core.measuring.asking import fitting_prompt, queries_of, read
from grace_core.measuring.evaluate import Elsewhere, Progress, Report, checked
from grace_core.measuring.measures import PARAPHRASES, Case, Share, asked_of, unchanged_of
from grace_core.models.language_model import LanguageModel

Said = Mapping[str, str | None]
"""Of each prompt the stored text that answers it; None: no edit does."""


def routed(
    model: LanguageModel,
    config: GraceConfig,
    kind: str,
    cases: Sequence[Case],
    *,
    elsewhere: Elsewhere | None = None,
    epsilons: Sequence[float] = (),
    progress: Progress = lambda stage, fraction: None,
) -> Report:
    """`evaluate` without values: a prompt counts as answered where the right edit would answer it, as unchanged where none would.

    Args:
        model: frozen.
        config: preset and choices; the report's shares are those at its ε.
        kind: goes into the report.
        cases: at least one.
        elsewhere: prompts of no case that no edit may change, by measure.
        epsilons: the report's curve gives the shares at each of these.
        progress: a stage in words and the fraction done.

    Raises:
        InputError: no cases, or something to ask that does not fit the model.
    """
    run = checked(model, config, cases, elsewhere or {})
    widest = replace(config, epsilon=max(config.epsilon, *epsilons, 0.0))
    began = time.perf_counter()
    codebook = keyed(model, widest, run.cases, progress=lambda stage, done: progress(stage, 0.6 * done))
    seconds = (time.perf_counter() - began) / len(run.cases)
    progress("Reading what is asked", 0.6)
    texts = [text for text in texts_of(run.cases, run.elsewhere) if fitting_prompt(model, text) is not None]
    queries = queries_of(model, codebook, texts)

    def said_at(epsilon: float) -> Said:
        matches = at_epsilon(codebook, epsilon).match(queries)
        return {
            text: match.entry.target if match.entry is not None and match.matched else None
            for text, match in zip(texts, matches, strict=True)
        }

    progress("Matching", 0.9)
    nearest = dict(zip(texts, codebook.match(queries), strict=True))
    return Report(
        kind, "routing", model.name, replace(codebook.config, epsilon=config.epsilon), len(run.cases),
        len(at_epsilon(codebook, config.epsilon)), shares_of(run.cases, run.elsewhere, said_at(config.epsilon)),
        figures={"seconds_per_edit": seconds}, curve=curve_of(run.cases, run.elsewhere, said_at, epsilons),
        distances=distances_of(run.cases, run.elsewhere, nearest), excluded=run.excluded,
    )  # fmt: skip


def keyed(
    model: LanguageModel, config: GraceConfig, cases: Sequence[Case], *, progress: Progress = lambda stage, fraction: None
) -> Codebook:
    """A codebook with the keys and radii of these cases, in their order; the values stand in and answer nothing."""
    codebook = new_codebook(model, config, progress=progress)
    radii = Radii(model)
    for number, case in enumerate(cases, 1):
        progress(f"Key {number} of {len(cases)}", number / len(cases))
        with suppress(InputError):  # what cannot be edited has no key
            codebook = _with_key(model, radii, codebook, case, number)
    return codebook


def _with_key(model: LanguageModel, radii: Radii, codebook: Codebook, case: Case, number: int) -> Codebook:
    own, target = model.prompt(case.prompt), case.target.strip()
    ids = model.target_ids(own.text, target)
    activation = read(model, codebook, [own], rows_at_once=1)[0]
    reach = radii.reach(codebook, own, Readings(activation, np.empty((0, len(activation)), np.float32)), lambda: False)
    # Each its own, or edits with one target would share a key as if one value served them.
    value = np.full((1, model.width), number, dtype=np.float32)
    edit = Edit(f"key-{number}", own.text, target, ids, activation, value, reach.epsilon, subject_epsilon=reach.subject_epsilon)
    return reach.codebook.with_edit(edit)


def at_epsilon(codebook: Codebook, epsilon: float) -> Codebook:
    """The same keys, none asking for more than this."""
    return codebook.with_epsilons({edit.edit_id: min(epsilon, edit.epsilon) for edit in codebook.edits})


def texts_of(cases: Sequence[Case], elsewhere: Elsewhere) -> tuple[str, ...]:
    """Everything that is asked, each once."""
    asked = [text for rows in asked_of(cases).values() for text, _ in rows]
    still = [text for texts in unchanged_of(cases, elsewhere).values() for text in texts]
    return tuple(dict.fromkeys([*asked, *still]))


def shares_of(cases: Sequence[Case], elsewhere: Elsewhere, said: Said) -> dict[str, Share]:
    """By measure, the share of prompts that get their own stored text, or that get none."""
    found: dict[str, Share | None] = {}
    paraphrases = list[tuple[str | None, str]]()
    for name, rows in asked_of(cases).items():
        given = [(said.get(text), case.target.strip()) for text, case in rows]
        found[name] = Share.counted(text == target for text, target in given)
        paraphrases += given if name in PARAPHRASES else []
    for name, texts in unchanged_of(cases, elsewhere).items():
        found[name] = Share.counted(said.get(text) is None for text in texts)
    found["answered"] = Share.counted(text == target for text, target in paraphrases)
    found["wrong_edit"] = Share.counted(text not in (None, target) for text, target in paraphrases)
    return {name: share for name, share in found.items() if share is not None}


def distances_of(cases: Sequence[Case], elsewhere: Elsewhere, nearest: Mapping[str, Match]) -> dict[str, list[float | None]]:
    """By measure, how far each prompt is from the nearest key; None where it should be answered and that key is another's."""

    def distance(text: str, target: str | None = None) -> float | None:
        match = nearest.get(text)
        if match is None or match.entry is None or match.distance is None or target not in (None, match.entry.target):
            return None
        return round(match.distance, 4)

    asked = {name: [distance(text, case.target.strip()) for text, case in rows] for name, rows in asked_of(cases).items()}
    return asked | {name: [distance(text) for text in texts] for name, texts in unchanged_of(cases, elsewhere).items()}


def curve_of(
    cases: Sequence[Case], elsewhere: Elsewhere, said_at: Callable[[float], Said], epsilons: Sequence[float]
) -> dict[float, dict[str, Share]]:
    """`shares_of` at each ε, in rising order."""
    return {epsilon: shares_of(cases, elsewhere, said_at(epsilon)) for epsilon in sorted(set(epsilons))}
