"""UMAP in the background: it starts once, and makes one fit at a time. Knows no layout.

UMAP's import and compilation take some 30 s in a fresh process, and a large fit takes seconds: both happen on threads of
their own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from app.map.layout import umap_model
from app.map.layout.umap_model import Umap

R = TypeVar("R")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Activity:
    """What the background thread is doing, in words, and how far it is (0..1; None where that cannot be known)."""

    text: str
    fraction: float | None


class UmapWorker:
    """Thread-safe. problem: why the map does without UMAP, for people; or ""."""

    def __init__(self, start: Callable[[], object] = Umap.compile) -> None:
        """start: imports and compiles UMAP."""
        self._start = start
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._warming: threading.Thread | None = None
        self._fitting: threading.Thread | None = None
        self._activity: Activity | None = None
        self.problem = ""

    def warm_up(self) -> None:
        """Imports and compiles UMAP in a background thread, once. Returns at once."""
        with self._lock:
            if self._warming is None:
                self._warming = threading.Thread(target=self._warm, name="umap-warm-up", daemon=True)
                self._warming.start()

    @property
    def ready(self) -> bool:
        """True once UMAP can be used without waiting."""
        return self._ready.is_set() and not self.problem

    @property
    def activity(self) -> Activity | None:
        """What a page should tell people who wait for a layout; None when nothing is under way."""
        with self._lock:
            if self._fitting is None:
                return None
            if not self._ready.is_set():
                return Activity("UMAP is starting (about half a minute after the app starts)", None)
            return self._activity

    def wait_until_started(self, timeout: float | None = None) -> bool:
        """Waits for `warm_up`; False if UMAP is still starting after `timeout` seconds."""
        return self._ready.wait(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the fit under way; False if it is still under way after `timeout` seconds."""
        thread = self._fitting
        if thread is not None:
            thread.join(timeout)
            return not thread.is_alive()
        return True

    def fit(self, vectors: np.ndarray, done: Callable[[Umap | None], None]) -> None:
        """Fits in a background thread, which then calls `done`; with None where UMAP gave up. One at a time."""
        with self._lock:
            if self._fitting is not None or self.problem:
                return
            self._activity = Activity(f"Laying out {len(vectors):,} points with UMAP", None)
            self._fitting = threading.Thread(target=self._fit, args=(vectors, done), name="umap-fit", daemon=True)
        self.warm_up()
        self._fitting.start()

    def at_once(self, work: Callable[[], R], failing: str) -> R | None:
        """What `work` makes with UMAP; None where that is not ready, is used by another thread, or gives up."""
        if not self.ready or not umap_model.LOCK.acquire(blocking=False):
            return None
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - logged and shown, see `_give_up`
            self._give_up(failing, error)
            return None
        finally:
            umap_model.LOCK.release()

    def _warm(self) -> None:
        try:
            with umap_model.LOCK:
                self._start()
        except Exception as error:  # noqa: BLE001 - a missing or broken UMAP must not take the page with it
            self._give_up("UMAP could not be started", error)
        finally:
            self._ready.set()

    def _fit(self, vectors: np.ndarray, done: Callable[[Umap | None], None]) -> None:
        words = f"Laying out {len(vectors):,} points with UMAP"

        def report(fraction: float) -> None:
            with self._lock:
                self._activity = Activity(words, fraction)

        model = None
        try:
            self._ready.wait()
            if not self.problem:
                with umap_model.LOCK:
                    model = Umap.fit(vectors, report)
            done(model)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to: the page shows `problem`
            self._give_up(f"UMAP could not lay out {len(vectors):,} points", error)
            done(None)
        finally:
            with self._lock:
                self._fitting = self._activity = None

    def _give_up(self, what: str, error: Exception) -> None:
        """The map goes on without UMAP, and says so."""
        logger.error("%s", what, exc_info=error)
        self.problem = f"{what} ({error}); the map does without it until the app is started again."
