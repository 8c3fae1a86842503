"""What a scan of choices amounts to: which separates best and what is said of it. Pure; draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from grace_core.measuring.distances import Choice, Kind, Separation
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
ENCODING_LABELS = {"raw": "raw hidden states", "whiten": "whitened"}
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


def best_choice(scan: Scan, measure: Measure, kinds: Sequence[Kind]) -> Choice | None:
    """The choice that separates best; of equal ones that with the higher AUC, then the lower layer."""
    scored = [(cell, measured(cell, measure, kinds)) for cell in scan.cells]
    known = [(value, cell.auc(kinds) or 0.0, -cell.choice.layer, cell) for cell, value in scored if value is not None]
    return max(known, key=lambda item: item[:3])[3].choice if known else None


def choice_id(choice: Choice) -> str:
    """A choice as a word that a figure or a list can carry; `choice_of` is the inverse."""
    return f"{choice.layer}-{choice.pool}-{choice.encoding}"


def choice_of(scan: Scan, wanted: str | None) -> Choice | None:
    """The measured choice with this id; None for any other text."""
    return next((cell.choice for cell in scan.cells if choice_id(cell.choice) == wanted), None)


def choice_words(choice: Choice) -> str:
    """A choice as a person reads it."""
    return f"layer {choice.layer}, {POOL_LABELS[choice.pool]}, {ENCODING_LABELS[choice.encoding]}"


def summary(result: Scan, measure: Measure, kinds: Sequence[Kind], present: Choice) -> str:
    """How the best choice compares with the present one, and what was measured."""
    parts = []
    best = best_choice(result, measure, kinds)
    own = result.cell(present)
    top = result.cell(best) if best is not None else None
    if best is not None and top is not None:
        parts.append(f"Best: {choice_words(best)} ({measured(top, measure, kinds):.2f}).")
        if own is not None and best != present:
            parts.append(f"In use now: {choice_words(present)} ({measured(own, measure, kinds):.2f}).")
        elif best == present:
            parts.append("That is what this codebook uses.")
    made = ""
    if result.made:
        made = f" ({result.made} made here by rewording, as their edits have none; a person's own are harder)"
    against = ", ".join(f"{result.counts.get(kind, 0)} {_COUNTED[kind]}" for kind in kinds)
    parts += [
        f"{result.keys} keys, {result.paraphrases} paraphrases{made}, against {against or 'nothing: tick what must not match'}.",
        f"Whitening was fitted on {result.fit} other prompts and the keys. It took {result.seconds:.0f} s.",
    ]
    return " ".join(parts)


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
