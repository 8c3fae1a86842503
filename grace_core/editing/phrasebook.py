"""What people ask about whom, spelled out: the prompts that a learned encoder is fitted on. Ours, no data set's sentences.

`data/phrasebook.json` holds kinds of question, each in many words, names of people, places, works and things, and what is
put around a question: an instruction, a greeting, another sentence. From these, always in the same order, come prompts
that ask the same question about the same subject in other words, another question about the same subject, the same
question about another subject, yes-or-no questions and questions about something further on. Pure: no model runs here.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

_SEED = 1
_PEOPLE = 600
_NAMES_A_KIND, _MORE_FOR_MANY, _MANY = 3, 3, 14
_PHRASINGS = 6
_YES_GROUPS, _HOPS = 300, 600
_TWINS = 0.35


@dataclass(frozen=True)
class Phrase:
    """One prompt. Those with equal `subject` ask about the same; those with equal `question` ask the same."""

    text: str
    subject: str
    question: str


@lru_cache(maxsize=2)
def phrases(breadth: int = 1) -> tuple[Phrase, ...]:
    """The whole phrasebook, spelled out; the same prompts each time.

    breadth: each kind of question about so many times as many subjects. 1 gives about 9,000 prompts.
    """
    return tuple(_Writer(json.loads(_file().read_text(encoding="utf-8")), random.Random(_SEED)).written(breadth))


@lru_cache(maxsize=1)
def first_names() -> tuple[str, ...]:
    """First names of the phrasebook's people."""
    return tuple(json.loads(_file().read_text(encoding="utf-8"))["first"])


def _file() -> Any:
    return resources.files("grace_core") / "data" / "phrasebook.json"


class _Writer:
    """Spells the phrasebook out. book: the JSON; see its keys below."""

    def __init__(self, book: dict[str, Any], rng: random.Random) -> None:
        self._book, self._rng = book, rng
        self._kinds: dict[str, Any] = book["kinds"]
        self._people = [self._person() for _ in range(_PEOPLE)]
        self._rows: list[Phrase] = []

    def written(self, breadth: int) -> list[Phrase]:
        """All prompts."""
        for name, kind in self._kinds.items():
            for _ in range(breadth * (_NAMES_A_KIND + _MORE_FOR_MANY * (len(kind["ask"]) > _MANY))):
                self._asked(name, kind)
        plain = [name for name, kind in self._kinds.items() if "yes" in kind]
        for group in range(breadth * _YES_GROUPS):
            self._asked_beside(plain[group % len(plain)])
        for _ in range(breadth * _HOPS):
            self._further_on()
        return self._rows

    def _person(self) -> str:
        first, last = self._rng.choice(self._book["first"]), self._rng.choice(self._book["last"])
        middle = self._rng.choice(["", "", "", f"{self._rng.choice(self._book['first'])} ", f"{self._initial()}. "])
        return f"{first} {middle}{last}"

    def _initial(self) -> str:
        return self._rng.choice(string.ascii_uppercase)

    def _name(self, category: str) -> str:
        return str(self._rng.choice(self._people if category == "p" else self._book["names"][category]))

    def _asked(self, name: str, kind: dict[str, Any]) -> None:
        """One subject, a kind of question in several words. Sometimes a namesake is asked about in the same words."""
        category = self._rng.choice(kind["about"])
        subject = self._name(category)
        chosen = self._rng.sample(range(len(kind["ask"])), min(_PHRASINGS, len(kind["ask"])))
        twin = None
        if category == "p" and self._rng.random() < _TWINS:
            twin = f"{self._rng.choice(self._book['first'])} {subject.split()[-1]}"
        for at in chosen:
            question = f"{name}#{at}" if kind.get("each") else name
            self._put(question, subject, kind["ask"][at].format(subject), 0.5)
            if twin is not None and twin != subject:
                self._put(question, twin, kind["ask"][at].format(twin), 0.0)

    def _asked_beside(self, name: str) -> None:
        """Yes-or-no questions and questions about something further on, beside the plain question about the same subject."""
        kind = self._kinds[name]
        subject = self._name(self._rng.choice(kind["about"]))
        for text in self._rng.sample(kind["ask"], min(4, len(kind["ask"]))):
            self._put(name, subject, text.format(subject), 0.25)
        for text in self._rng.sample(kind["yes"], min(2, len(kind["yes"]))):
            wanted = [field for _, field, _, _ in string.Formatter().parse(text) if field]
            filled = text.format("{}", **{field: self._rng.choice(self._book["objects"][field]) for field in wanted})
            self._put(f"yes {filled}", subject, filled.format(subject), 0.3)
        for text in self._rng.sample(kind["hop"], min(2, len(kind["hop"]))):
            self._put(f"hop {text}", subject, text.format(subject), 0.3)

    def _further_on(self) -> None:
        """A question about something that the subject only leads to: where its author was born, say."""
        about, inner, of = self._rng.choice(self._book["inner"])
        name = self._rng.choice([name for name, kind in self._kinds.items() if of in kind["about"] and not kind.get("each")])
        asked = [text for text in self._kinds[name]["ask"] if text.endswith("?")]
        if asked:
            subject = self._name(about)
            self._put(f"hop {inner} {name}", subject, self._rng.choice(asked).format(inner.format(subject)), 0.3)

    def _put(self, question: str, subject: str, text: str, varied: float) -> None:
        """A prompt, and with this probability the same in another form."""
        self._rows.append(Phrase(text, subject, question))
        if self._rng.random() < varied:
            ways: dict[Callable[[], str], int] = {
                lambda: self._wrapped(text): 4, lambda: text.lower().rstrip("?."): 2, text.upper: 4,
                lambda: self._mistyped(text): 2, lambda: f"{self._rng.choice(self._book['prefixes'])} {text}": 2,
            }  # fmt: skip
            (way,) = self._rng.choices(list(ways), list(ways.values()))
            self._rows.append(Phrase(way(), subject, question))

    def _wrapped(self, text: str) -> str:
        return str(self._rng.choice(self._book["wrappers"]).format(text))

    def _mistyped(self, text: str) -> str:
        """Two neighbouring letters change places."""
        at = self._rng.randrange(2, max(3, len(text) - 2))
        return text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]
