"""The map's points, and what is asked of them again and again: pure, computed once and kept with the scene.

`MapScene.points` is what a browser is sent once; what a selection changes is `paint.paint`. Positions are
approximate, distances are those of the query space.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.charts.plotly import shorten
from app.map.circles import Inside, drawn_inside, drawn_radii
from app.map.colouring import CROWD, distances_to_queries, in_ball
from app.map.layout.layout import Layout
from app.studio.views import MapView
from grace_core.config import Distance

WEBGL_FROM = 1500
KEY_SIZE, DOT_SIZE = 15, 7
# The plot's size is not known here: what must be so many pixels large or apart is so in a plot of this size.
NOMINAL = (700.0, 530.0)
# From here on words are cut shorter: they are most of what a browser is sent.
_BRIEF_FROM = 5000


@dataclass(frozen=True)
class MapScene:
    """Everything that a selection leaves as it is. scene_id: equal ids mean equal scenes."""

    view: MapView
    layout: Layout
    distance: Distance
    # A selected key's circle is needed at every click, all of them at few: kept as they are computed.
    _radii: dict[int, float] = field(default_factory=dict, repr=False)
    # What others derive from the scene and want to make once.
    kept: dict[str, Any] = field(default_factory=dict, repr=False)
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

    def edits_of(self, keys: Iterable[str]) -> tuple[str, ...]:
        """All edits that share these keys, which are named by the id of any of them; ids that are no key's are left out."""
        rows = {self.row_of[one] for one in keys if one in self.row_of}
        return tuple(edit_id for row in sorted(rows) for edit_id in self.view.keys[row].edit_ids)

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
            "webgl": len(view.queries) + len(view.keys) > WEBGL_FROM,
            "ranges": {"x": ranges[0], "y": ranges[1]},
            "sizes": {
                "key": self.key_size,
                "chosen": self.key_size + 6,
                "dot": DOT_SIZE if len(view.queries) <= WEBGL_FROM else DOT_SIZE - 2,
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

    @property
    def key_size(self) -> int:
        """Width of a key's diamond in pixels."""
        return KEY_SIZE if len(self.view.keys) <= CROWD else KEY_SIZE - 5

    @cached_property
    def pixels(self) -> float:
        """Pixels for one unit of the map, in a plot of nominal size that shows everything."""
        (left, right), (bottom, top) = self.ranges
        return min(NOMINAL[0] / (right - left), NOMINAL[1] / (top - bottom))

    def radii(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """Map radii of these keys' circles, see `circles.drawn_radii`."""
        missing = [row for row in rows if row not in self._radii]
        if missing:
            found = drawn_radii(self.view, self.layout, self.distance, missing)
            self._radii.update(zip(missing, found.tolist(), strict=True))
        return np.array([self._radii[row] for row in rows], dtype=np.float64)

    def shown_radius(self, row: int) -> float:
        """The map radius of the selected key's circle: never so small that its own diamond hides it."""
        return max(float(self.radii([row])[0]), (0.65 * (self.key_size + 6) + 5.0) / self.pixels)

    def to_queries(self, row: int) -> NDArray[np.float64]:
        """(queries,) distances from the key at `row`, see `colouring.distances_to_queries`."""
        found = self._asked.get(row)
        if found is None:
            found = distances_to_queries(self.view, row, self.distance)
            self._asked.clear()
            self._asked[row] = found
        return found

    def inside(self, row: int, *, selected: bool = False) -> Inside:
        """How far one circle, as it is drawn, can be believed."""
        radius = self.shown_radius(row) if selected else float(self.radii([row])[0])
        return drawn_inside(self.layout, row, radius, in_ball(self.view, row, self.to_queries(row)))

    @cached_property
    def inside_all(self) -> Inside:
        """The same for all circles together; a query in two circles counts twice."""
        all_of = [self.inside(row) for row in range(len(self.view.keys))]
        return Inside(sum(one.drawn for one in all_of), sum(one.truly for one in all_of), sum(one.missed for one in all_of))


def _plane(points: NDArray[np.float64]) -> dict[str, list[float]]:
    rounded = points.reshape(-1, 2).round(4)
    return {"x": rounded[:, 0].tolist(), "y": rounded[:, 1].tolist()}


def _ranges(layout: Layout, radii: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Axis ranges that hold all points and circles, on a coarse grid so that a new point seldom changes them."""
    corners = np.concatenate([layout.queries, layout.keys - radii[:, None], layout.keys + radii[:, None], layout.keys], axis=0)
    if not len(corners):
        return [-1.0, 1.0], [-1.0, 1.0]
    low, high = corners.min(0), corners.max(0)
    step = 2.0 ** np.floor(np.log2(max(float((high - low).max()), 1.0) / 10))
    low, high = np.floor(low / step - 0.3) * step, np.ceil(high / step + 0.3) * step
    return [float(low[0]), float(high[0])], [float(low[1]), float(high[1])]
