"""Prompts tried on the map: their numbers, and stars that say the truth by where they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.map.layout.layout import Layout
from app.map.scene import MapScene
from app.map.trials import Tries, truthful_place
from app.studio.views import MapKey, MapView, Trial


def trial(prompt: str) -> Trial:
    return Trial(prompt, np.zeros(3, np.float32))


def numbers(tries: Tries) -> dict[int, str]:
    return {number: one.prompt for number, one in tries.numbered}


def test_prompts_tried_keep_their_numbers_and_the_oldest_leaves() -> None:
    tries = Tries()
    for number in range(1, Tries.MOST + 3):
        tries.add(trial(f"p{number}"))
    assert numbers(tries) == {number: f"p{number}" for number in range(3, Tries.MOST + 3)}
    tries.clear(4)
    tries.clear(4)
    assert 4 not in numbers(tries)
    assert numbers(tries)[5] == "p5"
    tries.clear(None)
    assert numbers(tries) == {}
    tries.add(trial("again"))
    assert numbers(tries) == {1: "again"}


def test_a_prompt_tried_again_is_the_newest_and_there_once() -> None:
    tries, again = Tries(), trial("a")
    for one in (trial("a"), trial("b"), again):
        tries.add(one)
    assert numbers(tries) == {2: "b", 3: "a"}
    assert tries.numbered[-1][1] is again, "its activation is the one just read"


def scene_of(xy: np.ndarray, epsilon: float = 0.3) -> MapScene:
    """Keys that stand in the plane as they do in the query space."""
    keys = tuple(MapKey(f"e{row}", (f"e{row}",), f"prompt {row}", "target", epsilon) for row in range(len(xy)))
    vectors = np.asarray(xy, np.float32)
    none = np.zeros((0, 2))
    view = MapView("1", keys, (), vectors, none.astype(np.float32))
    return MapScene(view, Layout(1, "mds", False, np.asarray(xy, np.float64), none, np.ones(len(xy))), "euclidean")


def test_a_star_that_would_stand_on_another_key_stands_beside_its_nearest_one() -> None:
    scene = scene_of(np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]))
    on_the_second = (3.0, 0.0)
    x, y = truthful_place(scene, on_the_second, 0, 0.4, matched=False)
    away = np.linalg.norm(scene.layout.keys - (x, y), axis=1)
    assert away.argmin() == 0
    assert away[0] > scene.shown_radius(0), "outside its circle: the model itself answers"
    assert x > 0, "on the side where it was"
    assert away[0] == pytest.approx(scene.shown_radius(0) * 0.4 / 0.3), "as far as it truly is, on the circle's scale"
    x, y = truthful_place(scene, on_the_second, 0, 0.2, matched=True)
    assert np.hypot(x, y) == pytest.approx(scene.shown_radius(0) * 0.2 / 0.3)


def test_a_star_whose_place_is_true_stays() -> None:
    scene = scene_of(np.array([[0.0, 0.0], [3.0, 0.0]]))
    assert truthful_place(scene, (0.0, 1.2), 0, 0.4, matched=False) == (0.0, 1.2)
    assert truthful_place(scene, (0.1, 0.1), 0, 0.2, matched=True) == (0.1, 0.1)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=12, unique=True),
    st.tuples(st.floats(-12, 12), st.floats(-12, 12)), st.data(), st.booleans(),
)  # fmt: skip
def test_the_key_that_a_star_stands_nearest_to_is_its_nearest_key(
    xy: list[tuple[int, int]], there: tuple[float, float], data: st.DataObject, matched: bool
) -> None:
    scene = scene_of(np.array(xy, dtype=float))
    row = data.draw(st.integers(0, len(xy) - 1))
    place = truthful_place(scene, there, row, 0.2 if matched else 0.4, matched=matched)
    away = np.linalg.norm(scene.layout.keys - place, axis=1)
    assert away.argmin() == row
    assert (away[row] <= scene.shown_radius(row)) == matched
