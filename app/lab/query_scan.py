"""What a scan of choices amounts to: which separate best and what is said of it. Pure; draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from app.charts.labels import counted
from grace_core.measuring.distances import Choice, Kind, Separation, told_apart
from grace_core.measuring.query_scan import Scan

Measure = Literal["recall1", "recall0", "auc"]
MEASURES: dict[Measure, str] = {
    "recall1": "Recall at 1 % false matches",
    "recall0": "Recall with no false match",
    "auc": "AUC",
}
FALSE_MATCHES: dict[Measure, float] = {"recall1": 0.01, "recall0": 0.0, "auc": 0.01}
KIND_LABELS: dict[Kind, str] = {
    "unrelated": "unrelated prompts",
    "siblings": "the same question about others",
    "edits": "other edits' prompts",
}
POOL_LABELS = {"last": "last token", "mean": "mean", "weighted": "weighted mean"}
ENCODING_LABELS = {"raw": "raw hidden states", "whiten": "whitened", "learned": "learned encoder"}
_NAMED = 4
_COUNTED: dict[Kind, str] = {
    "unrelated": "unrelated prompts",
    "siblings": "edited questions asked about others",
    "edits": "other edits' prompts",
}
EXPLAINED: dict[Measure, str] = {
    "recall1": "Share of paraphrases that their own key answers at the largest ε at which 1 % of what must not match does.",
    "recall0": "Share of paraphrases that their own key answers at the largest ε at which nothing matches that must not.",
    "auc": "Chance that a paraphrase is nearer to its key than a prompt that must not match is to its nearest key.",
}


def measured(cell: Separation, measure: Measure, kinds: Sequence[Kind]) -> float | None:
    """One number of a choice, 1 is best."""
    return cell.auc(kinds) if measure == "auc" else cell.recall(FALSE_MATCHES[measure], kinds)


@dataclass(frozen=True)
class Best:
    """The choices at the top: those that these prompts do not tell apart from the one with the best measure.

    tied: the one in use first where it is among them, then by measure, AUC and layer. low, high: their measures.
    """

    tied: tuple[Choice, ...]
    low: float
    high: float


def best_of(scan: Scan, measure: Measure, kinds: Sequence[Kind], present: Choice) -> Best | None:
    """The best choices, see `told_apart`; None where nothing is measured. present: the choice in use."""
    scored = [
        (value, cell.auc(kinds) or 0.0, -cell.choice.layer, cell)
        for cell in scan.cells
        if (value := measured(cell, measure, kinds)) is not None
    ]
    if not scored:
        return None
    scored.sort(key=lambda item: item[:3], reverse=True)
    top = _outcomes(scored[0][3], measure, kinds)
    tied = [item for item in scored if not told_apart(top, _outcomes(item[3], measure, kinds), scan.owners)]
    tied.sort(key=lambda item: item[3].choice != present)
    values = [item[0] for item in tied]
    return Best(tuple(item[3].choice for item in tied), min(values), max(values))


def _outcomes(cell: Separation, measure: Measure, kinds: Sequence[Kind]) -> NDArray[Any]:
    """What each paraphrase came to under a choice; their mean is `measured`."""
    found = cell.placements(kinds) if measure == "auc" else cell.answered(FALSE_MATCHES[measure], kinds)
    assert found is not None  # it is measured
    return found


def choice_id(choice: Choice) -> str:
    """A choice as a word that a figure or a list can carry; `choice_of` is the inverse."""
    return f"{choice.layer}-{choice.pool}-{choice.encoding}"


def choice_of(scan: Scan, wanted: str | None) -> Choice | None:
    """The measured choice with this id; None for any other text."""
    return next((cell.choice for cell in scan.cells if choice_id(cell.choice) == wanted), None)


def choice_words(choice: Choice) -> str:
    """A choice as a person reads it."""
    if choice.encoding == "learned":
        return f"the learned encoder, which reads up to layer {choice.layer}"
    return f"layer {choice.layer}, {POOL_LABELS[choice.pool]}, {ENCODING_LABELS[choice.encoding]}"


def summary(result: Scan, measure: Measure, kinds: Sequence[Kind], present: Choice) -> str:
    """Which choices are best, how the present one compares with them, and what was measured."""
    best = best_of(result, measure, kinds, present)
    parts = [] if best is None else [_best_words(best, len(result.cells), present)]
    own = result.cell(present)
    if best is not None and own is not None and present not in best.tied:
        parts.append(f"In use now: {choice_words(present)} ({measured(own, measure, kinds):.2f}), which does less well.")
    against = ", ".join(f"{result.counts.get(kind, 0)} {_COUNTED[kind]}" for kind in kinds)
    if result.asked:
        parts.append(_FAVOURED)
    parts += [
        f"{counted(result.keys, 'key')}, {_paraphrases_words(result)}, against {against or 'nothing: tick what must not match'}.",
        f"Whitening was fitted on {result.fit} other prompts and the keys. It took {result.seconds:.0f} s.",
    ]
    return " ".join(parts)


_FAVOURED = "What people asked is taken only where the way in use then answered it, which favours that way."


def _best_words(best: Best, cells: int, present: Choice) -> str:
    first = choice_words(best.tied[0])
    count = len(best.tied)
    if count == 1:
        return f"Best: {first} ({best.high:.2f}). " + ("That is what this codebook uses." if present in best.tied else "")
    scores = f"{best.high:.2f}" if f"{best.low:.2f}" == f"{best.high:.2f}" else f"{best.low:.2f} to {best.high:.2f}"
    used = "The one in use is among them: " if present in best.tied else "Among them: "
    named = [choice_words(choice) for choice in best.tied[:_NAMED]]
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    return (
        f"Best: {count} of {cells} choices ({scores}), which these prompts do not tell apart; more edits and phrasings of your "
        f"own would. {used}{'; '.join(named)}{more}."
    )


def _paraphrases_words(result: Scan) -> str:
    """How many paraphrases there were, and where they come from."""
    kinds = (
        (result.given, "given with their edits"),
        (result.asked, "asked by people and answered by the edit"),
        (result.made, "made here by rewording, as nobody worded their edits otherwise; a person's own are harder"),
    )
    listed = "; ".join(f"{count:,} {words}" for count, words in kinds if count)
    return counted(result.paraphrases, "paraphrase") + (f" ({listed})" if listed else "")


def distances_note(cell: Separation, kinds: Sequence[Kind], epsilon: float | None) -> str:
    """The figure in one sentence."""
    words = f"Distances with {choice_words(cell.choice)}."
    if epsilon is None:
        if not cell.paraphrases or not len(cell.rest(kinds)):
            return words
        return f"{words} No paraphrase is nearer than what must not match, so no ε separates them and none is suggested."
    reached, touched = cell.shares(epsilon, kinds)
    return f"{words} At the suggested ε of {epsilon:.3g}, {reached:.0%} of the paraphrases and {touched:.1%} of the rest match."


def option_words(cell: Separation, measure: Measure, kinds: Sequence[Kind]) -> str:
    score = measured(cell, measure, kinds)
    return choice_words(cell.choice) + ("" if score is None else f" ({score:.2f})")
