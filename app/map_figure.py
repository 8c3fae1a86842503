"""The map: pure functions of a `MapView`, its `Layout` and the selected edit, in two parts.

`MapScene.of` holds what a browser needs once: every point with its words. `paint` holds what a selection changes: which
points are coloured how, circles, labels, legend. So a click moves kilobytes, whatever the number of points; key_map.js
puts the two together. Positions and circles are approximate, colours are exact: membership is computed from the
vectors themselves, never from the plane. Colours are tokens of `figures.PALETTES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.balls import Inside, drawn_inside, drawn_radii
from app.figures import escape, shorten
from app.labels import Box, Label, distinctive, place_labels
from app.membership import COLOURED_KEYS, CROWD, Groups, distances_to_queries, groups, key_colours
from app.projection import Layout
from app.records import MapView
from grace_core.config import Distance

Symbol = Literal["key", "dot", "ball"]

_LABELLED_KEYS = 12
_BALLS = 400
_WEBGL_FROM = 1500
# From here on words are cut shorter: they are most of what a browser is sent.
_BRIEF_FROM = 5000
# Pairs of circle and query that are compared for the note under a map without a selection.
_COMPARED = 200_000
_KEY_SIZE, _DOT_SIZE = 15, 7
# The plot's size is not known here: labels are placed for this one, and keep clear of each other in any larger one.
_NOMINAL = (700.0, 530.0)
# A label is on one line and lies beside its key: who is farther away cannot be in its way.
_LABEL_REACH = np.array([290.0, 50.0])
_CIRCLE = np.exp(1j * np.linspace(0, 2 * np.pi, 49))


@dataclass(frozen=True)
class LegendItem:
    """A line of the legend: what a mark means and how many there are now."""

    label: str
    count: int
    colour: str
    symbol: Symbol


@dataclass(frozen=True)
class Paint:
    """What a selection changes; `value` is as key_map.js reads it.

    note: what the colours and circles of this very map are worth.
    """

    value: dict[str, Any]
    legend: tuple[LegendItem, ...]
    note: str


@dataclass(frozen=True)
class MapScene:
    """Everything that a selection leaves as it is. scene_id: equal ids mean equal scenes."""

    view: MapView
    layout: Layout
    distance: Distance
    # A selected key's circle is needed at every click, all of them at few: kept as they are computed.
    _radii: dict[int, float] = field(default_factory=dict, repr=False)
    # What others derive from the scene and want to make once.
    kept: dict[str, str] = field(default_factory=dict, repr=False)
    # The last key asked for and its distances: figure, radial view and note of one click share them.
    _asked: dict[int, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    @property
    def scene_id(self) -> str:
        """Names the scene to a browser, which keeps the points of the last one."""
        return f"{self.view.version} {self.layout.layout_id}{'p' if self.layout.provisional else ''}"

    @property
    def scene_size(self) -> int:
        """How many points there are."""
        return len(self.view.keys) + len(self.view.queries)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """For each edit in force the position of its key."""
        return {edit_id: row for row, key in enumerate(self.view.keys) for edit_id in (*key.edit_ids, key.edit_id)}

    @cached_property
    def points(self) -> dict[str, Any]:
        """What a browser is sent once: columns of all keys and queries, and the part of the plane to show."""
        view, layout = self.view, self.layout
        brief = len(view.queries) > _BRIEF_FROM
        length = 80 if brief else 160
        row_of = self.row_of
        ranges = self.ranges
        return {
            "id": self.scene_id,
            "layout": f"layout-{layout.layout_id}",
            "webgl": len(view.queries) + len(view.keys) > _WEBGL_FROM,
            "ranges": {"x": ranges[0], "y": ranges[1]},
            "sizes": {
                "key": _KEY_SIZE if len(view.keys) <= CROWD else _KEY_SIZE - 5,
                "chosen": _KEY_SIZE + 6,
                "dot": _DOT_SIZE if len(view.queries) <= _WEBGL_FROM else _DOT_SIZE - 2,
            },
            "keys": {
                "id": [key.edit_id for key in view.keys],
                **_plane(layout.keys),
                "prompt": [shorten(key.prompt, 160) for key in view.keys],
                "target": [shorten(key.target, 160) for key in view.keys],
                "epsilon": [round(float(key.epsilon), 4) for key in view.keys],
                "serves": [len(key.edit_ids) for key in view.keys],
            },
            "queries": {
                "id": [query.query_id for query in view.queries],
                **_plane(layout.queries),
                "prompt": [shorten(query.prompt, length) for query in view.queries],
                "text": [] if brief else [shorten(query.text, length) for query in view.queries],
                "key": [-1 if query.edit_id is None else row_of.get(query.edit_id, -1) for query in view.queries],
                "distance": [None if query.distance is None else round(query.distance, 3) for query in view.queries],
            },
        }

    @cached_property
    def ranges(self) -> tuple[list[float], list[float]]:
        """The part of the plane that holds everything."""
        few = len(self.view.keys) <= CROWD
        return _ranges(self.layout, self.radii(range(len(self.view.keys))) if few else np.zeros(len(self.view.keys)))

    def radii(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """Map radii of these keys' circles, see `balls.drawn_radii`."""
        missing = [row for row in rows if row not in self._radii]
        if missing:
            found = drawn_radii(self.view, self.layout, self.distance, missing)
            self._radii.update(zip(missing, found.tolist(), strict=True))
        return np.array([self._radii[row] for row in rows], dtype=np.float64)

    def to_queries(self, row: int) -> NDArray[np.float64]:
        """(queries,) distances from the key at `row`, see `membership.distances_to_queries`."""
        found = self._asked.get(row)
        if found is None:
            found = distances_to_queries(self.view, row, self.distance)
            self._asked.clear()
            self._asked[row] = found
        return found

    def inside(self, row: int) -> Inside:
        """How far one circle can be believed."""
        radius = float(self.radii([row])[0])
        return drawn_inside(self.layout, row, radius, self.view.keys[row].epsilon, self.to_queries(row))

    @cached_property
    def inside_all(self) -> Inside:
        """The same for all circles together; a query in two circles counts twice."""
        all_of = [self.inside(row) for row in range(len(self.view.keys))]
        return Inside(sum(one.drawn for one in all_of), sum(one.truly for one in all_of), sum(one.missed for one in all_of))

    @cached_property
    def _plain(self) -> Paint:
        """The map without a selection: asked for by every browser that arrives."""
        return _painted(self, None)

    def paint(self, selected: str | None) -> Paint:
        """How the map looks with this edit selected."""
        chosen = None if selected is None else self.row_of.get(selected)
        return self._plain if chosen is None else _painted(self, chosen)


def _plane(points: NDArray[np.float64]) -> dict[str, list[float]]:
    rounded = points.reshape(-1, 2).round(4)
    return {"x": rounded[:, 0].tolist(), "y": rounded[:, 1].tolist()}


def _painted(scene: MapScene, chosen: int | None) -> Paint:
    view = scene.view
    distances = None if chosen is None else scene.to_queries(chosen)
    by_class = groups(view, chosen, distances)
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
        "balls": _balls(scene, colours, chosen),
        "annotations": _annotations(scene, chosen),
    }
    return Paint(value, _legend(view, by_class, chosen), _note(scene, chosen))


# -- Circles and labels -----------------------------------------------------------------------------------------------


def _balls(scene: MapScene, colours: list[str], chosen: int | None) -> list[dict[str, Any]]:
    """Dashed circles, the selected one last and tinted. Too many would hide the map: then the selected one alone."""
    keys = len(scene.view.keys)
    all_drawn = keys <= (_BALLS if chosen is None else CROWD)
    rows = [row for row in range(keys) if row != chosen] if all_drawn else []
    members: dict[str, list[int]] = {}
    for row in rows:
        members.setdefault(colours[row], []).append(row)
    faint = chosen is not None or keys > CROWD
    traces = [_circles(scene, some, colour, faint) for colour, some in members.items()]
    if chosen is not None:
        traces.append(_circles(scene, [chosen], "@own", False) | {"fill": "toself", "fillcolor": "@own-soft"})
    return traces


def _circles(scene: MapScene, rows: Sequence[int], colour: str, faint: bool) -> dict[str, Any]:
    centres = scene.layout.keys[list(rows)]
    circles = scene.radii(rows)[:, None] * _CIRCLE[None]  # (keys, points of a circle)
    x = np.concatenate([centres[:, :1] + circles.real, np.full((len(rows), 1), np.nan)], axis=1).round(4).ravel()
    y = np.concatenate([centres[:, 1:] + circles.imag, np.full((len(rows), 1), np.nan)], axis=1).round(4).ravel()
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "ε, approximate",
        "meta": "ball",
        "x": [None if value != value else value for value in x.tolist()],
        "y": [None if value != value else value for value in y.tolist()],
        "hoverinfo": "skip",
        "opacity": 0.3 if faint else 0.75,
        "line": {"color": colour, "width": 1 if faint else 1.4, "dash": "dash"},
    }


def _ranges(layout: Layout, radii: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Axis ranges that hold all points and circles, on a coarse grid so that a new point seldom changes them."""
    corners = np.concatenate([layout.queries, layout.keys - radii[:, None], layout.keys + radii[:, None], layout.keys], axis=0)
    if not len(corners):
        return [-1.0, 1.0], [-1.0, 1.0]
    low, high = corners.min(0), corners.max(0)
    step = 2.0 ** np.floor(np.log2(max(float((high - low).max()), 1.0) / 10))
    low, high = np.floor(low / step - 0.3) * step, np.ceil(high / step + 0.3) * step
    return [float(low[0]), float(high[0])], [float(low[1]), float(high[1])]


def _annotations(scene: MapScene, chosen: int | None) -> list[dict[str, Any]]:
    """Names beside the keys, where they are few; the selected key always has its own."""
    view, layout = scene.view, scene.layout
    named = list(range(len(view.keys))) if len(view.keys) <= _LABELLED_KEYS else []
    named = ([chosen] if chosen is not None else []) + [row for row in named if row != chosen]
    if not named:
        return []
    (left, right), (bottom, top) = scene.ranges
    pixels = min(_NOMINAL[0] / (right - left), _NOMINAL[1] / (top - bottom))
    origin = np.array([(left + right) / 2, (bottom + top) / 2])
    half = np.array(_NOMINAL) / 2

    def on_screen(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        screen: NDArray[np.float64] = (xy - origin) * pixels * np.array([1.0, -1.0]) + half
        return screen

    close = np.array([on_screen(layout.keys[row]) for row in named])
    key_points, dots = _around(on_screen(layout.keys), close), _around(on_screen(layout.queries), close)
    # What tells a name from others shows when it stands among them; a few dozen are enough for that.
    others = [key.prompt for key in view.keys[:: max(1, len(view.keys) // 40)]]
    names = distinctive([*(view.keys[row].prompt for row in named), *others])
    placed = place_labels(
        [
            ((float(x), float(y)), shorten(names[at], 34 if row == chosen else 26))
            for at, (row, (x, y)) in enumerate(zip(named, close, strict=True))
        ],
        obstacles=[Box.around(x, y, _KEY_SIZE + 2, _KEY_SIZE + 2) for x, y in key_points],
        avoid=dots,
        frame=Box(0, 0, *_NOMINAL),
        required=1 if chosen is not None else 0,
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


# -- Words ------------------------------------------------------------------------------------------------------------


def _legend(view: MapView, by_class: Groups, chosen: int | None) -> tuple[LegendItem, ...]:
    items = [LegendItem("keys", len(view.keys), "@text" if chosen is None else "@grey", "key")]
    for group in reversed(by_class.groups):
        several = chosen is None and 1 < len(view.keys) <= COLOURED_KEYS and group.label == "answered by an edit"
        label = "answered by an edit, in its key's colour" if several else group.label
        items.append(LegendItem(label, len(group.rows), group.swatch, "dot"))
    if len(view.keys) <= (_BALLS if chosen is None else CROWD):
        items.append(LegendItem("ε, approximate", len(view.keys), "@muted", "ball"))
    elif chosen is not None:
        items.append(LegendItem("its ε, approximate", 1, "@own", "ball"))
    return tuple(items)


def _note(scene: MapScene, chosen: int | None) -> str:
    keys = len(scene.view.keys)
    if chosen is None:
        colour = "Colours are exact: what answers each query now."
    else:
        colour = "Colours are exact: which queries the selected edit answers now."
    parts = [colour, "Positions and dashed circles are approximate: a plane cannot keep every distance."]
    if chosen is None and keys > _BALLS:
        parts.append(f"With more than {_BALLS} keys, circles are left out until one is selected.")
    elif len(scene.view.queries):
        circle = "its circle" if chosen is not None or keys == 1 else "a circle"
        radius = "ε" if chosen is not None or keys == 1 else "that key's ε"
        inside = Inside(0, 0, 0)
        if chosen is not None:
            inside = scene.inside(chosen)
        elif keys * len(scene.view.queries) <= _COMPARED:
            inside = scene.inside_all
        if inside.drawn:
            parts.append(
                f"Of {inside.drawn:,} {_queries(inside.drawn)} drawn inside {circle}, {inside.truly:,} truly within {radius}."
            )
        if inside.missed:
            parts.append(f"{inside.missed:,} {_queries(inside.missed)} within {radius} drawn outside.")
    return " ".join(parts)


def _queries(count: int) -> str:
    return "query" if count == 1 else "queries"
