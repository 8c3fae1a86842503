"""Where the keys of undone edits stood: what the map shows of them when it is asked to.

A key that the layout has placed before is shown there, and would return to it; others are placed among the points by what
the journal keeps of them. Nothing here changes the codebook or the layout, or runs the model.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.map.layout.layout import Layout, Projection
from app.studio.views import MapMoment

if TYPE_CHECKING:
    from app.studio.facade import Studio

# More hollow diamonds than these would hide the map; the newest matter.
SHOWN = 300


@dataclass(frozen=True)
class UndoneKey:
    """An undone edit and where its key would stand."""

    edit_id: str
    prompt: str
    target: str
    x: float
    y: float


@dataclass(frozen=True)
class UndoneOnMap:
    """count: how many edits are undone at all. keys: the newest of them, where they are to be shown."""

    count: int
    keys: tuple[UndoneKey, ...] = ()


class UndonePlaces:
    """Finds them. Thread-safe; shared by all browsers."""

    def __init__(self, studio: Studio, projection: Projection) -> None:
        self._studio = studio
        self._projection = projection
        self._lock = threading.Lock()
        self._kept: tuple[str, Layout, UndoneOnMap] | None = None

    def look(self, moment: MapMoment, layout: Layout, *, shown: bool) -> UndoneOnMap:
        """All of them among the points of that moment; only their number where they are not to be shown."""
        undone = self._studio.undone_keys(SHOWN if shown else 0)
        if not undone.edits or undone.version != moment.view.version:
            return UndoneOnMap(undone.count)  # or the journal has gone on: the page looks again at once
        with self._lock:
            if self._kept is not None and self._kept[0] == undone.version and self._kept[1] is layout:
                return self._kept[2]
        places = self._projection.remembered(edit.edit_id for edit in undone.edits)
        new = [i for i, edit in enumerate(undone.edits) if edit.edit_id not in places]
        if new:
            found = self._projection.locate(moment.view, undone.vectors[new]).tolist()
            places |= {undone.edits[i].edit_id: (x, y) for i, (x, y) in zip(new, found, strict=True)}
        keys = (UndoneKey(edit.edit_id, edit.prompt, edit.target, *places[edit.edit_id]) for edit in undone.edits)
        result = UndoneOnMap(undone.count, tuple(keys))
        with self._lock:
            self._kept = undone.version, layout, result
        return result
