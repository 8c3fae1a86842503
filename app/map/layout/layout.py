"""Where each key and query stands on the map: stable 2-D coordinates for the vectors of a `MapView`.

A point keeps its place whatever is added or undone around it, and when a calibration of the encoder moves all vectors a
little; an undone key that is redone returns to where it was. Another reading is another space: there all begins anew.
Below 15 points the first layout is metric MDS; from 15 points up it
is UMAP, fitted once, after which new points are put in with `transform`. Everything moves only when a person asks
(`refit`), or when a first, preliminary layout is replaced: UMAP's import and compilation take some 30 s in a fresh
process, so `warm_up` does them in a background thread and principal components are shown until then.

Nothing here knows a page, a figure or the journal.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import StudioError
from app.map.layout import umap_model
from app.map.layout.file import Method, Placed, SavedLayout
from app.map.layout.placing import (
    Array,
    align,
    beside,
    beside_keys,
    local_scales,
    multidimensional,
    own_scales,
    place,
    principal,
    usual_scale,
)
from app.map.layout.umap_model import Umap
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
    scales: map length of one unit of true distance around the keys that are asked for; see `planar.local_scales`.
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


@dataclass(frozen=True)
class Activity:
    """What the background thread is doing, in words, and how far it is (0..1; None where that cannot be known)."""

    text: str
    fraction: float | None


@dataclass(frozen=True)
class _Points:
    ids: tuple[str, ...]
    digests: tuple[str, ...]
    vectors: np.ndarray
    reading: str

    @classmethod
    def of(cls, view: MapView) -> _Points:
        ids = tuple(f"key:{key.edit_id}" for key in view.keys) + tuple(f"query:{query.query_id}" for query in view.queries)
        width = max(view.key_vectors.shape[-1], view.query_vectors.shape[-1]) if ids else 0
        parts = [part.reshape(-1, width) for part in (view.key_vectors, view.query_vectors) if len(part)]
        vectors = np.ascontiguousarray(np.concatenate(parts), dtype=np.float32) if parts else np.zeros((0, 0), np.float32)
        digests = tuple(hashlib.blake2b(row.tobytes(), digest_size=8).hexdigest() for row in vectors)
        return cls(ids, digests, vectors, view.query_space_id)

    @property
    def keys(self) -> int:
        """How many of them are keys; they come first."""
        return sum(name.startswith("key:") for name in self.ids)

    def take(self, rows: Iterable[int]) -> _Points:
        chosen = list(rows)
        ids, digests = (tuple(names[row] for row in chosen) for names in (self.ids, self.digests))
        return _Points(ids, digests, self.vectors[chosen], self.reading)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class _KeyScales:
    """The first `keys` points' scales, computed when they are asked for: a crowd's circles, seconds of work, are not drawn."""

    points: _Points
    xy: Array
    keys: int

    def __getitem__(self, rows: NDArray[np.intp], /) -> Array:
        scales = self._own(rows)
        return np.where(np.isnan(scales), self._usual, scales) if np.isnan(scales).any() else scales

    @cached_property
    def _usual(self) -> float:
        return usual_scale(self._own(np.arange(self.keys)))

    def _own(self, rows: NDArray[np.intp]) -> Array:
        vectors = self.points.vectors
        return own_scales(vectors[rows], self.xy[rows], vectors, self.xy)


class Projection:
    """The one layout that all browsers share. Thread-safe.

    path: a file that keeps the layout over restarts; None keeps it in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._known: dict[str, Placed] = {}
        self._reading = ""
        self._method: Method = "mds"
        self._provisional = False
        self._recalibrated = False
        self._layout_id = 0
        self._model: Umap | None = None
        self._ready = threading.Event()
        self._warming: threading.Thread | None = None
        self._fitting: threading.Thread | None = None
        self._activity: Activity | None = None
        self._umap_problem = ""
        self._file_problem = ""
        self._read_problem = ""
        self._cached: tuple[str, Layout] | None = None
        if path is not None and path.exists():
            self._load(path)

    # -- UMAP in the background ---------------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Imports and compiles UMAP in a background thread, once per process. Returns at once."""
        with self._lock:
            if self._warming is None:
                self._warming = threading.Thread(target=self._warm, name="umap-warm-up", daemon=True)
                self._warming.start()

    @property
    def ready(self) -> bool:
        """True once UMAP can be used without waiting."""
        return self._ready.is_set() and not self._umap_problem

    @property
    def activity(self) -> Activity | None:
        """What a page should tell people who wait for a layout; None when nothing is under way."""
        with self._lock:
            if self._fitting is None:
                return None
            if not self._ready.is_set():
                return Activity("UMAP is starting (about half a minute after the app starts)", None)
            return self._activity

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the layout under way; False if it is still under way after `timeout` seconds."""
        thread = self._fitting
        if thread is not None:
            thread.join(timeout)
            return not thread.is_alive()
        return True

    def _warm(self) -> None:
        try:
            with umap_model.LOCK:
                Umap.compile()
        except Exception as error:  # noqa: BLE001 - a missing or broken UMAP must not take the page with it
            with self._lock:
                self._give_up("UMAP could not be started", error)
        finally:
            self._ready.set()

    # -- Layouts ------------------------------------------------------------------------------------------------------

    def layout(self, view: MapView, *, opened: bool = False) -> Layout:
        """Coordinates for everything in `view`; what is placed already stays where it is.

        opened: the map is being opened, so nobody is looking at it yet: a small layout that has grown to 15 points may
        become a UMAP now.
        """
        with self._lock:
            few = self._method != "umap" and bool(self._known) and not self._umap_problem
            outgrown = opened and few and len(view.keys) + len(view.queries) >= UMAP_FROM
            if self._cached is not None and self._cached[0] == view.version and not outgrown:
                return self._cached[1]
            points = _Points.of(view)
            if outgrown:
                self._start_fit(points)
            if len(points):
                self._place(points)
            layout = self._describe(view, points)
            self._cached = (view.version, layout)
            return layout

    def refit(self, view: MapView) -> None:
        """Starts a new layout of everything in `view`, in the background; `activity` says how far it is.

        Small maps are laid out before this returns. Does nothing while another layout is under way.
        """
        with self._lock:
            self._cached = None
            self._read_problem = ""
            points = _Points.of(view)
            if len(points) >= UMAP_FROM and not self._umap_problem:
                self._start_fit(points)
            elif len(points):
                method: Method = "pca" if len(points) >= UMAP_FROM else "mds"
                xy = principal(points.vectors) if method == "pca" else multidimensional(points.vectors)
                self._install(points, xy, method)

    def locate(self, view: MapView, vectors: np.ndarray) -> Array:
        """(rows, 2): where more queries or keys would stand among the points of `view`; nothing is kept or moved."""
        with self._lock:
            self.layout(view)
            anchors = _Points.of(view)
            rows = np.ascontiguousarray(vectors, np.float32)
            if not len(anchors):
                return np.zeros((len(rows), 2))
            names = tuple(str(row) for row in range(len(rows)))
            return self._put(_Points(names, names, rows, view.query_space_id), anchors)

    def remembered(self, edit_ids: Iterable[str]) -> dict[str, tuple[float, float]]:
        """Where this layout has placed the keys of these edits, in force or not; those it never placed are missing."""
        with self._lock:
            places = {edit_id: self._known.get(f"key:{edit_id}") for edit_id in edit_ids}
        return {edit_id: (place.x, place.y) for edit_id, place in places.items() if place is not None}

    def _put(self, fresh: _Points, anchors: _Points) -> Array:
        """Coordinates for new points among placed ones."""
        xy = self._transform(fresh, anchors)
        if xy is None:
            anchor_xy = self._xy(anchors)
            scale = 1.0 if self._method == "mds" else self._scale(anchors, anchor_xy)
            xy = place(fresh.vectors, anchors.vectors, anchor_xy, scale=scale)
        return xy

    def _place(self, points: _Points) -> None:
        new = [row for row, name in enumerate(points.ids) if name not in self._known]
        if len(new) == len(points) or points.reading != self._reading:
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
            self._save()

    def _changed(self, points: _Points) -> list[int]:
        """Rows of placed points whose vectors are others than when they were last seen."""
        return [
            row
            for row, (name, digest) in enumerate(zip(points.ids, points.digests, strict=True))
            if name in self._known and self._known[name].digest != digest
        ]

    def _first_layout(self, points: _Points) -> None:
        if len(points) < UMAP_FROM:
            self._install(points, multidimensional(points.vectors), "mds")
            return
        if self.ready and len(points) <= _FIT_AT_ONCE and umap_model.LOCK.acquire(blocking=False):
            try:
                self._model = Umap.fit(points.vectors, lambda _: None)
            except Exception as error:  # noqa: BLE001 - logged and shown, see `_give_up`
                self._give_up(f"UMAP could not lay out {len(points):,} points", error)
            else:
                self._install(points, beside_keys(self._model.xy, points.vectors, points.keys), "umap")
                return
            finally:
                umap_model.LOCK.release()
        self._install(points, principal(points.vectors), "pca", provisional=not self._umap_problem)
        if self._provisional:
            self._start_fit(points)

    def _transform(self, fresh: _Points, anchors: _Points) -> Array | None:
        """New points in a UMAP layout; None where UMAP cannot say now, and stress must."""
        if self._method != "umap" or not self.ready or not umap_model.LOCK.acquire(blocking=False):
            return None
        try:
            if self._model is None:
                if len(anchors) < UMAP_FROM:
                    return None
                self._model = Umap.restore(anchors.vectors, self._xy(anchors))
            guess = self._model.transform(fresh.vectors)
            return beside(guess, fresh.vectors, anchors.vectors, self._xy(anchors))
        except Exception as error:  # noqa: BLE001 - logged and shown, see `_give_up`
            self._give_up(f"UMAP could not place {len(fresh):,} new points", error)
            return None
        finally:
            umap_model.LOCK.release()

    def _give_up(self, what: str, error: Exception) -> None:
        """The map goes on without UMAP, and says so."""
        logger.error("%s", what, exc_info=error)
        self._umap_problem = f"{what} ({error}); the map does without it until the app is started again."
        self._cached = None

    def _start_fit(self, points: _Points) -> None:
        if self._fitting is not None or self._umap_problem:
            return
        self.warm_up()
        self._activity = Activity(f"Laying out {len(points):,} points with UMAP", None)
        self._fitting = threading.Thread(target=self._fit, args=(points,), name="umap-fit", daemon=True)
        self._fitting.start()

    def _fit(self, points: _Points) -> None:
        def report(fraction: float) -> None:
            with self._lock:
                self._activity = Activity(f"Laying out {len(points):,} points with UMAP", fraction)

        try:
            self._ready.wait()
            if self._umap_problem:
                return
            with umap_model.LOCK:
                model = Umap.fit(points.vectors, report)
            xy = beside_keys(model.xy, points.vectors, points.keys)
            with self._lock:
                self._model = model
                self._install(points, xy, "umap")
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to: the page shows `problem`
            with self._lock:
                self._give_up(f"UMAP could not lay out {len(points):,} points", error)
        finally:
            with self._lock:
                self._provisional = False
                self._fitting = None
                self._activity = None
                self._cached = None

    def _install(self, points: _Points, xy: Array, method: Method, *, provisional: bool = False) -> None:
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
        self._reading, self._recalibrated = points.reading, False
        self._method, self._provisional = method, provisional
        self._layout_id += 1
        self._cached = None
        self._save()

    def _remember(self, points: _Points, xy: Array) -> None:
        if not np.isfinite(xy).all():
            bad = int((~np.isfinite(xy)).any(axis=1).sum())
            raise StudioError(f"The map got no coordinates for {bad} of {len(points)} points. Ask for a new layout.")
        for name, digest, (x, y) in zip(points.ids, points.digests, xy.tolist(), strict=True):
            self._known[name] = Placed(digest, x, y)

    def _xy(self, points: _Points) -> Array:
        return np.array([(self._known[name].x, self._known[name].y) for name in points.ids]).reshape(-1, 2)

    @staticmethod
    def _scale(points: _Points, xy: Array) -> float:
        """One typical scale of a layout, from at most 256 of its points."""
        some = slice(None, None, max(1, len(points) // 256))
        return float(np.median(local_scales(points.vectors[some], xy[some], points.vectors, xy)))

    def _describe(self, view: MapView, points: _Points) -> Layout:
        xy = self._xy(points)
        keys = len(view.keys)
        scales = _KeyScales(points, xy, keys)
        problem = " ".join(part for part in (self._umap_problem, self._file_problem, self._read_problem) if part)
        return Layout(
            self._layout_id, self._method, self._provisional, xy[:keys], xy[keys:], scales, problem, self._recalibrated
        )  # fmt: skip

    # -- The file -----------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self._path is None or self._provisional:
            return
        try:
            SavedLayout(self._method, self._reading, self._recalibrated, self._known).write(self._path)
            self._file_problem = ""
        except OSError as error:
            logger.warning("map layout not saved to %s: %s", self._path, error)
            self._file_problem = f"The layout could not be saved ({error.strerror}): points may move after a restart."

    def _load(self, path: Path) -> None:
        try:
            saved = SavedLayout.read(path)
        except (OSError, ValueError) as error:
            logger.warning("map layout %s cannot be read: %s", path, error)
            self._read_problem = f"The saved layout {path.name} could not be read ({error}); this is a new one."
        else:
            self._known, self._method, self._layout_id = dict(saved.known), saved.method, 1
            self._reading, self._recalibrated = saved.reading, saved.recalibrated
