"""Which choices separate best, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

from app.lab.query_scan import best_of, choice_id, choice_of, measured, summary
from grace_core.measuring.distances import KINDS, Choice, Separation
from grace_core.measuring.query_scan import Scan
from tests.app.lab.test_query_scan_figures import CELLS, SCAN

UNUSED = Choice(9, "mean", "raw")


def scan_of(*reached: int, of: int = 8, each: int = 1) -> Scan:
    """One choice (a layer each) for every number of keys whose paraphrases it reaches, `each` of every key."""
    cells = tuple(
        Separation(
            Choice(layer, "mean", "raw"), tuple(0.1 if key < n else 0.9 for key in range(of) for _ in range(each)),
            (True,) * of * each, {"unrelated": (0.5,), "siblings": (), "edits": ()},
        )
        for layer, n in enumerate(reached, 1)
    )  # fmt: skip
    owners = tuple(key for key in range(of) for _ in range(each))
    return replace(SCAN, keys=of, paraphrases=of * each, layers=tuple(range(1, len(reached) + 1)), cells=cells, owners=owners)


def layers(scan: Scan, present: Choice = UNUSED) -> list[int]:
    best = best_of(scan, "recall0", KINDS, present)
    assert best is not None
    return [choice.layer for choice in best.tied]


def test_equal_choices_are_tied_and_the_one_in_use_comes_first() -> None:
    assert layers(scan_of(8, 8, 0, 8)) == [1, 2, 4]
    assert layers(scan_of(8, 8, 0, 8), Choice(4, "mean", "raw")) == [4, 1, 2]
    assert layers(scan_of(8, 8, 0, 8), Choice(3, "mean", "raw")) == [1, 2, 4]


def test_a_difference_that_chance_explains_is_a_tie() -> None:
    assert layers(scan_of(8, 3)) == [1, 2]  # five keys for, none against: one in sixteen
    assert layers(scan_of(8, 2)) == [1]  # six keys for, none against: one in 32


def test_phrasings_of_one_key_have_one_vote() -> None:
    few = scan_of(2, 0, of=2, each=10)
    assert layers(few) == [1, 2]
    assert layers(replace(few, owners=())) == [1]  # as if they were phrasings of different keys


def test_the_summary_names_ties_and_says_where_paraphrases_come_from() -> None:
    scan = replace(scan_of(8, 8, 0, 8), asked=2, made=1)
    said = summary(scan, "recall0", KINDS, Choice(2, "mean", "raw"))
    assert said.startswith("Best: 3 of 4 choices (1.00), which these prompts do not tell apart")
    assert "The one in use is among them: layer 2, mean, raw hidden states; layer 1, " in said
    assert "8 keys, 8 paraphrases (5 given with their edits; 2 asked by people and answered by the edit; 1 made here" in said
    assert "which favours that way" in said
    assert "favours" not in summary(replace(scan, asked=0), "recall0", KINDS, Choice(2, "mean", "raw"))
    alone = summary(scan_of(8, 0), "recall0", KINDS, Choice(2, "mean", "raw"))
    assert alone.startswith("Best: layer 1, mean, raw hidden states (1.00).")
    assert "In use now: layer 2, mean, raw hidden states (0.00), which does less well." in alone
    assert "That is what this codebook uses." in summary(scan_of(8, 0), "recall0", KINDS, Choice(1, "mean", "raw"))


def test_what_is_measured_is_the_mean_of_what_ties_are_told_from() -> None:
    assert measured(CELLS[0], "recall0", KINDS) == 0.5
    assert best_of(SCAN, "auc", (), UNUSED) is None
    best = best_of(SCAN, "auc", KINDS, UNUSED)
    assert best is not None
    assert best.tied[0] == Choice(1, "mean", "whiten")
    assert best.low == min(measured(cell, "auc", KINDS) or 0.0 for cell in CELLS)  # two paraphrases tell nothing apart


def test_the_name_of_a_choice() -> None:
    assert choice_of(SCAN, choice_id(CELLS[2].choice)) == CELLS[2].choice
    assert choice_of(SCAN, "99-mean-raw") is None
    assert choice_of(SCAN, None) is None
