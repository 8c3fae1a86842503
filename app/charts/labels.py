"""Short names that tell texts apart, and numbers of things. Knows neither Plotly nor keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def distinctive(texts: Sequence[str]) -> list[str]:
    """Each text cut to the words that tell it from the others; what was cut is an ellipsis.

    Prompts written from one template ("Write a one-sentence biography of …") differ at their end only, and a label has
    no room for the beginning that they share. Shared are words found in more than half of the texts; of twelve and more
    texts, in more than an eighth.
    """
    words = [text.split() for text in texts]
    frequency = Counter(word for each in words for word in set(each))
    parts = 8 if len(texts) >= 12 else 2
    found = []
    for each in words:
        rare = [at for at, word in enumerate(each) if frequency[word] * parts <= len(texts)]
        if len(texts) < 2 or not rare:
            found.append(" ".join(each))
            continue
        first, last = rare[0], rare[-1]
        kept = " ".join(each[first : last + 1])
        found.append(("… " if first else "") + kept + (" …" if last < len(each) - 1 else ""))
    return found


def part_of(share: float, distance: str = "the distance") -> str:
    """A share of a distance, in words: “half the distance”, “0.8 of 1.200, the distance”."""
    if share == 0.5:
        return f"half {'of ' if distance != 'the distance' else ''}{distance}"
    return f"{share:g} of {distance}"


def counted(number: int, noun: str) -> str:
    """So many of a thing, in words: “1 key”, “2,000 keys”."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
