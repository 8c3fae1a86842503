"""Names for the keys of the map: which keys have one, and its words. app/ui/map/names.js puts them where there is room."""

from __future__ import annotations

from typing import Any

from app.charts.labels import distinctive
from app.charts.plotly import escape, shorten
from app.map.colouring import CROWD
from app.map.scene import MapScene

# Up to this many keys each is named where there is room beside it.
_LABELLED_KEYS = CROWD
_LENGTH, _CHOSEN_LENGTH = 28, 40


def key_names(scene: MapScene, chosen: int | None) -> list[dict[str, Any]]:
    """Names of keys, most important first, where they are few; the selected key always has its own.

    row: the key's position. text: escaped for Plotly. length: how many characters are seen.
    """
    keys = scene.view.keys
    named = list(range(len(keys))) if len(keys) <= _LABELLED_KEYS else []
    named = ([chosen] if chosen is not None else []) + [row for row in named if row != chosen]
    # What tells a name from others shows when it stands among them; a few dozen are enough for that, each there once.
    among = [row for row in range(0, len(keys), max(1, len(keys) // 40)) if row not in named]
    words = distinctive([keys[row].prompt for row in [*named, *among]])
    found = []
    for row, name in zip(named, words, strict=False):
        text = shorten(name, _CHOSEN_LENGTH if row == chosen else _LENGTH)
        found.append({"row": row, "text": escape(text), "length": len(text)})
    return found
