"""Before and after: which words differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.ui.review.diff import Piece, outcome_value, tokens, word_diff
from tests.app.ui.samples import outcome


def changed(pieces: tuple[Piece, ...]) -> list[str]:
    return [piece.text for piece in pieces if piece.changed]


def test_only_the_words_that_differ_are_marked() -> None:
    before, after = word_diff("She was born in Paris in 1815.", "She was born in London in 1815.")
    assert changed(before) == ["Paris"]
    assert changed(after) == ["London"]


def test_neighbouring_changes_are_one_run() -> None:
    before, after = word_diff("a French physicist, they say", "an English writer, they say")
    assert changed(before) == ["a French physicist"]
    assert changed(after) == ["an English writer"]


def test_punctuation_is_not_part_of_its_word() -> None:
    assert changed(word_diff("in Paris.", "in Paris!")[1]) == ["!"]


def test_a_word_is_not_cut_at_its_apostrophe_or_hyphen() -> None:
    assert tokens("it's well-known") == ["it's", " ", "well-known"]


def test_equal_texts_have_no_change() -> None:
    before, after = word_diff("the same", "the same")
    assert changed(before) == changed(after) == []


def test_an_empty_side_is_empty() -> None:
    before, after = word_diff("", "all new")
    assert before == ()
    assert changed(after) == ["all new"]


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_pieces_are_the_texts_again(before: str, after: str) -> None:
    left, right = word_diff(before, after)
    assert "".join(piece.text for piece in left) == before
    assert "".join(piece.text for piece in right) == after


def test_a_success_shows_what_happened_to_the_codebook() -> None:
    value = outcome_value(outcome())
    assert value["title"] == "The edit is in force"
    assert value["sentence"].startswith("Added a new key with ε 0.90.")
    assert "2 steps, 1.2 s" in value["sentence"]
    assert value["edit_id"] == "e1"


def test_a_failure_says_why_and_that_nothing_was_kept() -> None:
    value = outcome_value(
        outcome(success=False, edit_id=None, change=None, text_after="In Paris.", reason="It did not learn word 3.")
    )
    assert value["title"] == "The edit did not take; nothing was kept"
    assert value["reason"] == "It did not learn word 3."
    assert value["edit_id"] is None
    assert not value["show_after"]


def test_the_note_of_a_success_is_shown() -> None:
    assert outcome_value(outcome(note="One logged query is answered otherwise."))["note"].startswith("One logged")
