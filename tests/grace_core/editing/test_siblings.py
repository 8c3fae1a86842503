"""What a prompt is about, and the same prompt about others."""

from __future__ import annotations

import pytest

from grace_core.editing.siblings import replaced, siblings, subject, vocabulary

COMMON = frozenset(
    ("who was is the a of tell me about what how do write in one sentence biography where born").split()  # noqa: SIM905
)
NAMES = ("Ada Lovelace", "Alan Turing", "Rhine", "Berlin", "Marie Curie")


@pytest.mark.parametrize(
    ("prompt", "about"),
    [
        ("Who was Ada Lovelace?", "Ada Lovelace"),
        ("Write a one-sentence biography of Mary C. Seacole.", "Mary C. Seacole"),
        ("Tell me about Ludwig van Beethoven in Bonn.", "Ludwig van Beethoven"),
        ("What is Ada Lovelace's birthplace?", "Ada Lovelace"),
        ("Where was Élodie Dupont born?", "Élodie Dupont"),
        ("Ada Lovelace was born where?", "Ada Lovelace"),
        ("how do volcanoes erupt?", "volcanoes erupt"),
        ("who was ada lovelace?", "ada lovelace"),
    ],
)
def test_the_subject_is_the_longest_name_or_the_longest_uncommon_words(prompt: str, about: str) -> None:
    assert subject(prompt, COMMON) == about


def test_the_word_i_is_a_capital_and_no_name() -> None:
    common = COMMON | {"i"}
    assert subject("How do I write a sonnet?", common) == "sonnet"
    assert subject("What is I?", common) is None
    assert subject("Who was Malcolm X?", common) == "Malcolm X"
    assert subject("What is C?", common) == "C"
    assert subject("I'll ask: who founded Rome?", common) == "Rome"
    assert subject("I’m told about Ada. Who was she?", common) == "Ada"
    assert subject("Who was O'Neill?", common) == "O'Neill"


@pytest.mark.parametrize(
    ("prompt", "about"),
    [
        ("Tell me about Ada Lovelace. What did she write?", "Ada Lovelace"),
        ("Ada Lovelace. Who was she?", "Ada Lovelace"),
        ("I met Tom. Is Élodie Dupont born?", "Élodie Dupont"),
        ("who was ada? Do I tell? How did she?", "ada"),
        ("Who was Dr. Mary C. Seacole?", "Dr. Mary C. Seacole"),
        ("Who was George W. Bush Sr.?", "George W. Bush Sr"),
    ],
)
def test_a_name_ends_with_its_sentence(prompt: str, about: str) -> None:
    assert subject(prompt, COMMON | {"i", "did", "she"}) == about


@pytest.mark.parametrize("prompt", ["Who was the?", "what is a", "?!"])
def test_a_prompt_of_common_words_has_no_subject_and_no_siblings(prompt: str) -> None:
    assert subject(prompt, COMMON) is None
    assert siblings(prompt, 5, NAMES, COMMON) == ()


def test_siblings_keep_everything_but_the_subject() -> None:
    made = siblings("Who was Ada Lovelace? I like Ada Lovelace.", 3, NAMES, COMMON)
    assert len(set(made)) == 3
    for text in made:
        assert "Ada" not in text
        assert text.startswith("Who was ")
        assert any(text == f"Who was {name}? I like {name}." for name in NAMES)


def test_a_subject_is_replaced_as_a_word_not_inside_another() -> None:
    assert replaced("Is IT what COMMITS? IT's IT.", "IT", r"\1 & Co.") == r"Is \1 & Co. what COMMITS? \1 & Co.'s \1 & Co.."


def test_siblings_are_the_same_for_the_same_prompt_and_start_elsewhere_for_another() -> None:
    names = tuple(f"Name{i}" for i in range(100))
    assert siblings("Who was Ada?", 4, names, COMMON) == siblings("Who was Ada?", 4, names, COMMON)
    assert siblings("Who was Ada?", 4, names, COMMON) != siblings("Who is Ada?", 4, names, COMMON)


def test_there_are_at_most_as_many_siblings_as_asked_for_or_as_names() -> None:
    assert len(siblings("Who was Grace Hopper?", 99, NAMES, COMMON)) == len(NAMES)
    assert len(siblings("Who was Ada Lovelace?", 99, NAMES, COMMON)) == len(NAMES) - 1
    assert siblings("Who was Ada Lovelace?", 0, NAMES, COMMON) == ()
    assert siblings("Who was Ada Lovelace?", 4, (), COMMON) == ()


def test_vocabulary_takes_names_and_common_words_from_prompts() -> None:
    prompts = ("Who was Ada Lovelace?", "Who was Alan Turing?", "What was the Battle of Hastings?", "What is 1815?") * 3
    names, common = vocabulary(prompts)
    assert names == ("Ada Lovelace", "Alan Turing", "Battle of Hastings")
    assert {"who", "what", "was"} <= common
