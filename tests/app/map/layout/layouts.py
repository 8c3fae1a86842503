"""Vectors, views and their layouts, for the tests of the layout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.map.layout.layout import Layout, Projection
from app.studio.views import MapKey, MapQuery, MapView

WIDTH = 64


def unit(count: int, seed: int = 0, width: int = WIDTH) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def view_of(keys: np.ndarray, queries: np.ndarray, version: str = "1", key_ids: Sequence[str] = ()) -> MapView:
    names = key_ids or [f"e{row}" for row in range(len(keys))]
    return MapView(
        version,
        tuple(MapKey(name, (name,), f"prompt {name}", "target", 0.9) for name in names),
        tuple(MapQuery(f"q{row}", f"query {row}", "text", None, None) for row in range(len(queries))),
        keys,
        queries,
    )


EMPTY = np.zeros((0, WIDTH), np.float32)


def kept(projection: Projection, view: MapView) -> Layout:
    """The layout, as it is described once it is in its file."""
    projection.layout(view)
    projection.flush()
    return projection.layout(view)


def calibrated(vectors: np.ndarray, width: int = WIDTH) -> np.ndarray:
    """All vectors a little changed, as a calibration of the encoder changes them; perhaps wider, too."""
    wider = np.concatenate([vectors, np.zeros((len(vectors), width - vectors.shape[1]), np.float32)], axis=1)
    moved = wider + 0.1 * unit(len(vectors), seed=99, width=width)
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


def everything(layout: Layout, keys: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and coordinates of all points."""
    return np.concatenate([keys, queries]), np.concatenate([layout.keys, layout.queries])
