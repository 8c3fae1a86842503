"""What is said and drawn of a fit is what the fit says."""

from __future__ import annotations

import numpy as np

from app.lab.epsilon_fit import fit_figure, fit_sentence, fit_table
from grace_core.measuring.epsilon_fit import EpsilonFit, fit_epsilon
from tests.app.lab.test_anatomy_figures import assert_drawable
from tests.grace_core.builders import made_edit, parted, parted_codebook


def fitted(should: list[tuple[float, float]], should_not: list[tuple[float, float]]) -> EpsilonFit:
    book = parted_codebook(made_edit("a", parted(0, 0), "x", subject_epsilon=0.5, prompt="Who was Ada?"))
    rows = np.array([parted(*at) for at in (*should, *should_not)], np.float32)
    return fit_epsilon(book, "a", [f"yes {i}" for i in range(len(should))], [f"no {i}" for i in range(len(should_not))], rows)


def test_the_best_epsilon_and_all_that_are_as_good_are_named() -> None:
    said = fit_sentence(fitted([(0.1, 0.4)], [(0.1, 0.8)]))
    assert said == (
        "ε is 1.000 now and makes 1 mistake (1 answered that should not be). The fewest: no mistake with any ε from 0.400 to "
        "0.800. 0.6 is suggested."
    )
    kept = fit_sentence(fitted([(0.1, 0.4)], [(0.1, 1.6)]))
    assert kept.startswith("ε is 1.000 now and makes no mistake. No other ε makes fewer; any from 0.400 to 1.600 makes as few.")


def test_ranges_that_tie_with_other_mistakes_are_told_apart() -> None:
    fit = fitted([(0.1, 0.3), (0.1, 0.5)], [(0.1, 0.4), (0.1, 0.6)])
    assert len(fit.best) == 2
    assert (
        "The fewest: 1 mistake with any ε from 0.300 to 0.400 (1 missed) or 0.500 to 0.600 (1 answered that should not be)."
        in fit_sentence(fit)
    )


def test_what_no_epsilon_can_do_is_said() -> None:
    said = fit_sentence(fitted([(0.6, 0.1), (0.1, 0.1)], []))
    assert "“yes 0” is missed for its subject (subject 0.60, question 0.10), whose part ends at 0.500 whatever ε is" in said
    apart = fit_sentence(fitted([(0.1, 0.9), (0.1, 0.8)], [(0.4, 0.3)]))
    assert "at most 0.100 away in it, those answered wrongly at least 0.400" in apart


def test_the_figure_has_the_mistakes_of_every_span() -> None:
    fit = fitted([(0.1, 0.4)], [(0.1, 0.8)])
    figure = fit_figure(fit, "two_keys")
    assert_drawable(figure)
    assert [trace["y"] for trace in figure["data"]] == [[1, 0, 1, 1], [1, 0, 0, 0], [0, 0, 1, 1]]
    shaded = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "rect"]
    assert [(round(one["x0"], 3), round(one["x1"], 3)) for one in shaded] == [(0.4, 0.8)]


def test_the_table_marks_each_mistake() -> None:
    columns, rows = fit_table(fitted([(0.1, 0.4)], [(0.1, 0.8)]))
    assert columns == ["Prompt", "Should", "Distance", "Subject", "Question", "Now", "At ε 0.6"]
    assert rows == [
        ["yes 0", "be answered", 0.4, 0.1, 0.4, "answered", "answered"],
        ["no 0", "not be answered", 0.8, 0.1, 0.8, "answered ✗", "not answered"],
    ]
