"""UMAP as this app uses it: seeded, single-threaded, quiet, with progress, and restorable without pickle.

The library is imported on first use: importing and compiling it takes some 30 s in a fresh process. Numba's default
threading layer aborts the process when it is entered from two threads at once, so callers hold `LOCK` around each call.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from app.map.layout.placing import Array, principal

LOCK = threading.Lock()

_SEED = 20


class Umap:
    """A fitted UMAP and its coordinates, rotated and shifted as the layout was."""

    def __init__(self, model: Any, xy: Array) -> None:
        self._model = model
        self.xy = xy
        self._rotation, self._shift = np.eye(2), np.zeros(2)

    @classmethod
    def fit(cls, vectors: np.ndarray, report: Callable[[float], None]) -> Umap:
        model = cls._reducer(len(vectors), tqdm_kwds={"disable": False, "file": _Meter(report), "bar_format": "{n}/{total}"})
        xy = cls._quietly(model.fit_transform, vectors)
        model.tqdm_kwds = {"disable": True}
        return cls(model, np.asarray(xy, np.float64))

    @classmethod
    def restore(cls, vectors: np.ndarray, xy: Array) -> Umap:
        """A UMAP that stands where a saved layout stood: only neighbours are computed, no point is moved."""
        model = cls._reducer(len(vectors), n_epochs=0, init=principal(vectors).astype(np.float32))
        with np.errstate(all="ignore"):
            cls._quietly(model.fit, vectors)
        model.embedding_, model.n_epochs, model.tqdm_kwds = xy.astype(np.float32), None, {"disable": True}
        return cls(model, xy)

    @classmethod
    def compile(cls) -> None:
        """Runs each compiled path once, on 20 points."""
        vectors = np.random.default_rng(_SEED).normal(size=(22, 8)).astype(np.float32)
        model = cls._reducer(20)
        cls._quietly(model.fit, vectors[:20])
        cls._quietly(model.transform, vectors[20:])

    def transform(self, vectors: np.ndarray) -> Array:
        xy = np.asarray(self._quietly(self._model.transform, vectors), np.float64)
        return xy @ self._rotation + self._shift

    def place_in(self, rotation: Array, shift: Array) -> None:
        self._rotation, self._shift = rotation, shift

    @staticmethod
    def _reducer(count: int, **options: Any) -> Any:
        with warnings.catch_warnings():  # It warns that TensorFlow, which nothing here needs, is missing.
            warnings.simplefilter("ignore")
            umap = importlib.import_module("umap")
        return umap.UMAP(
            n_neighbors=min(15, count - 1), min_dist=0.25, metric="euclidean", random_state=_SEED, n_jobs=1, **options
        )

    @staticmethod
    def _quietly(work: Callable[[np.ndarray], Any], vectors: np.ndarray) -> Any:
        with warnings.catch_warnings():  # UMAP explains its choices (spectral start, seeds) as warnings.
            warnings.simplefilter("ignore")
            return work(vectors)


class _Meter:
    """A text file that only reads the `done/total` which UMAP's progress bar writes into it."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report

    def write(self, text: str) -> int:
        done, slash, total = text.strip().partition("/")
        if slash and done.isdigit() and total.isdigit() and int(total):
            self._report(int(done) / int(total))
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""
