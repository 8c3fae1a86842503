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
_RELATION_GROUPS = 2


@dataclass(frozen=True)
class Phrase:
    """One prompt. Those with equal `subject` ask about the same; those with equal `question` ask the same."""

    text: str
    subject: str
    question: str


@lru_cache(maxsize=2)
def phrases(breadth: int = 1) -> tuple[Phrase, ...]:
    """The whole phrasebook, spelled out; the same prompts each time.

    breadth: each kind of question about so many times as many subjects. 1 gives about 15,000 prompts, of which 5,500 are of
    relations; these stay as many.
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
        for relation in self._book["relations"]:
            for group in range(_RELATION_GROUPS):
                # Each has its own numbers: a relation that is added or left out changes no other one's prompts.
                self._rng = random.Random(f"{_SEED} {relation['name']} {group}")
                self._related(relation)
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

    def _related(self, relation: dict[str, Any]) -> None:
        """One relation of a subject in several forms; beside it yes or no, one step further, turned round, another relation."""
        forms, category = self._book["relation_forms"], self._rng.choice(relation["about"])
        name, subject, verb = relation["name"], self._name(category), relation.get("verb")
        for form in self._rng.sample(self._forms_of(relation), 4):
            self._put(name, subject, self._filled(form, relation, subject), 0.4)
        for form in self._rng.sample([*forms["yes"], *(forms["yes_verb"] if verb else [])], 2):
            text = self._filled(form, relation, "{}")
            self._put(f"yes {text}", subject, text.format(subject), 0.2)
        for form in self._rng.sample(forms["further"], 2):
            self._put(f"hop {name} {form}", subject, self._filled(form, relation, subject), 0.2)
        outer = self._rng.choice(self._book["relations"])
        inner = f"the {relation['noun']} of {subject}"
        self._put(f"hop {name} {outer['name']}", subject, f"{outer['who']} is the {outer['noun']} of {inner}?", 0.2)
        turned = self._rng.choice([*forms["reversed"], *(forms["reversed_verb"] if verb else [])])
        self._put(f"reversed {name}", subject, self._filled(turned, relation, subject), 0.2)
        thing = self._rng.choice(self._book["objects"][relation["object"]])
        self._put(f"reversed {name}", thing, self._filled(turned, relation, thing), 0.0)
        other = self._rng.choice([some for some in self._book["relations"] if category in some["about"]])
        for form in self._rng.sample(self._forms_of(other), 2):
            self._put(other["name"], subject, self._filled(form, other, subject), 0.2)

    def _forms_of(self, relation: dict[str, Any]) -> list[str]:
        """All ways to ask for a relation."""
        forms = self._book["relation_forms"]
        return [*forms[relation["who"]], *forms["all"], *(forms["verb"] if "verb" in relation else []), *relation.get("more", [])]

    def _filled(self, form: str, relation: dict[str, Any], subject: str) -> str:
        thing = self._rng.choice(self._book["objects"][relation["object"]])
        return form.format(subject, noun=relation["noun"], verb=relation.get("verb", ""), object=thing)

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
