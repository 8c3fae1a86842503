"""How long a measurement will still take."""

from __future__ import annotations

import pytest

from app.ui.lab.run import left_words


@pytest.mark.parametrize(
    ("seconds", "fraction", "words"),
    [
        (245.0, 0.18, "about 19 min left"),
        (10.0, 0.5, "about 10 s left"),
        (100.0, 0.9999, "about 1 s left"),
        (1.0, 0.5, ""),  # too early to tell
        (60.0, 0.0, ""),
        (60.0, 1.0, ""),
    ],
)
def test_the_time_that_is_left_goes_by_the_time_that_was_needed(seconds: float, fraction: float, words: str) -> None:
    assert left_words(seconds, fraction) == words
