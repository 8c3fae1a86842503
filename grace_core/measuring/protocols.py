"""Forms in which one question is asked again: in an instruction, in another case, with a typo, politely, without accents."""

from __future__ import annotations

import random
import re
import unicodedata

INSTRUCTION = "Please answer the question:\n\nQ: {}\nA:"
"""The question-answering context of the WILD protocol (The Mirage of Model Editing, ACL 2025)."""
POLITE = "Hi! {} Thanks!"
MOST_TOKENS = 50
"""Of an answer that is decoded freely in that protocol."""

_PAIR = re.compile(r"(?<=\w)(?=([^\W\d_])([^\W\d_]))")
_WORD = re.compile(r"\w+")


def in_an_instruction(text: str) -> str:
    """The question in the protocol's instruction."""
    return INSTRUCTION.replace("{}", text)


def forms(text: str, seed: int = 0) -> dict[str, tuple[str, ...]]:
    """The same prompt as others would type it, by measure; without those forms that leave it as it is."""
    changed = {
        "lower_case": text.lower(),
        "upper_case": text.upper(),
        "typo": typo(text, seed),
        "polite": POLITE.replace("{}", text),
        "accents_dropped": without_accents(text),
    }
    return {name: (form,) for name, form in changed.items() if form != text}


def typo(text: str, seed: int = 0) -> str:
    """Two neighbouring, different letters of a word change places, not its first; the same two for the same text and seed."""
    pairs = ((m.start(), m.group(1)[:1], m.group(2)[:1]) for m in _PAIR.finditer(text))
    places = [at for at, one, other in pairs if one.isalpha() and other.isalpha() and one.lower() != other.lower()]
    if not places:
        return text
    at = random.Random(f"{seed} {text}").choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def without_accents(text: str) -> str:
    """Letters without the marks above and below them."""
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in parts if not unicodedata.combining(c)))


def holds(answer: str, target: str) -> bool:
    """Whether the target's words stand in the answer in a row, whatever their case and the marks around them."""
    said, wanted = (_WORD.findall(text.casefold()) for text in (answer, target))
    starts = range(len(said) - len(wanted) + 1)
    return bool(wanted) and any(said[at : at + len(wanted)] == wanted for at in starts)
