"""What a selection changes on the map: which points are coloured how, circles, labels, legend.

A browser has the points already (`MapScene.points`), so a click moves kilobytes, whatever their number; key_map.js
puts the two together. Positions and circles are approximate, colours are exact: what answers a query is computed from the
vectors themselves, never from the plane. Colours are tokens of `palette.PALETTES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.map.colouring import COLOURED_KEYS, CROWD, groups, key_colours
from app.map.key_names import key_names
from app.map.legend import CIRCLES, LegendItem, legend, note
from app.map.scene import MapScene

_CIRCLE = np.exp(1j * np.linspace(0, 2 * np.pi, 49))


@dataclass(frozen=True)
class Paint:
    """What a selection changes; `value` is as app/ui/map/figure.js reads it.

    note: what the colours and circles of this very map are worth.
    """

    value: dict[str, Any]
    legend: tuple[LegendItem, ...]
    note: str


def paint(scene: MapScene, selected: str | None) -> Paint:
    """How the map looks with this edit selected. Without one every browser that arrives asks for it: kept."""
    chosen = None if selected is None else scene.row_of.get(selected)
    if chosen is not None:
        return _painted(scene, chosen)
    if "plain" not in scene.kept:
        scene.kept["plain"] = _painted(scene, None)
    plain: Paint = scene.kept["plain"]
    return plain


def _painted(scene: MapScene, chosen: int | None) -> Paint:
    view = scene.view
    distances = None if chosen is None else scene.to_queries(chosen)
    by_class = groups(view, chosen, distances, scene.distance)
    colours = key_colours(view, chosen, by_class.contesting)
    usual = max(set(colours), key=colours.count) if colours else "@own"
    widest = max(range(len(by_class.groups)), key=lambda at: len(by_class.groups[at].rows))
    value = {
        # The largest group is "all others" (rows: null): mostly nearly all of the points.
        "groups": [
            {
                "name": group.label,
                "rows": None if at == widest else group.rows.tolist(),
                "colours": group.colours if len(view.keys) <= COLOURED_KEYS else group.swatch,
                "opacity": group.opacity,
            }
            for at, group in enumerate(by_class.groups)
        ],
        "keys": {
            "usual": usual,
            "other": {str(row): colour for row, colour in enumerate(colours) if colour != usual},
            "chosen": chosen,
        },
        "distances": None if distances is None else distances.round(3).tolist(),
        "circles": _circles(scene, colours, chosen),
        "names": key_names(scene, chosen),
    }
    return Paint(value, legend(view, by_class, chosen), note(scene, chosen))


def _circles(scene: MapScene, colours: list[str], chosen: int | None) -> list[dict[str, Any]]:
    """Dashed circles, the selected one last and tinted. Too many would hide the map: then the selected one alone."""
    keys = len(scene.view.keys)
    all_drawn = keys <= (CIRCLES if chosen is None else CROWD)
    rows = [row for row in range(keys) if row != chosen] if all_drawn else []
    members: dict[str, list[int]] = {}
    for row in rows:
        members.setdefault(colours[row], []).append(row)
    faint = chosen is not None or keys > CROWD
    traces = [_dashed(scene, some, scene.radii(some), colour, faint) for colour, some in members.items()]
    if chosen is not None:
        radius = np.array([scene.shown_radius(chosen)])
        traces.append(_dashed(scene, [chosen], radius, "@own", False) | {"fill": "toself", "fillcolor": "@own-soft"})
    return traces


def _dashed(scene: MapScene, rows: Sequence[int], radii: NDArray[np.float64], colour: str, faint: bool) -> dict[str, Any]:
    centres = scene.layout.keys[list(rows)]
    circles = radii[:, None] * _CIRCLE[None]  # (keys, points of a circle)
    x = np.concatenate([centres[:, :1] + circles.real, np.full((len(rows), 1), np.nan)], axis=1).round(4).ravel()
    y = np.concatenate([centres[:, 1:] + circles.imag, np.full((len(rows), 1), np.nan)], axis=1).round(4).ravel()
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "ε, approximate",
        "meta": "circle",
        "x": [None if value != value else value for value in x.tolist()],
        "y": [None if value != value else value for value in y.tolist()],
        "hoverinfo": "skip",
        "opacity": 0.3 if faint else 0.75,
        "line": {"color": colour, "width": 1 if faint else 1.4, "dash": "dash"},
    }
