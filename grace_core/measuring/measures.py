"""What is measured of a codebook: the names of the measures and their meaning, what a case asks, shares and their intervals.

Pure: knows no model, no codebook and no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

ASKED: dict[str, str] = {
    "es_exact": "edited prompts answered exactly",
    "gen_exact": "paraphrases answered exactly",
    "as_is": "the edited prompt, decoded freely, answered exactly",
    "instruction": "the edited prompt in an instruction answered exactly",
    "rephrase": "a rephrasing, decoded freely, answered exactly",
    "rephrase_instruction": "a rephrasing in an instruction answered exactly",
    "lower_case": "the edited prompt in lower case answered exactly",
    "upper_case": "the edited prompt in capitals answered exactly",
    "typo": "the edited prompt with two letters exchanged answered exactly",
    "polite": "the edited prompt between a greeting and thanks answered exactly",
    "accents_dropped": "the edited prompt without its accents answered exactly",
}
"""Prompts that an edit must answer with exactly its target."""

UNCHANGED: dict[str, str] = {
    "locality": "unrelated prompts unchanged (20 tokens)",
    "other_question_unchanged": "other questions about an edited subject unchanged",
    "yes_no_unchanged": "yes/no questions about an edited fact unchanged",
    "reversed_unchanged": "questions from the target back to the subject unchanged",
    "two_hop_unchanged": "questions that need an edited fact and one more unchanged",
    "more_hops_unchanged": "questions that need an edited fact and two more or further unchanged",
    "strangers_unchanged": "edited prompts about subjects that nobody edited unchanged",
    "neighbors_unchanged": "neighbours unchanged",
}
"""Prompts whose answer no edit may change."""

FREE = ("as_is", "instruction", "rephrase", "rephrase_instruction")
"""Asked in the WILD protocol: decoded up to a natural stop, and also searched for the target (`contained`)."""

PARAPHRASES = ("gen_exact", "rephrase")
"""What `gen_token`, `answered` and `wrong_edit` are about."""


def contained(name: str) -> str:
    """The name of the share of answers that hold the target's words, beside the share of exact ones."""
    return f"{name}_contains"


MEASURES: dict[str, str] = {
    **ASKED,
    **{contained(name): f"{name}: answers that hold the target's words, in any form" for name in FREE},
    **UNCHANGED,
    "answered": "paraphrases whose answer comes from the right edit",
    "wrong_edit": "paraphrases answered by another edit",
    "reached_inexact": "prompts that the right edit answers, but not exactly",
    "err": "edits that took and still hold after all others (retention)",
}
"""Every share of a report with its meaning."""


@dataclass(frozen=True)
class Case:
    """One edit to make and what to ask afterwards, by the measure that it counts for.

    asked: prompts that training never sees and that must be answered with the target. unchanged: those whose answer must stay.
    known: by kind, questions that the edit must not answer, each with its right answer ("": not known); see `in_context`.
    """

    prompt: str
    target: str
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unchanged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Share:
    """So many of so many; there is at least one."""

    hits: int
    of: int

    @classmethod
    def counted(cls, found: Iterable[bool]) -> Self | None:
        """The share of what is true; None of nothing."""
        seen = list(found)
        return cls(int(sum(seen)), len(seen)) if seen else None

    @property
    def value(self) -> float:
        """From 0 to 1."""
        return self.hits / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval by Wilson's score; it takes prompts as independent, which those of one edit are not quite."""
        from scipy.stats import binomtest

        found = binomtest(self.hits, self.of).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)


def asked_of(cases: Iterable[Case]) -> dict[str, list[tuple[str, Case]]]:
    """By measure, the prompts that must be answered and whose they are; the edited prompts themselves are `es_exact`."""
    found: dict[str, list[tuple[str, Case]]] = {"es_exact": []}
    for case in cases:
        found["es_exact"].append((case.prompt, case))
        for name, texts in case.asked.items():
            found.setdefault(name, []).extend((text, case) for text in texts)
    return {name: rows for name, rows in found.items() if rows}


def unchanged_of(cases: Iterable[Case], elsewhere: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """By measure, the prompts that must not change: those of the cases, and those that belong to none."""
    found: dict[str, list[str]] = {name: list(texts) for name, texts in elsewhere.items()}
    for case in cases:
        for name, texts in case.unchanged.items():
            found.setdefault(name, []).extend(texts)
    return {name: texts for name, texts in found.items() if texts}
