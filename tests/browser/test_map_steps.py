"""Which key J and K come to, and the part of the map that holds the stars of prompts tried: pure, in a blank page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from app.ui.components import asset

pytestmark = pytest.mark.browser


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    for name in ("map/steps.js", "map/landings.js"):
        page.add_script_tag(content=asset(name))
    yield page
    page.close()


@pytest.mark.parametrize(
    ("ids", "left", "step", "before", "to"),
    [
        ("abc", "a", 1, "abc", "b"),
        ("abc", "c", 1, "abc", "a"),
        ("abc", "a", -1, "abc", "c"),
        ("abc", None, 1, "", "a"),
        ("abc", None, -1, "", "c"),
        ("acd", "b", 1, "abcd", "c"),  # undone: where it stood
        ("acd", "b", -1, "abcd", "a"),
        ("ab", "d", 1, "abcd", "a"),
        ("cd", "a", -1, "abcd", "d"),
        ("d", "b", 1, "abcd", "d"),
        ("xy", "b", -1, "abc", "y"),
        ("", "a", 1, "a", None),
    ],
)
def test_a_step_goes_on_from_the_key_that_is_left(
    blank: Page, ids: str, left: str | None, step: int, before: str, to: str | None
) -> None:
    found = blank.evaluate("([ids, left, step, before]) => steppedFrom(ids, left, step, before)", [[*ids], left, step, [*before]])
    assert found == to


def test_everything_holds_the_stars(blank: Page) -> None:
    def ranges(x: list[float], y: list[float]) -> dict[str, Any]:
        found: dict[str, Any] = blank.evaluate(
            "([x, y]) => rangesWith({ x: [0, 10], y: [-5, 5] }, { x, y })", [x, y]
        )  # fmt: skip
        return found

    assert ranges([], []) == {"x": [0, 10], "y": [-5, 5]}
    assert ranges([5], [0]) == {"x": [0, 10], "y": [-5, 5]}
    wide = ranges([-3, 12, 4], [0, 9, 0])
    assert wide["x"][0] < -3
    assert wide["x"][1] > 12
    assert wide["y"][0] == -5
    assert wide["y"][1] > 9
