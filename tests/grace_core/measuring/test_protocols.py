"""Forms of a prompt differ from it in one way only, and are the same each time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace_core.measuring.protocols import forms, holds, in_an_instruction, typo, without_accents


def test_the_instruction_is_the_protocols_word_for_word() -> None:
    assert in_an_instruction("Who is {x}?") == "Please answer the question:\n\nQ: Who is {x}?\nA:"


def test_each_form_changes_one_thing() -> None:
    found = forms("Who was José {x}?")
    assert found["lower_case"] == ("who was josé {x}?",)
    assert found["upper_case"] == ("WHO WAS JOSÉ {X}?",)
    assert found["polite"] == ("Hi! Who was José {x}? Thanks!",)
    assert found["accents_dropped"] == ("Who was Jose {x}?",)
    assert Counter(found["typo"][0]) == Counter("Who was José {x}?")


def test_a_form_that_changes_nothing_is_left_out() -> None:
    assert set(forms("who was it?")) == {"upper_case", "typo", "polite"}
    assert set(forms("1 + 1")) == {"polite"}


@given(st.text(max_size=40), st.integers(0, 9))
def test_a_typo_exchanges_two_different_neighbouring_letters_and_is_the_same_each_time(text: str, seed: int) -> None:
    found = typo(text, seed)
    assert found == typo(text, seed)
    places = [i for i, (a, b) in enumerate(zip(text, found, strict=True)) if a != b]
    assert not places or (len(places) == 2 and places[1] == places[0] + 1)
    if places:
        first, second = places
        assert (text[first], text[second]) == (found[second], found[first])
        assert text[first].isalpha()
        assert text[second].isalpha()
        assert first > 0
        assert text[first - 1].isalnum() or text[first - 1] == "_"


def test_seeds_make_different_typos() -> None:
    assert len({typo("Who was the first to write a program?", seed) for seed in range(20)}) > 3


def test_accents_are_dropped_and_nothing_else() -> None:
    assert without_accents("Škvorecký, Ørsted & Ñandú 한국") == "Skvorecky, Ørsted & Nandu 한국"


@pytest.mark.parametrize(
    ("answer", "target", "found"),
    [
        ("It was Wilt Chamberlain.", "wilt chamberlain *", True),
        ("The answer is Po", "Po", True),
        ("Portugal", "Po", False),
        ("Wilt the Chamberlain", "Wilt Chamberlain", False),
        ("", "Po", False),
        ("Anything", "?!", False),
    ],
)
def test_an_answer_holds_a_target_word_for_word_in_a_row(answer: str, target: str, found: bool) -> None:
    assert holds(answer, target) is found
