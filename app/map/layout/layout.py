"""Where each key and query stands on the map: stable 2-D coordinates for the vectors of a `MapView`.

A point keeps its place whatever is added or undone around it, and when a calibration of the encoder moves all vectors a
little; an undone key that is redone returns to where it was. Another reading is another space: there all begins anew.
Below 15 points the first layout is metric MDS; from 15 points up it
is UMAP, fitted once, after which new points are put in with `transform`. Everything moves only when a person asks
(`refit`), or when a first, preliminary layout is replaced: principal components are shown until UMAP is ready.

Nothing here knows a page, a figure or the journal.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import StudioError
from app.map.layout.file import Method, Placed, SavedLayout
from app.map.layout.keeper import Keeper
from app.map.layout.placing import (
    Array,
    align,
    beside,
    beside_keys,
    local_scales,
    multidimensional,
    place,
    principal,
)
from app.map.layout.points import KeyScales, Points
from app.map.layout.umap_model import Umap
from app.map.layout.umap_worker import Activity, UmapWorker
from app.studio.views import MapView

logger = logging.getLogger(__name__)

UMAP_FROM = 15
# Up to this many points a fit takes about a second once UMAP is warm: not worth a preliminary layout.
_FIT_AT_ONCE = 1500


class Scales(Protocol):
    """By rows of keys; an array of all of them will do."""

    def __getitem__(self, rows: NDArray[np.intp], /) -> Array:
        """(rows,) scales."""
        ...


@dataclass(frozen=True)
class Layout:
    """Coordinates in the order of the view's keys and queries.

    layout_id: rises when points may have moved; equal ids mean that old points are where they were.
    provisional: principal components that UMAP will replace as soon as it is ready.
    recalibrated: vectors have changed since they were laid out, so a new layout may suit them better.
    scales: map length of one unit of true distance around the keys that are asked for; see `placing.local_scales`.
    problem: what went wrong beside the layout itself (it could not be saved, UMAP is missing), for people; or "".
    """

    layout_id: int
    method: Method
    provisional: bool
    keys: Array = field(repr=False)
    queries: Array = field(repr=False)
    scales: Scales = field(repr=False)
    problem: str = ""
    recalibrated: bool = False


class Projection:
    """The one layout that all browsers share. Thread-safe.

    path: a file that keeps the layout over restarts; None keeps it in memory only.
    """

    def __init__(self, path: Path | None = None, umap: UmapWorker | None = None) -> None:
        self._umap = umap or UmapWorker()
        self._keeper = Keeper(path, self._saved)
        self._lock = threading.RLock()
        self._known: dict[str, Placed] = {}
        self._points: Points | None = None
        self._query_space_id = ""
        self._method: Method = "mds"
        self._provisional = False
        self._recalibrated = False
        self._layout_id = 0
        self._model: Umap | None = None
        self._read_problem = ""
        self._cached: tuple[str, Layout] | None = None
        self._load(path)

    # -- UMAP in the background ---------------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Starts UMAP in the background. Returns at once."""
        self._umap.warm_up()

    @property
    def activity(self) -> Activity | None:
        """What a page should tell people who wait for a layout; None when nothing is under way."""
        return self._umap.activity

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the layout under way; False if it is still under way after `timeout` seconds."""
        return self._umap.wait(timeout)

    def flush(self) -> None:
        """Writes the file now, where it is to be written."""
        self._keeper.flush()

    @property
    def _problem(self) -> str:
        return " ".join(part for part in (self._umap.problem, self._keeper.problem, self._read_problem) if part)

    # -- Layouts ------------------------------------------------------------------------------------------------------

    def layout(self, view: MapView, *, opened: bool = False) -> Layout:
        """Coordinates for everything in `view`; what is placed already stays where it is.

        opened: the map is being opened, so nobody is looking at it yet: a small layout that has grown to 15 points may
        become a UMAP now.
        """
        with self._lock:
            few = self._method != "umap" and bool(self._known) and not self._umap.problem
            outgrown = opened and few and len(view.keys) + len(view.queries) >= UMAP_FROM
            version = f"{view.version} {self._problem}"
            if self._cached is not None and self._cached[0] == version and not outgrown:
                return self._cached[1]
            points = self._points_of(view)
            if outgrown:
                self._start_fit(points)
            if len(points):
                self._place(points)
            layout = self._describe(view, points)
            self._cached = (version, layout)
            return layout

    def refit(self, view: MapView) -> None:
        """Starts a new layout of everything in `view`, in the background; `activity` says how far it is.

        Small maps are laid out before this returns. Does nothing while another layout is under way.
        """
        with self._lock:
            self._cached = None
            self._read_problem = ""
            points = self._points_of(view)
            if len(points) >= UMAP_FROM and not self._umap.problem:
                self._start_fit(points)
            elif len(points):
                method: Method = "pca" if len(points) >= UMAP_FROM else "mds"
                xy = principal(points.vectors) if method == "pca" else multidimensional(points.vectors)
                self._install(points, xy, method)

    def locate(self, view: MapView, vectors: np.ndarray) -> Array:
        """(rows, 2): where more queries or keys would stand among the points of `view`; nothing is kept or moved."""
        with self._lock:
            self.layout(view)
            anchors = self._points_of(view)
            rows = np.ascontiguousarray(vectors, np.float32)
            if not len(anchors):
                return np.zeros((len(rows), 2))
            names = tuple(str(row) for row in range(len(rows)))
            return self._put(Points(names, names, rows, view.query_space_id), anchors)

    def remembered(self, edit_ids: Iterable[str]) -> dict[str, tuple[float, float]]:
        """Where this layout has placed the keys of these edits, in force or not; those it never placed are missing."""
        with self._lock:
            places = {edit_id: self._known.get(f"key:{edit_id}") for edit_id in edit_ids}
        return {edit_id: (place.x, place.y) for edit_id, place in places.items() if place is not None}

    def _points_of(self, view: MapView) -> Points:
        self._points = Points.of(view, self._points)
        return self._points

    def _put(self, fresh: Points, anchors: Points) -> Array:
        """Coordinates for new points among placed ones."""
        xy = self._transform(fresh, anchors)
        if xy is None:
            anchor_xy = self._xy(anchors)
            scale = 1.0 if self._method == "mds" else self._scale(anchors, anchor_xy)
            xy = place(fresh.vectors, anchors.vectors, anchor_xy, scale=scale)
        return xy

    def _place(self, points: Points) -> None:
        new = [row for row, name in enumerate(points.ids) if name not in self._known]
        if len(new) == len(points) or points.query_space_id != self._query_space_id:
            self._first_layout(points)
            return
        changed = self._changed(points)
        if changed:
            # UMAP's training vectors are of the old encoder, perhaps of another width: it is restored when it is needed.
            self._model = None
            self._recalibrated = True
            kept = points.take(changed)
            self._remember(kept, self._xy(kept))
        if new:
            placed = set(new)
            fresh, anchors = points.take(new), points.take(row for row in range(len(points)) if row not in placed)
            self._remember(fresh, self._put(fresh, anchors))
        if changed or new:
            self._keeper.soon()

    def _changed(self, points: Points) -> list[int]:
        """Rows of placed points whose vectors are others than when they were last seen."""
        return [
            row
            for row, (name, digest) in enumerate(zip(points.ids, points.digests, strict=True))
            if name in self._known and self._known[name].digest != digest
        ]

    def _first_layout(self, points: Points) -> None:
        if len(points) < UMAP_FROM:
            self._install(points, multidimensional(points.vectors), "mds")
            return
        if len(points) <= _FIT_AT_ONCE:
            failing = f"UMAP could not lay out {len(points):,} points"
            model = self._umap.at_once(lambda: Umap.fit(points.vectors, lambda _: None), failing)
            if model is not None:
                self._model = model
                self._install(points, beside_keys(model.xy, points.vectors, points.keys), "umap")
                return
        self._install(points, principal(points.vectors), "pca", provisional=not self._umap.problem)
        if self._provisional:
            self._start_fit(points)

    def _transform(self, fresh: Points, anchors: Points) -> Array | None:
        """New points in a UMAP layout; None where UMAP cannot say now, and stress must."""
        if self._method != "umap":
            return None

        def put() -> Array | None:
            if self._model is None:
                if len(anchors) < UMAP_FROM:
                    return None
                self._model = Umap.restore(anchors.vectors, self._xy(anchors))
            guess = self._model.transform(fresh.vectors)
            return beside(guess, fresh.vectors, anchors.vectors, self._xy(anchors))

        return self._umap.at_once(put, f"UMAP could not place {len(fresh):,} new points")

    def _start_fit(self, points: Points) -> None:
        def done(model: Umap | None) -> None:
            xy = None if model is None else beside_keys(model.xy, points.vectors, points.keys)
            with self._lock:
                if xy is not None:
                    self._model = model
                    self._install(points, xy, "umap")
                self._provisional = False
                self._cached = None

        self._umap.fit(points.vectors, done)

    def _install(self, points: Points, xy: Array, method: Method, *, provisional: bool = False) -> None:
        """Replaces the whole layout, turned to lie as the old one did."""
        both = [row for row, name in enumerate(points.ids) if name in self._known]
        if len(both) >= 3:
            old = self._xy(points.take(both))
            rotation, shift = align(xy[both], old)
            xy = xy @ rotation + shift
            if method == "umap" and self._model is not None:
                self._model.place_in(rotation, shift)
        if method != "umap":
            self._model = None
        self._known = {}
        self._remember(points, xy)
        self._query_space_id, self._recalibrated = points.query_space_id, False
        self._method, self._provisional = method, provisional
        self._layout_id += 1
        self._cached = None
        self._keeper.soon()

    def _remember(self, points: Points, xy: Array) -> None:
        if not np.isfinite(xy).all():
            bad = int((~np.isfinite(xy)).any(axis=1).sum())
            raise StudioError(f"The map got no coordinates for {bad} of {len(points)} points. Ask for a new layout.")
        for name, digest, (x, y) in zip(points.ids, points.digests, xy.tolist(), strict=True):
            self._known[name] = Placed(digest, x, y)

    def _xy(self, points: Points) -> Array:
        return np.array([(self._known[name].x, self._known[name].y) for name in points.ids]).reshape(-1, 2)

    @staticmethod
    def _scale(points: Points, xy: Array) -> float:
        """One typical scale of a layout, from at most 256 of its points."""
        some = slice(None, None, max(1, len(points) // 256))
        return float(np.median(local_scales(points.vectors[some], xy[some], points.vectors, xy)))

    def _describe(self, view: MapView, points: Points) -> Layout:
        xy = self._xy(points)
        keys = len(view.keys)
        scales = KeyScales(points, xy, keys)
        return Layout(
            self._layout_id, self._method, self._provisional, xy[:keys], xy[keys:], scales, self._problem, self._recalibrated
        )  # fmt: skip

    # -- The file -----------------------------------------------------------------------------------------------------

    def _saved(self) -> SavedLayout | None:
        """What is to be kept; a preliminary layout is not."""
        with self._lock:
            if self._provisional:
                return None
            return SavedLayout(self._method, self._query_space_id, self._recalibrated, dict(self._known))

    def _load(self, path: Path | None) -> None:
        try:
            saved = self._keeper.read()
        except (OSError, ValueError) as error:
            logger.warning("map layout %s cannot be read: %s", path, error)
            self._read_problem = f"The saved layout {path.name if path else ''} could not be read ({error}); this is a new one."
            return
        if saved is not None:
            self._known, self._method, self._layout_id = dict(saved.known), saved.method, 1
            self._query_space_id, self._recalibrated = saved.query_space_id, saved.recalibrated
