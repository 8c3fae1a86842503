"""Which words of a prompt brought it near a key: the prompt in pieces, and what is said of them. Pure; draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.charts.labels import distinctive
from app.charts.plotly import Table, shorten
from grace_core.answering.anatomy import Anatomy
from grace_core.answering.occlusion import Away, LeftOut

FELT = 0.02
"""A smaller move of a distance is not named, and not coloured."""
_NAMED, _OF_STRONGEST = 3, 0.3
# Named are at most so many words, that move a distance by this share or more of what the strongest does.
_NAME = 60


@dataclass(frozen=True)
class Piece:
    """Some text of the prompt. farther: how much farther it would be without it; None where it was not left out.

    turns: without it something else would answer. says: all of it in words.
    """

    text: str
    farther: float | None = None
    turns: bool = False
    says: str = ""


@dataclass(frozen=True)
class Line:
    """The whole prompt in pieces, for one part of the distance to a key. away: of it now. end: how far that part reaches."""

    name: str
    away: float
    end: float
    pieces: tuple[Piece, ...]

    @property
    def strongest(self) -> float:
        """The largest move, either way."""
        return max((abs(piece.farther) for piece in self.pieces if piece.farther is not None), default=0.0)


@dataclass(frozen=True)
class KeyWords:
    """What the words do to the distance from one key. name: of the key; sentence: the gist."""

    name: str
    lines: tuple[Line, ...]
    sentence: str


def key_words(anatomy: Anatomy) -> tuple[KeyWords, ...]:
    """For each of the nearest keys, nearest first; () where no word could be left out."""
    if not anatomy.words:
        return ()
    names = distinctive([key.prompt for key in anatomy.keys])
    found = []
    for row, (key, name) in enumerate(zip(anatomy.keys, names, strict=True)):
        lines = tuple(_line(anatomy, row, part, away, end) for part, away, end in key.reaches)
        found.append(KeyWords(shorten(name, _NAME), lines, _sentence(anatomy, lines)))
    return tuple(found)


def words_table(anatomy: Anatomy) -> Table:
    """Every reading as a row: for each word and key, the distance without it."""
    columns = ("left out", "key", "distance", "subject", "question", "answered by")
    rows = []
    for word in anatomy.words:
        for key, away in zip(anatomy.keys, word.away, strict=True):
            parts = (away.parts.subject, away.parts.question) if away.parts is not None else (None, None)
            rows.append((anatomy.prompt[word.start : word.end], key.prompt, away.distance, *parts, word.edit_id or ""))
    return columns, rows


def _part(away: Away, name: str) -> float:
    if away.parts is None:
        return away.distance
    return away.parts.subject if name == "subject" else away.parts.question


def _line(anatomy: Anatomy, row: int, name: str, now: float, end: float) -> Line:
    pieces, at = [], 0
    for word in anatomy.words:
        if word.start > at:
            pieces.append(Piece(anatomy.prompt[at : word.start]))
        text, then = anatomy.prompt[word.start : word.end], _part(word.away[row], name)
        says = f"Without “{shorten(text, _NAME)}”: {name} {then:.2f} instead of {now:.2f}. {_answers(anatomy, word)}"
        pieces.append(Piece(text, then - now, word.edit_id != anatomy.edit_id, says))
        at = word.end
    if at < len(anatomy.prompt):
        pieces.append(Piece(anatomy.prompt[at:]))
    return Line(name.capitalize(), now, end, tuple(pieces))


def _answers(anatomy: Anatomy, word: LeftOut) -> str:
    if word.edit_id is None:
        return "The model would answer by itself."
    return "The same edit would answer." if word.edit_id == anatomy.edit_id else "Another edit would answer."


def _sentence(anatomy: Anatomy, lines: Sequence[Line]) -> str:
    """The words that count most for each part, and those without which something else answers."""
    parts = []
    for line in lines:
        about = {"Subject": "the subject", "Question": "the question"}.get(line.name, "it")
        moved = sorted((p for p in line.pieces if p.farther is not None), key=lambda p: -abs(p.farther or 0.0))
        least = max(2 * FELT, _OF_STRONGEST * line.strongest)
        near = [p.text for p in moved if (p.farther or 0.0) >= least][:_NAMED]
        far = [p.text for p in moved if (p.farther or 0.0) <= -least][:_NAMED]
        if near:
            parts.append(f"{_listed(near)} brought {about} near" + (f"; {_listed(far)} kept it away." if far else "."))
        elif far:
            parts.append(f"{_listed(far)} kept {about} away.")
        else:
            parts.append(f"No single word counts for {about}.")
    turning = [anatomy.prompt[word.start : word.end] for word in anatomy.words if word.edit_id != anatomy.edit_id]
    if turning and anatomy.edit_id is not None:
        parts.append(f"Without {_listed(turning[:_NAMED], 'or')} the edit would not answer.")
    elif turning:
        parts.append(f"Without {_listed(turning[:_NAMED], 'or')} an edit would answer.")
    elif anatomy.edit_id is not None:
        parts.append("The edit answers without any one of them.")
    return " ".join(parts)


def _listed(texts: Sequence[str], word: str = "and") -> str:
    quoted = [f"“{shorten(text, _NAME)}”" for text in texts]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"
