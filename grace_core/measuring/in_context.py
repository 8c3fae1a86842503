"""What a fact before the prompt is worth: questions that an edit must not answer, but that its fact helps with; knows no report.

These are columns of their own: with facts an answer that nobody edited changes on purpose, which `UNCHANGED` counts as harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from grace_core.answering.generate import Generation, decode
from grace_core.codebook.codebook import Codebook
from grace_core.measuring.measures import Case, Share
from grace_core.measuring.protocols import holds
from grace_core.models.language_model import LanguageModel

_AT_ONCE = 16
_TOKENS = 30
_YES_OR_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)

COLUMNS: dict[str, str] = {
    "given": "given a fact",
    "own": "of these: that of the own edit",
    "right": "right, with facts",
    "right_without": "right, without",
    "named": "names the edited answer, with facts",
    "named_without": "names it, without",
    "same": "same answer with and without (30 tokens)",
}
"""What is said of each kind of question, as a share of its prompts."""


@dataclass(frozen=True)
class _Asked:
    """One question, with what is said to it with facts and without."""

    case: Case
    prompt: str
    right: str
    with_facts: Generation = field(repr=False)
    without: Generation = field(repr=False)


def says(answer: str, right: str) -> bool:
    """Whether an answer is right: the first yes or no in it is the right one, or the right words stand in it."""
    if right in ("yes", "no"):
        first = _YES_OR_NO.search(answer)
        return first is not None and first[0].lower() == right
    return holds(answer, right)


def with_facts(
    model: LanguageModel,
    codebook: Codebook,
    cases: Sequence[Case],
    progress: Callable[[str, float], None] = lambda stage, done: None,
) -> dict[str, dict[str, Share]]:
    """By kind of question, the shares of `COLUMNS`; one that nothing can be said of is not there.

    What has no known right answer is not judged; what names the edited answer itself says nothing of whether that is named.

    Raises:
        InputError: a question that does not fit the model.
    """
    asked: dict[str, list[tuple[Case, str, str]]] = {}
    for case in cases:
        for name, questions in case.known.items():
            asked.setdefault(name, []).extend((case, text, right) for text, right in questions)
    found = dict[str, dict[str, Share]]()
    for done, (name, rows) in enumerate(asked.items()):
        progress(f"Asking with facts before the prompt: {name}", done / len(asked))
        found[name] = _shares(
            [one for at in range(0, len(rows), _AT_ONCE) for one in _ask(model, codebook, rows[at : at + _AT_ONCE])]
        )
    return found


def _ask(model: LanguageModel, codebook: Codebook, rows: Sequence[tuple[Case, str, str]]) -> list[_Asked]:
    prompts = [model.prompt(text) for _, text, _ in rows]
    facts = decode(model, codebook, prompts, _TOKENS, in_context=True)
    given = [row for row, said in enumerate(facts) if said.about is not None]
    # What was given no fact is answered alike in both.
    bare = dict(zip(given, decode(model, codebook, [prompts[row] for row in given], _TOKENS), strict=True))
    return [
        _Asked(case, text, right, said, bare.get(row, said))
        for row, ((case, text, right), said) in enumerate(zip(rows, facts, strict=True))
    ]


def _shares(asked: Sequence[_Asked]) -> dict[str, Share]:
    given = [one for one in asked if one.with_facts.about is not None]
    judged = [one for one in asked if one.right]
    unnamed = [one for one in asked if not holds(one.prompt, one.case.target)]
    found: dict[str, Share | None] = {
        "given": Share.counted(one.with_facts.about is not None for one in asked),
        "own": Share.counted(_prompt_of(one.with_facts) == one.case.prompt.strip() for one in given),
        "right": Share.counted(says(one.with_facts.text, one.right) for one in judged),
        "right_without": Share.counted(says(one.without.text, one.right) for one in judged),
        "named": Share.counted(holds(one.with_facts.text, one.case.target) for one in unnamed),
        "named_without": Share.counted(holds(one.without.text, one.case.target) for one in unnamed),
        "same": Share.counted(one.with_facts.ids == one.without.ids for one in asked),
    }
    return {name: share for name, share in found.items() if share is not None}


def _prompt_of(said: Generation) -> str:
    return "" if said.about is None else said.about.entry.prompt


def as_json(found: dict[str, dict[str, Share]]) -> dict[str, Any]:
    """Plain JSON: for each kind of question its shares, or None, with their intervals and counts."""
    return {
        name: {
            **dict.fromkeys(COLUMNS), **{column: share.value for column, share in shares.items()},
            "intervals": {column: list(share.interval) for column, share in shares.items()},
            "counts": {column: [share.hits, share.of] for column, share in shares.items()},
        }
        for name, shares in found.items()
    }  # fmt: skip
