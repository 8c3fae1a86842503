"""Where the keys of undone edits stood: what the map shows of them when it is asked to.

A key that the layout has placed before is shown there, and would return to it. For others their prompt is read once, in
the model's queue, and they appear when that is done. Nothing here changes the codebook or the layout.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.jobs import Job
from app.projection import Projection
from app.records import EditPage, EditRow, MapView
from grace_core.adapter import activations_of
from grace_core.codebook import Codebook
from grace_core.models import LanguageModel

if TYPE_CHECKING:
    from app.workbench import Workbench

# More hollow diamonds than these would hide the map; the newest matter.
SHOWN = 300


@dataclass(frozen=True)
class WithdrawnKey:
    """An undone edit and where its key would stand."""

    edit_id: str
    prompt: str
    target: str
    x: float
    y: float


@dataclass(frozen=True)
class Withdrawn:
    """count: how many edits are undone at all. keys: those that can be shown now. reading: others will follow."""

    count: int
    keys: tuple[WithdrawnKey, ...] = ()
    reading: bool = False


class WithdrawnKeys:
    """Finds them. Thread-safe; shared by all browsers."""

    def __init__(self, bench: Workbench, projection: Projection) -> None:
        self._bench = bench
        self._projection = projection
        self._lock = threading.Lock()
        self._activations: dict[str, np.ndarray] = {}
        self._asked: set[str] = set()
        self._pending: set[str] = set()
        self._page: tuple[str, EditPage] | None = None

    def look(self, view: MapView, *, shown: bool) -> Withdrawn:
        """All of them among the points of `view`; only their number where they are not to be shown."""
        page = self._undone(view.version)
        if not shown or not page.rows:
            return Withdrawn(page.total)
        places = self._projection.remembered(row.edit_id for row in page.rows)
        unplaced = [row for row in page.rows if row.edit_id not in places]
        with self._lock:
            read = {row.edit_id: self._activations[row.edit_id] for row in unplaced if row.edit_id in self._activations}
            unread = [row for row in unplaced if row.edit_id not in self._asked]
            for known in (self._asked, self._pending):
                known.update(row.edit_id for row in unread)
            waiting = any(row.edit_id in self._pending for row in unplaced)
        if read:
            vectors = self._bench.codebook.encoder(np.stack(list(read.values())))
            places |= dict(zip(read, map(tuple, self._projection.locate(view, vectors).tolist()), strict=True))
        if unread:
            self._read(unread)
        keys = tuple(
            WithdrawnKey(row.edit_id, row.prompt, row.target, *places[row.edit_id]) for row in page.rows if row.edit_id in places
        )
        return Withdrawn(page.total, keys, waiting)

    def _undone(self, version: str) -> EditPage:
        kept = self._page
        if kept is None or kept[0] != version:
            kept = self._page = version, self._bench.edits(state="undone", limit=SHOWN)
        return kept[1]

    def _read(self, rows: list[EditRow]) -> None:
        """In the model's queue, behind whatever runs there; each prompt once, whether that works or not."""

        def work(model: LanguageModel, codebook: Codebook, job: Job[None]) -> None:
            try:
                for row in rows:
                    found = activations_of(model, codebook.config, codebook.encoder.weights, [model.prompt(row.prompt)])
                    with self._lock:
                        self._activations[row.edit_id] = found[0]
            finally:
                with self._lock:
                    self._pending.difference_update(row.edit_id for row in rows)

        self._bench.run(work)
