"""The mistakes of each ε are those of the codebook that has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_core.codebook.codebook import Codebook
from grace_core.errors import InputError
from grace_core.measuring.epsilon_fit import EpsilonFit, fit_epsilon
from tests.grace_core.builders import line_codebook, made_edit, parted, parted_codebook


def fitted(should: Sequence[float], should_not: Sequence[float], book: Codebook | None = None) -> EpsilonFit:
    """Prompts at points of a line; the key of "a" is at 0 and asks for 1."""
    book = book or line_codebook(made_edit("a", [0], "x", epsilon=1), made_edit("b", [9], "y", epsilon=1))
    yes, no = [f"yes {x}" for x in should], [f"no {x}" for x in should_not]
    return fit_epsilon(book, "a", yes, no, np.array([*should, *should_not], np.float32).reshape(-1, 1))


def test_an_epsilon_between_them_makes_no_mistake() -> None:
    fit = fitted([0.5, 2], [3, 8.5])
    assert [(span.low, span.high, span.missed, span.wrong) for span in fit.spans[:3]] == [
        (0.0, 0.5, 2, 0), (0.5, 2.0, 1, 0), (2.0, 3.0, 0, 0),
    ]  # fmt: skip
    assert (fit.suggested, [(span.low, span.high) for span in fit.best]) == (2.5, [(2.0, 3.0)])
    assert (fit.asked, fit.at(fit.asked).mistakes) == (1.0, 1)
    assert {one.prompt: (one.now, one.then) for one in fit.judged} == {
        "yes 0.5": (True, True), "yes 2": (False, True), "no 3": (False, False), "no 8.5": (False, False),
    }  # fmt: skip


def test_what_is_asked_for_stays_where_nothing_is_better() -> None:
    fit = fitted([0.5], [3])
    assert fit.suggested == fit.asked == 1.0
    mixed = fitted([3.0], [2.0])
    assert len(mixed.best) == 2  # missed below 3, wrong from 2 on: one mistake below 2 and from 3 on
    assert mixed.suggested == 1.0


def test_what_another_key_answers_is_missed_at_any_epsilon() -> None:
    fit = fitted([8.5], [])
    assert {span.missed for span in fit.spans} == {1}


def test_the_subject_s_end_is_not_moved() -> None:
    book = parted_codebook(made_edit("a", parted(0, 0), "x", subject_epsilon=0.5))
    rows = np.array([parted(0.1, 0.7), parted(0.6, 0.1)], np.float32)
    fit = fit_epsilon(book, "a", ["reworded", "namesake"], [], rows)
    assert fit.subject_end == 0.5
    assert min(span.missed for span in fit.spans) == 1
    assert fit.judged[1].parts is not None
    assert not fit.judged[1].then


@pytest.mark.parametrize(("should", "should_not", "told"), [((), (), "Both lists are empty"), ((1.0,), (1.0,), "both lists")])
def test_refusals(should: tuple[float, ...], should_not: tuple[float, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        fit_epsilon(
            line_codebook(made_edit("a", [0], "x")), "a", [f"{x}" for x in should], [f"{x}" for x in should_not],
            np.zeros((len(should) + len(should_not), 1), np.float32),
        )  # fmt: skip


places = st.lists(st.integers(-30, 30).map(lambda n: n / 4), max_size=5, unique=True)


@settings(max_examples=40, deadline=None)
@given(places, places)
def test_spans_are_the_codebook_s_own_mistakes(should: list[float], others: list[float]) -> None:
    others = [x for x in others if x not in should]
    if not should and not others:
        return
    book = line_codebook(made_edit("a", [0], "x", epsilon=1), made_edit("b", [5], "y", epsilon=2))
    fit = fitted(should, others, book)
    assert [span.low for span in fit.spans] == [0.0, *(span.high for span in fit.spans[:-1])]
    for epsilon in (0.1, 0.6, 1.3, 2.4, 3.7):
        if epsilon >= fit.spans[-1].high:
            continue
        matches = book.with_epsilons({"a": epsilon}).match(np.array([*should, *others], np.float32).reshape(-1, 1))
        said = [match.edit_id == "a" for match in matches]
        assert fit.at(epsilon).missed == sum(not one for one in said[: len(should)])
        assert fit.at(epsilon).wrong == sum(said[len(should) :])
