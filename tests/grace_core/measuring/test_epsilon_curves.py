"""Curves count what an ε reaches and touches, on lines that one can check by eye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grace_core.measuring.epsilon_curves import (
    MOST_STRANGERS,
    Yardstick,
    asked_phrasings,
    curves,
    known_phrasings,
    known_unrelated,
)
from tests.grace_core.builders import line_codebook, made_edit, parted, parted_codebook
from tests.grace_core.measuring.test_what_if import two, view_of


def test_curves_count_phrasings_reached_and_strangers_touched() -> None:
    codebook = two()
    probes = Yardstick(
        (("p1", "a"), ("p2", "a"), ("p3", "b")), ("u1", "u2"),
        np.array([[0.5], [1.5], [1.9]], np.float32), np.array([[-1.2], [90]], np.float32), 3, 0, 2,
    )  # fmt: skip
    found = curves(codebook, probes, None, 3.0)
    assert found.reached is not None
    assert found.touched is not None
    by = {round(float(e), 2): (r, t) for e, r, t in zip(found.epsilons, found.reached, found.touched, strict=True)}
    assert by[0.3] == (0, 0)
    assert by[1.0] == (pytest.approx(1 / 3), 0)
    # p3 belongs to b and is nearer to a: no ε lets b answer it.
    assert by[3.0] == (pytest.approx(2 / 3), 0.5)
    assert found.radii == (1.0, 1.0, 1.0)
    assert found.now == pytest.approx((1 / 3, 0.0))
    one = curves(codebook, probes, "b", 3.0)
    assert (one.phrasings, one.unrelated) == (1, 2)
    assert one.touched is not None
    assert float(one.touched.max()) == 0.0


def test_what_caps_keep_out_is_told_from_what_no_epsilon_reaches() -> None:
    yardstick = Yardstick(
        (("far from a", "a"), ("nearer to a", "b")), ("between",),
        np.array([[-2.5], [1.9]], np.float32), np.array([[6.9]], np.float32), 2, 0, 1,
    )  # fmt: skip
    found = curves(two(), yardstick, None, 3.0)
    assert found.reached is not None
    assert found.touched is not None
    assert found.uncapped_reached is not None
    assert found.uncapped_touched is not None
    assert (found.reached[-1], found.touched[-1]) == (0.0, 0.0)  # both keys are capped at 2
    assert (found.uncapped_reached[-1], found.uncapped_touched[-1]) == (0.5, 1.0)
    alone = curves(two(), yardstick, "a", 3.0)
    assert alone.uncapped_touched is not None
    assert alone.uncapped_touched[-1] == 0.0  # the stranger is b's


def test_another_subject_is_not_reached_by_lifting_caps() -> None:
    """Where the subject's part ends for those who ask the same about others, no ε and no cap has a say."""
    book = parted_codebook(made_edit("ada", parted(0, 0), "x", subject_epsilon=0.5))
    strangers = np.array([parted(0.6, 0.1), parted(0.1, 0.9)], np.float32)
    found = curves(book, Yardstick((), ("namesake", "other"), np.zeros((0, 2), np.float32), strangers, 0, 0, 2), None, 2.0)
    assert found.touched is not None
    assert found.uncapped_touched is not None
    assert found.touched.tolist() == found.uncapped_touched.tolist()
    assert found.touched[-1] == 0.5


def test_curves_without_a_yardstick_say_nothing() -> None:
    none = np.zeros((0, 1), np.float32)
    found = curves(two(), Yardstick((), (), none, none, 0, 0, 0), None, 2.0)
    assert (found.reached, found.touched, found.now) == (None, None, (None, None))


def test_phrasings_come_from_edits_and_from_answers_that_were_marked_fine() -> None:
    edit = replace(made_edit("a", [0], "x"), paraphrases=("other words", "prompt of a"))
    view = view_of(line_codebook(edit), 0.5, 7, fine=True)
    assert known_phrasings(view) == ((("other words", "a"), ("at 0.5", "a")), 1)
    assert known_unrelated(view, ("hello", "prompt of a")) == ("hello", "at 7")
    assert known_unrelated(view, ("hello",), ("about b", "prompt of a", "about b")) == ("hello", "about b", "at 7")
    many = known_unrelated(view, (), [f"about {i}" for i in range(3 * MOST_STRANGERS)])
    assert len(many) == MOST_STRANGERS + 1
    silent = view_of(line_codebook(edit), 0.5, 7)
    assert known_phrasings(silent)[0] == (("other words", "a"),)
    assert known_unrelated(silent, ("hello",)) == ("hello",)


def test_what_an_edit_answered_is_a_phrasing_unless_somebody_found_fault_with_it() -> None:
    view = view_of(two(), 0.5, 0.7, 3.5, 9)
    first, second, *others = view.queries
    asked = replace(view, queries=(first, replace(second, fine=True), *others))
    assert asked_phrasings(asked) == {"a": ("at 0.7", "at 0.5"), "b": ("at 3.5",)}
    wrong = replace(view, queries=(replace(first, faulted=True), second, *others))
    assert asked_phrasings(wrong)["a"] == ("at 0.7",)
    assert asked_phrasings(replace(view, codebook=two().without("a"))).keys() == {"b"}
