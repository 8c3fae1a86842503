"""What the Calibrate tab says of a scan: its summary, its figures in a sentence, its choices by name."""

from __future__ import annotations

from collections.abc import Sequence

from app.lab.query_scan_figures import Measure, best_choice, choice_words, measured
from grace_core.measuring.distances import Choice, Kind, Separation
from grace_core.measuring.query_scan import Scan

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
