"""UMAP in the background: what it shows meanwhile, what it keeps, and what happens where it breaks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.map.circles import Inside
from app.map.layout import placing
from app.map.layout.layout import UMAP_FROM, Projection
from app.map.layout.umap_model import Umap
from app.map.layout.umap_worker import Activity, UmapWorker
from app.map.scene import MapScene
from tests.app.map.layout.layouts import EMPTY, WIDTH, calibrated, kept, unit, view_of


@pytest.fixture(scope="module")
def warm() -> UmapWorker:
    """UMAP imported and compiled once for the tests that need it (half a minute in a fresh process)."""
    worker = UmapWorker()
    worker.warm_up()
    assert worker.wait_until_started(300)
    assert worker.ready
    return worker


def test_many_points_show_principal_components_while_umap_starts() -> None:
    gate = threading.Event()
    projection = Projection(umap=UmapWorker(start=gate.wait))
    layout = projection.layout(view_of(unit(5), unit(UMAP_FROM, seed=1)))
    assert (layout.method, layout.provisional) == ("pca", True)
    activity = projection.activity
    assert activity is not None
    assert "UMAP is starting" in activity.text
    gate.set()
    assert projection.wait(300)
    assert projection.layout(view_of(unit(5), unit(UMAP_FROM, seed=1))).method == "umap"


def test_a_broken_umap_leaves_a_map_and_says_so() -> None:
    def missing() -> None:
        raise ImportError("no umap here")

    worker = UmapWorker(start=missing)
    projection = Projection(umap=worker)
    projection.warm_up()
    assert worker.wait_until_started(10)
    layout = projection.layout(view_of(unit(20), EMPTY))
    assert (layout.method, layout.provisional) == ("pca", False)
    assert "no umap here" in layout.problem
    projection.refit(view_of(unit(20), EMPTY))
    assert projection.activity is None


def test_umap_keeps_old_points_when_new_ones_come(warm: UmapWorker) -> None:
    keys, queries = unit(20), unit(60, seed=1)
    queries[:20] = keys
    projection = Projection(umap=warm)
    before = projection.layout(view_of(keys[:18], queries[:50], "1"))
    after = projection.layout(view_of(keys, queries, "2"))
    assert (before.method, before.provisional) == ("umap", False)
    assert np.array_equal(after.keys[:18], before.keys)
    assert np.array_equal(after.queries[:50], before.queries)
    assert np.isfinite(after.keys).all()
    assert before.layout_id == after.layout_id


def test_umap_goes_on_from_the_new_vectors_after_a_calibration(warm: UmapWorker) -> None:
    keys, queries = unit(20), unit(40, seed=1)
    projection = Projection(umap=warm)
    before = projection.layout(view_of(keys, queries, "1"))
    new_keys, new_queries = calibrated(keys, WIDTH + 8), calibrated(queries, WIDTH + 8)
    same = np.concatenate([new_queries, new_keys[7:8]])
    after = projection.layout(view_of(new_keys, same, "2"))
    assert (after.method, after.recalibrated, after.problem) == ("umap", True, "")
    assert np.array_equal(after.keys, before.keys)
    assert np.array_equal(after.queries[:40], before.queries)
    assert placing.distances(after.queries[40:], after.keys)[0].argmin() == 7


@pytest.mark.parametrize("size", [60, 200])
def test_what_circles_say_of_a_fit_is_truer_with_rephrasings_beside_their_keys(
    warm: UmapWorker, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(size)
    topics = rng.normal(size=(5, WIDTH))
    edited = topics[rng.integers(5, size=size // 3)] + rng.normal(size=(size // 3, WIDTH))
    own = rng.integers(len(edited), size=size)
    asked = edited[own] + rng.choice([0.0, 0.02, 0.2], size=(size, 1)) * rng.normal(size=(size, WIDTH))
    plain = view_of(*((part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32) for part in (edited, asked)))
    view = replace(plain, keys=tuple(replace(key, epsilon=0.4) for key in plain.keys))

    def circles() -> tuple[Inside, float]:
        """How far they can be believed, and the share of queries that are drawn nearest to their own key."""
        layout = Projection(umap=warm).layout(view)
        assert layout.method == "umap"
        nearest = placing.distances(layout.queries, layout.keys).argmin(axis=1)
        return MapScene(view, layout, "euclidean").inside_all, float((nearest == own).mean())

    drawn, right = circles()
    monkeypatch.setattr("app.map.layout.layout.beside_keys", lambda xy, vectors, keys: xy)
    fitted, before = circles()
    assert right > max(before, 0.9)
    assert drawn.truly > fitted.truly
    assert drawn.missed < fitted.missed
    assert drawn.truly / drawn.drawn > fitted.truly / fitted.drawn


def test_umap_is_deterministic(warm: UmapWorker) -> None:
    view = view_of(unit(10), unit(30, seed=1))
    left, right = (Projection(umap=warm).layout(view) for _ in range(2))
    assert np.array_equal(left.keys, right.keys)


def test_a_small_layout_becomes_a_umap_only_when_the_map_is_opened(warm: UmapWorker) -> None:
    projection = Projection(umap=warm)
    small = projection.layout(view_of(unit(4), EMPTY, "1"))
    grown = view_of(unit(4), unit(20, seed=1), "2")
    watched = projection.layout(grown)
    assert (watched.method, watched.layout_id) == ("mds", small.layout_id)
    projection.layout(grown, opened=True)
    assert projection.wait(60)
    opened = projection.layout(grown)
    assert opened.method == "umap"
    assert opened.layout_id > small.layout_id


def test_a_new_layout_on_request_reports_progress_and_ends(warm: UmapWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    projection = Projection(umap=warm)
    view = view_of(unit(6), unit(40, seed=1), "1")
    before = projection.layout(view)
    seen: list[Activity | None] = []

    def fit(vectors: np.ndarray, report: Callable[[float], None]) -> Umap:
        """UMAP's, and what a page would be told at each of its reports: it waits for nobody to look."""

        def reported(fraction: float) -> None:
            report(fraction)
            seen.append(projection.activity)

        seen.append(projection.activity)
        return real(vectors, reported)

    real = Umap.fit
    monkeypatch.setattr(Umap, "fit", fit)
    projection.refit(view)
    assert projection.wait(60)
    words = f"Laying out {len(view.keys) + len(view.queries)} points with UMAP"
    assert seen[0] == Activity(words, None)
    assert all(activity is not None and activity.text == words for activity in seen)
    fractions = [activity.fraction for activity in seen[1:] if activity is not None and activity.fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert projection.activity is None
    assert projection.layout(view).layout_id > before.layout_id


def test_a_saved_umap_goes_on_after_a_restart(warm: UmapWorker, tmp_path: Path) -> None:
    path = tmp_path / "layout.npz"
    keys, queries = unit(20), unit(40, seed=1)
    before = kept(Projection(path, warm), view_of(keys, queries, "1"))
    again = Projection(path, warm)
    near = np.concatenate([queries, keys[7:8]])
    after = again.layout(view_of(keys, near, "2"))
    assert after.method == "umap"
    assert np.array_equal(after.keys, before.keys)
    assert np.array_equal(after.queries[:40], before.queries)
    assert placing.distances(after.queries[40:], after.keys)[0].argmin() == 7
