"""Keeps a layout in its file. Whoever changes the layout does not wait for the disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from app.map.layout.file import SavedLayout

logger = logging.getLogger(__name__)

_DELAY = 1.0


class Keeper:
    """Writes what `contents` gives soon after it has changed: many changes in a row make one file. Thread-safe.

    path: None keeps nothing. contents: asked on the writing thread; None where there is nothing to keep.
    problem: why the last one could not be written, for people; or "".
    """

    def __init__(self, path: Path | None, contents: Callable[[], SavedLayout | None]) -> None:
        self._path, self._contents = path, contents
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None
        self.problem = ""

    def read(self) -> SavedLayout | None:
        """What is kept, or None.

        Raises:
            OSError: it cannot be opened.
            ValueError: it is damaged.
        """
        return None if self._path is None or not self._path.exists() else SavedLayout.read(self._path)

    def soon(self) -> None:
        """Write before long. A process that ends waits for it."""
        with self._lock:
            if self._path is not None and self._timer is None:
                self._timer = threading.Timer(_DELAY, self._write)
                self._timer.name = "map-layout"
                self._timer.start()

    def flush(self) -> None:
        """Write now what was to be written, and wait for it."""
        with self._lock:
            timer = self._timer
        if timer is not None:
            timer.cancel()
            self._write()

    def _write(self) -> None:
        with self._writing:
            with self._lock:
                if self._timer is None or self._path is None:
                    return
                self._timer = None
            saved, problem = self._contents(), ""
            if saved is None:
                return
            try:
                saved.write(self._path)
            except OSError as error:
                logger.warning("map layout not saved to %s: %s", self._path, error)
                problem = f"The layout could not be saved ({error.strerror}): points may move after a restart."
            self.problem = problem
