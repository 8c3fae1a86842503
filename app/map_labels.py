"""Names beside the keys of the map, as Plotly annotations. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.figures import escape, shorten
from app.labels import Box, Label, distinctive, place_labels
from app.map_scene import NOMINAL, MapScene
from app.membership import CROWD

# Up to this many keys each is named where there is room beside it.
_LABELLED_KEYS = CROWD
# A label is on one line and lies beside its key: who is farther away cannot be in its way.
_LABEL_REACH = np.array([290.0, 50.0])

# The star of a probe, in pixels with its outline.
_STAR = 24


def key_names(scene: MapScene, chosen: int | None, star: tuple[float, float] | None = None) -> list[dict[str, Any]]:
    """Names beside the keys, where they are few; the selected key always has its own.

    star: where a probe lands, to be left visible.
    """
    view, layout = scene.view, scene.layout
    named = list(range(len(view.keys))) if len(view.keys) <= _LABELLED_KEYS else []
    named = ([chosen] if chosen is not None else []) + [row for row in named if row != chosen]
    if not named:
        return []
    (left, right), (bottom, top) = scene.ranges
    origin = np.array([(left + right) / 2, (bottom + top) / 2])
    half = np.array(NOMINAL) / 2

    def on_screen(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        screen: NDArray[np.float64] = (xy - origin) * scene.pixels * np.array([1.0, -1.0]) + half
        return screen

    close = np.array([on_screen(layout.keys[row]) for row in named])
    key_points, dots = _around(on_screen(layout.keys), close), _around(on_screen(layout.queries), close)
    markers = [Box.around(x, y, scene.key_size + 2, scene.key_size + 2) for x, y in key_points]
    if star is not None:
        x, y = on_screen(np.array(star))
        markers.append(Box.around(float(x), float(y), _STAR, _STAR))
    # What tells a name from others shows when it stands among them; a few dozen are enough for that.
    others = [key.prompt for key in view.keys[:: max(1, len(view.keys) // 40)]]
    names = distinctive([*(view.keys[row].prompt for row in named), *others])
    placed = place_labels(
        [
            ((float(x), float(y)), shorten(names[at], 40 if row == chosen else 28))
            for at, (row, (x, y)) in enumerate(zip(named, close, strict=True))
        ],
        obstacles=markers,
        avoid=dots,
        frame=Box(0, 0, *NOMINAL),
        required=1 if chosen is not None else 0,
        aside=[6] if chosen is not None else [],
    )
    return [
        _annotation(layout.keys[row], label, bold=row == chosen, muted=chosen is not None and row != chosen)
        for row, label in zip(named, placed, strict=True)
        if label is not None
    ]


def _around(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those points that a label beside a centre could cover."""
    near = np.zeros(len(points), bool)
    for centre in centres:
        near |= (np.abs(points - centre) <= _LABEL_REACH).all(axis=1)
    return points[near]


def _annotation(point: NDArray[np.float64], label: Label, *, bold: bool, muted: bool) -> dict[str, Any]:
    text = escape(label.text)
    return {
        "x": round(float(point[0]), 4),
        "y": round(float(point[1]), 4),
        "text": f"<b>{text}</b>" if bold else text,
        "showarrow": False,
        "xanchor": label.xanchor,
        "yanchor": label.yanchor,
        "xshift": label.dx,
        "yshift": -label.dy,
        "font": {"size": 12, "color": "@muted" if muted else "@text"},
        "bgcolor": "@veil",
        "borderpad": 1,
    }
