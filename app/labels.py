"""Names beside points: short ones that differ, placed so that none covers another.

The place is a greedy choice among eight around each point, in pixels, y downwards. Knows neither Plotly nor keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

XAnchor = Literal["left", "center", "right"]
YAnchor = Literal["top", "middle", "bottom"]

# A system sans-serif at 12 px, bold and somewhat wide, so that real text fits into the space reserved for it.
_CHARACTER, _LINE = 7.2, 17.0

# Where the label hangs relative to its point, best first: (xanchor, yanchor, dx, dy).
_PLACES: tuple[tuple[XAnchor, YAnchor, int, int], ...] = (
    ("left", "middle", 13, 0),
    ("center", "bottom", 0, -12),
    ("center", "top", 0, 12),
    ("right", "middle", -13, 0),
    ("left", "bottom", 9, -9),
    ("left", "top", 9, 9),
    ("right", "bottom", -9, -9),
    ("right", "top", -9, 9),
)


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, x: float, y: float, width: float, height: float) -> Box:
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def overlaps(self, other: Box) -> bool:
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom

    def within(self, other: Box) -> bool:
        return self.left >= other.left and self.right <= other.right and self.top >= other.top and self.bottom <= other.bottom

    def holds(self, points: NDArray[np.float64]) -> int:
        """How many of the (points, 2) lie inside."""
        x, y = points[:, 0], points[:, 1]
        return int(((x > self.left) & (x < self.right) & (y > self.top) & (y < self.bottom)).sum())


@dataclass(frozen=True)
class Label:
    """A text and where it hangs: its anchor stands (dx, dy) pixels from its point."""

    text: str
    xanchor: XAnchor
    yanchor: YAnchor
    dx: int
    dy: int
    box: Box


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


def place_labels(
    wanted: Sequence[tuple[tuple[float, float], str]],
    *,
    obstacles: Sequence[Box],
    avoid: NDArray[np.float64],
    frame: Box,
    required: int = 0,
    aside: Sequence[int] = (),
) -> list[Label | None]:
    """A place for each (point, text), in order of importance; None where every place would cover something.

    obstacles: boxes that no label may cover (the markers). avoid: points better left visible (the dots).
    required: the first so many get the least bad place rather than none.
    aside: for the first of them, how many pixels farther from their points they hang, which are drawn larger.
    """
    taken: list[Box] = []
    placed: list[Label | None] = []
    for rank, ((x, y), text) in enumerate(wanted):
        best: tuple[float, Label] | None = None
        more = aside[rank] if rank < len(aside) else 0
        for preference, (xanchor, yanchor, plain_dx, plain_dy) in enumerate(_PLACES):
            dx, dy = (step + more * ((step > 0) - (step < 0)) for step in (plain_dx, plain_dy))
            box = _box(x + dx, y + dy, text, xanchor, yanchor)
            clashes = sum(box.overlaps(other) for other in taken)
            clashes += sum(box.overlaps(other) for other in obstacles)
            outside = not box.within(frame)
            if (clashes or outside) and rank >= required:
                continue
            cost = 1e6 * outside + 1000.0 * clashes + 2.0 * box.holds(avoid) + 0.5 * preference
            if best is None or cost < best[0]:
                best = cost, Label(text, xanchor, yanchor, dx, dy, box)
        placed.append(best[1] if best else None)
        if best:
            taken.append(best[1].box)
    return placed


def _box(x: float, y: float, text: str, xanchor: XAnchor, yanchor: YAnchor) -> Box:
    width = _CHARACTER * len(text) + 4
    left = {"left": x, "center": x - width / 2, "right": x - width}[xanchor]
    top = {"top": y, "middle": y - _LINE / 2, "bottom": y - _LINE}[yanchor]
    return Box(left, top, left + width, top + _LINE)
