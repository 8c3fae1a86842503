"""Circles on the map: what does not overlap is not drawn to overlap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.map.circles import Inside, drawn_inside, drawn_radii, straight
from app.map.layout.layout import Layout
from app.studio.views import MapView
from tests.app.map.map_samples import large, two_keys


def test_cosine_radii_are_drawn_as_lengths() -> None:
    # 0.405 is 1 - cos of the angle whose chord is 0.9: the same ball in the other measure.
    assert straight(np.array([0.405]), "cosine") == pytest.approx([0.9])
    assert straight(np.array([0.9]), "euclidean") == pytest.approx([0.9])


def apart(view: MapView) -> MapView:
    return replace(view, keys=tuple(replace(key, epsilon=0.4) for key in view.keys))


def test_circles_of_balls_that_are_apart_do_not_overlap() -> None:
    layout = Layout(1, "umap", False, np.array([[0.0, 0.0], [1.0, 0.0]]), np.zeros((5, 2)), np.array([5.0, 0.1]))
    assert drawn_radii(apart(two_keys()), layout, "euclidean", [0, 1]) == pytest.approx([0.5, 0.04])


def test_balls_that_overlap_may_be_drawn_so() -> None:
    layout = Layout(1, "umap", False, np.array([[0.0, 0.0], [1.0, 0.0]]), np.zeros((5, 2)), np.array([5.0, 0.1]))
    assert drawn_radii(two_keys(), layout, "euclidean", [0]) == pytest.approx([4.5])


def test_no_pair_of_separate_balls_is_drawn_overlapping() -> None:
    view, layout = large(80, 10)
    radii = drawn_radii(view, layout, "cosine", range(80))
    flat = np.linalg.norm(layout.keys[:, None] - layout.keys[None], axis=2)
    gap = 1 - view.key_vectors @ view.key_vectors.T - 0.4
    drawn_apart = radii[:, None] + radii[None] <= flat + 1e-9
    assert drawn_apart[(gap > 1e-6) & ~np.eye(80, dtype=bool)].all()


def test_a_circle_is_compared_with_its_ball() -> None:
    layout = Layout(1, "umap", False, np.zeros((1, 2)), np.array([[0.1, 0.0], [0.2, 0.0], [3.0, 0.0]]), np.ones(1))
    assert drawn_inside(layout, 0, 1.0, np.array([0.3, 0.9, 0.4]) <= 0.5) == Inside(drawn=2, truly=1, missed=1)
