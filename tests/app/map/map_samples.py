"""Views of a small and of a large map, without a model."""

from __future__ import annotations

import numpy as np

from app.map.layout.layout import Layout
from app.map.trials import Tries
from app.studio.views import MapKey, MapQuery, MapView, Trial


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=1).astype(np.float32)


def two_keys() -> MapView:
    """Two keys 60° apart, ε 0.9 (about 53°); queries at 0°, 40°, 52°, 58° and 180°."""
    return MapView(
        "1",
        (
            MapKey("a", ("a", "a2"), "Who is <b>Ada</b>?", "A & B", 0.9),
            MapKey("b", ("b",), "Who is Bea?", "Bea", 0.9),
        ),
        (
            MapQuery("q0", "Who is <b>Ada</b>?", "<i>text</i>", "a", 0.0),
            MapQuery("q1", "q1", "t", "b", 0.35),
            MapQuery("q2", "q2", "t", "b", 0.1),
            MapQuery("q3", "q3", "t", "b", 0.03),
            MapQuery("q4", "q4", "t", None, 1.7),
        ),
        on_circle(0, 60),
        on_circle(0, 40, 52, 58, 180),
    )


def large(keys: int, queries: int, width: int = 64, seed: int = 0) -> tuple[MapView, Layout]:
    """As many points as asked for, in clusters, with some layout."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, keys // 20), width))
    own = centres[rng.integers(len(centres), size=keys)] + rng.normal(size=(keys, width))
    asked = own[rng.integers(keys, size=queries)] + 0.5 * rng.normal(size=(queries, width))
    vectors = [(part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32) for part in (own, asked)]
    view = MapView(
        f"large-{seed}",
        tuple(MapKey(f"k{i}", (f"k{i}",), f"Where was person number {i} born?", f"In town {i}.", 0.2) for i in range(keys)),
        tuple(
            MapQuery(f"q{i}", f"In which town was person {i} born, and when?", f"In town {i}, long ago.", None, 0.5)
            for i in range(queries)
        ),
        *vectors,
    )
    key_xy, query_xy = (part[:, :2].astype(np.float64) * 20 for part in vectors)
    return view, Layout(1, "umap", False, key_xy, query_xy, np.full(keys, 10.0))


def tries(*probes: Trial) -> Tries:
    """These prompts, tried in this order."""
    made = Tries()
    for probe in probes:
        made.add(probe)
    return made
