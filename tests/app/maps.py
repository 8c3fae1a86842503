"""A map for tests of what stands around it."""

from __future__ import annotations

from app.map.layout.layout import Projection
from app.map.layout.umap_worker import UmapWorker


def without_umap() -> Projection:
    """UMAP is compiled for half a minute on threads that go on beside other tests, which then find the processor taken."""
    umap = UmapWorker(start=_nothing)
    umap.problem = "Not here."
    return Projection(umap=umap)


def _nothing() -> None:
    """In place of UMAP's start."""
