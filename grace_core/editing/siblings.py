"""What a prompt is about, found in its text alone, and the same prompt asked about others.

A reviewer's edits are often siblings: one template, another name. A key must answer its own name only, so before the
first of them is edited the encoder is shown what others would look like. No model runs here and no list of names is
shipped: names come from prompts that the model itself made up.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

_JOINER = r"(?:of|de|du|del|della|di|da|von|van|der|den|the|al|el|la|le|and|y|&)"
_CAPITAL = r"[A-ZÀ-ÖØ-ÞĀ-Ž0-9][\w.'’&/()-]*"
_NAME = re.compile(rf"(?<![\w]){_CAPITAL}(?:\s+(?:{_JOINER}\s+){{0,2}}{_CAPITAL})*")
_WORD = re.compile(r"[\w'’-]+")
_GAP = re.compile(r"\.\s+(?=([\w'’-]+))")
_PRONOUN = re.compile(r"\w(?:['’]\w+)?")


def subject(prompt: str, common: frozenset[str]) -> str | None:
    """The longest name in the prompt, else its longest run of uncommon words; None where there is neither.

    common: lower-case words that prompts of any subject have.
    """
    names = [name for match in _NAME.finditer(prompt) for name in _apart(match, common) if not _is_pronoun(name, common)]
    names = [name for name in names if any(c.isalpha() for c in name)] or [name for name in names if name]
    if names:
        return max(names, key=len)
    runs: list[str] = []
    start = end = -1
    for match in _WORD.finditer(prompt):
        if match.group().lower() in common:
            start = -1
            continue
        start, end = (match.start() if start < 0 else start), match.end()
        runs.append(prompt[start:end])
    return max(runs, key=len) if runs else None


def siblings(prompt: str, count: int, names: Sequence[str], common: frozenset[str]) -> tuple[str, ...]:
    """Up to `count` prompts with another subject in its place; the same ones for the same prompt. () without a subject."""
    own = subject(prompt, common)
    if own is None or not count:
        return ()
    others = [name for name in names if name.lower() not in prompt.lower()]
    start = zlib.crc32(prompt.encode()) % max(1, len(others))
    return tuple(replaced(prompt, own, name) for name in (others[start:] + others[:start])[:count])


def namesakes(prompt: str, count: int, first_names: Sequence[str], common: frozenset[str]) -> tuple[str, ...]:
    """Up to `count` prompts about others whose name ends like the subject's: what is hardest to tell from it.

    () without a subject, or where its name is one word. The same ones for the same prompt.
    """
    own = subject(prompt, common)
    _, _, last = (own or "").rpartition(" ")
    if own is None or not last or last == own or not count:
        return ()
    others = [name for name in first_names if name.lower() not in prompt.lower()]
    start = zlib.crc32(prompt.encode()) % max(1, len(others))
    return tuple(replaced(prompt, own, f"{name} {last}") for name in (others[start:] + others[:start])[:count])


def replaced(prompt: str, subject: str, name: str) -> str:
    """The prompt with another name in its subject's place, wherever that stands as a word of its own."""
    return re.sub(rf"(?<!\w){re.escape(subject)}(?!\w)", lambda _: name, prompt)


@lru_cache(maxsize=8)
def vocabulary(prompts: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names that occur in background prompts, and the words that are common in them."""
    counts = Counter(word.lower() for prompt in prompts for word in set(_WORD.findall(prompt)))
    starters = Counter(match.group().lower() for prompt in prompts if (match := _WORD.search(prompt)))
    common = frozenset(
        [word for word, n in counts.items() if n >= max(3, len(prompts) // 200)]
        + [word for word, n in starters.items() if n >= 2]
    )
    return tuple(dict.fromkeys(_names(prompts, common))), common


def _names(prompts: Iterable[str], common: frozenset[str]) -> Iterable[str]:
    for prompt in prompts:
        for match in _NAME.finditer(prompt):
            name = _trimmed(match.group())
            if match.start() > 0 and len(name) > 2 and name.lower() not in common and not name.isdigit():
                yield name


def _apart(match: re.Match[str], common: frozenset[str]) -> Iterable[str]:
    """The names in a run of capitals, cut where a common word begins a sentence: it has its capital for that alone."""
    run, before = match.group(), match.string[: match.start()].rstrip()
    begins = not before or before[-1] in ".!?"
    gaps = [gap for gap in _GAP.finditer(run) if gap.group(1).lower() in common]
    for start, end in zip([0, *(gap.end() for gap in gaps)], [*(gap.start() for gap in gaps), None], strict=True):
        name = _trimmed(run[start:end])
        head, _, rest = name.partition(" ")
        yield rest.lstrip() if (start or begins) and head.lower() in common else name


def _is_pronoun(name: str, common: frozenset[str]) -> bool:
    """“I”, also in “I'm”: a capital and no name. Nor is a number that many prompts have."""
    return name[:1].lower() in common and _PRONOUN.fullmatch(name) is not None


def _trimmed(name: str) -> str:
    name = re.sub(r"['’]s?$", "", name.rstrip(".,;:!?-"))
    return name.rstrip(")") if "(" not in name else name
