"""What the map page shows at one moment: scene, selected edit, its surroundings and where probes land.

One per app: browsers share the scene, so a click costs what the selection changes and not what the map holds. Knows no
widget.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from app.errors import NotFound
from app.map.layout.layout import UMAP_FROM, Layout, Projection
from app.map.layout.umap_worker import Activity
from app.map.scene import MapScene
from app.map.surroundings import Radial, radial, rings_of
from app.map.trials import Landed, Tries, landed
from app.map.undone_keys import UndoneOnMap, UndonePlaces
from app.studio.views import EditDetail, MapMoment, MapView

if TYPE_CHECKING:
    from app.studio.facade import Studio


@dataclass(frozen=True)
class Look:
    """missing: why there is no detail though an edit is selected (a permalink may name another codebook's)."""

    scene: MapScene
    detail: EditDetail | None
    missing: str
    radial: Radial | None
    landed: tuple[Landed, ...]
    undone: UndoneOnMap
    activity: Activity | None
    status: str


class MapDesk:
    """Looks things up for the map page. Thread-safe."""

    def __init__(self, studio: Studio, projection: Projection) -> None:
        self._studio = studio
        self._projection = projection
        self._scene: MapScene | None = None
        self._undone = UndonePlaces(studio, projection)
        self._lock = threading.Lock()

    def look(self, selected: str | None, tries: Tries | None = None, *, opened: bool = False, undone: bool = False) -> Look:
        """Everything with this edit selected. opened: see `Projection.layout`. undone: show the keys of undone edits."""
        moment = self._studio.map_moment()
        scene = self._scene_of(moment, opened)
        activity = self._projection.activity
        detail, missing = self._detail(selected)
        around = self._radial(scene, selected, moment)
        tried = landed(scene, tries or Tries(), moment, partial(self._located, scene))
        places = self._undone.look(moment, scene.layout, shown=undone)
        status = _status(scene.view, scene.layout, activity)
        return Look(scene, detail, missing, around, tried, places, activity, status)

    def scene(self, *, opened: bool = False) -> MapScene:
        """All points as they are now; the same object until one of them changes."""
        return self._scene_of(self._studio.map_moment(), opened)

    def _scene_of(self, moment: MapMoment, opened: bool) -> MapScene:
        view = moment.view
        layout = self._projection.layout(view, opened=opened)
        with self._lock:
            kept = self._scene
            if kept is None or kept.view is not view or kept.layout is not layout:
                kept = self._scene = MapScene(view, layout, moment.codebook.config.distance)
            return kept

    def _radial(self, scene: MapScene, selected: str | None, moment: MapMoment) -> Radial | None:
        row = None if selected is None else scene.row_of.get(selected)
        if row is None:
            return None
        around = rings_of(moment.codebook, scene.view.keys[row].edit_id)
        return radial(
            scene.view, scene.layout, row, distance=scene.distance, rings=around, to_queries=scene.to_queries(row)
        )  # fmt: skip

    def _located(self, scene: MapScene, vector: np.ndarray) -> tuple[float, float]:
        ((x, y),) = self._projection.locate(scene.view, vector[None]).tolist()
        return x, y

    def _detail(self, selected: str | None) -> tuple[EditDetail | None, str]:
        if selected is None:
            return None, ""
        try:
            return self._studio.detail(selected), ""
        except NotFound as error:
            return None, str(error)


def _status(view: MapView, layout: Layout, activity: Activity | None) -> str:
    """What to know about this layout right now; usually nothing."""
    parts = []
    if activity is not None:
        done = "" if activity.fraction is None else f" {activity.fraction:.0%}"
        meanwhile = " This preliminary layout is shown meanwhile." if layout.provisional else ""
        parts.append(f"{activity.text}…{done}{meanwhile}")
    elif layout.method != "umap" and not layout.problem and len(view.keys) + len(view.queries) >= UMAP_FROM:
        parts.append("Made when there were few points. “New layout” arranges all of them with UMAP.")
    elif layout.method == "umap" and layout.recalibrated and not layout.problem:
        parts.append("The encoder was calibrated since; every point kept its place. “New layout” arranges them anew.")
    if layout.problem:
        parts.append(layout.problem)
    return " ".join(parts)
