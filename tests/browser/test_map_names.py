"""Names beside the keys of a map, as a browser places them: they cover nothing, fit in, and are of what is picked out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from app.ui.components import asset

pytestmark = pytest.mark.browser

LENGTH = 14


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.add_script_tag(content=asset("map/names.js"))
    yield page
    page.close()


def value(points: np.ndarray, *, chosen: int | None = None, landing: tuple[float, float] | None = None) -> dict[str, Any]:
    names = [{"row": row, "text": "n" * LENGTH, "length": LENGTH} for row in range(len(points))]
    stars = {"x": [landing[0]], "y": [landing[1]]} if landing is not None else {"x": [], "y": []}
    return {"paint": {"names": names, "keys": {"chosen": chosen}}, "landings": stars}


def names(
    page: Page, points: np.ndarray, *, marked: list[str] | None = None, width: float = 500, height: float = 500, **more: Any
) -> dict[int, dict[str, Any]]:
    """The annotations by the keys' positions. Pixels are map units, from the upper left corner to the right and down."""
    at = {
        "keys": {
            "id": [f"k{row}" for row in range(len(points))],
            "x": points[:, 0].tolist(),
            "y": (-points[:, 1]).tolist(),
        },
        "queries": {"id": [], "x": [], "y": []},
        "sizes": {"key": 15},
    }
    view = {"x": [0, width], "y": [-height, 0], "width": width, "height": height}
    found = page.evaluate(
        """([value, at, marked, view]) => keyNames(value, at, marked && { keys: new Set(marked), queries: new Set() }, view)""",
        [value(points, **more), at, marked, view],
    )
    row_of = {(x, -y): row for row, (x, y) in enumerate(points.tolist())}
    return {row_of[note["x"], note["y"]]: note for note in found}


def box(note: dict[str, Any]) -> tuple[float, float, float, float]:
    """left, top, right, bottom of a name as it is drawn."""
    width, height = 7.2 * LENGTH, 16
    x, y = note["x"] + note["xshift"], -note["y"] - note["yshift"]
    left = x - {"left": 0, "center": width / 2, "right": width}[note["xanchor"]]
    top = y - {"top": 0, "middle": height / 2, "bottom": height}[note["yanchor"]]
    return left, top, left + width, top + height


def overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("width", [500, 260])
def test_names_cover_neither_each_other_nor_a_key_and_fit_into_the_width_there_is(blank: Page, width: int) -> None:
    points = np.random.default_rng(4).uniform(20, [width - 20, 480], size=(12, 2)).round(1)
    boxes = [box(note) for note in names(blank, points, width=width).values()]
    assert len(boxes) >= 5
    for left, top, right, bottom in boxes:
        assert min(left, top) >= 0
        assert right <= width
        assert bottom <= 500
    keys = [(x - 8, y - 8, x + 8, y + 8) for x, y in points.tolist()]
    assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
    assert not any(overlap(one, key) for one in boxes for key in keys)


def test_the_selected_key_has_its_name_even_in_a_crowd(blank: Page) -> None:
    crowd = np.array([[250.0 + x, 250.0 + y] for y in range(-40, 41, 8) for x in range(-130, 131, 10)])
    middle = len(crowd) // 2
    assert middle not in names(blank, crowd)
    assert names(blank, crowd, chosen=middle)[middle]["text"] == f"<b>{'n' * LENGTH}</b>"


def test_only_what_is_picked_out_is_named_and_what_is_greyed_may_be_covered(blank: Page) -> None:
    crowd = np.array([[250.0 + x, 250.0 + y] for y in range(-40, 41, 8) for x in range(-130, 131, 10)])
    middle = len(crowd) // 2
    assert set(names(blank, crowd, marked=[f"k{middle}", "k0"])) == {middle, 0}
    assert set(names(blank, crowd, marked=["k0"], chosen=middle)) == {middle, 0}
    assert names(blank, crowd, marked=[]) == {}


def test_no_name_lies_over_the_star_of_a_probe(blank: Page) -> None:
    points = np.array([[200.0, 200.0]])
    plain = names(blank, points)[0]
    left, top, right, bottom = box(plain)
    star = ((left + right) / 2, (top + bottom) / 2)
    moved = box(names(blank, points, landing=(star[0], -star[1]))[0])
    assert not overlap(moved, (star[0] - 10, star[1] - 10, star[0] + 10, star[1] + 10))


def test_a_key_out_of_view_has_no_name(blank: Page) -> None:
    assert set(names(blank, np.array([[200.0, 200.0], [700.0, 200.0]]))) == {0}
