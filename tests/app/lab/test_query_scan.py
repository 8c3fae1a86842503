"""Which choice separates best, and what is said of it."""

from __future__ import annotations

from app.lab.query_scan import best_choice, choice_id, choice_of
from grace_core.measuring.distances import KINDS, Choice
from tests.app.lab.test_query_scan_figures import CELLS, SCAN


def test_the_best_and_its_name() -> None:
    assert best_choice(SCAN, "recall0", KINDS) == Choice(1, "mean", "whiten")
    assert choice_of(SCAN, choice_id(CELLS[2].choice)) == CELLS[2].choice
    assert choice_of(SCAN, "99-mean-raw") is None
    assert choice_of(SCAN, None) is None
