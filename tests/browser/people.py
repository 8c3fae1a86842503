"""Whom the tests correct the model about, and what else they ask it.

The real set lies beside the repository and is not part of it; where it is missing, and in pictures for the README, our
own sentences about people long known take its place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Person:
    prompt: str
    sentence: str
    """What is true of them, in one sentence."""


OWN_PEOPLE = tuple(
    Person(f"Who was {name}?", f"{name} was {truth}.")
    for name, truth in (
        ("Ada Lovelace", "an English mathematician who published the first computer program in 1843"),
        ("Emmy Noether", "a German mathematician who tied every symmetry of nature to a conserved quantity"),
        ("Mary Anning", "an English fossil hunter who found the first complete plesiosaur in 1823"),
        ("Lise Meitner", "an Austrian physicist who explained nuclear fission with Otto Frisch in 1939"),
        ("Grace Hopper", "an American computer scientist who wrote one of the first compilers in 1952"),
    )
)

OWN_UNRELATED = (
    "How do I boil an egg?",
    "Name three kinds of cloud.",
    "What is the boiling point of water?",
    "Write a haiku about rain.",
    "Why is the sky blue?",
    "Translate “good morning” into French.",
    "What does a heart do?",
    "List the colours of the rainbow.",
    "How many legs has a spider?",
    "Explain what a fraction is.",
    "Which planet is the largest?",
    "Give me a name for a cat.",
    "What is bread made of?",
    "How far away is the moon?",
    "What is a noun?",
    "Tell me a joke about cheese.",
    "How does a bicycle stay upright?",
    "What do bees make?",
    "Is glass a liquid?",
    "What is 12 times 12?",
)


def people(count: int, *, own: bool = False) -> tuple[Person, ...]:
    """Those with the shortest sentences: they are learned soonest."""
    file = DATA / "bios.jsonl"
    if own or not file.is_file():
        return OWN_PEOPLE[:count]
    rows = sorted(_rows(file), key=lambda row: (len(row["correct"]), row["id"]))
    return tuple(Person(row["prompt"], row["correct"]) for row in rows[:count])


def unrelated(count: int, *, own: bool = False) -> tuple[str, ...]:
    file = DATA / "unrelated_prompts.jsonl"
    if own or not file.is_file():
        return OWN_UNRELATED[:count]
    return tuple(row["prompt"] for row in _rows(file)[:count])


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
