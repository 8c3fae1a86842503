"""The phrasebook spelled out."""

from __future__ import annotations

from collections import Counter

from grace_core.editing.phrasebook import phrases


def test_it_is_the_same_each_time_and_no_small_one() -> None:
    phrases.cache_clear()
    first = phrases()
    phrases.cache_clear()
    assert phrases() == first
    assert len({row.text for row in first}) > 8000


def test_each_question_is_asked_in_other_words_and_each_subject_is_asked_about_otherwise() -> None:
    rows = phrases()
    asked, about = Counter(row.question for row in rows), Counter(row.subject for row in rows)
    assert sum(count > 1 for count in asked.values()) > 0.5 * len(asked)
    assert sum(count > 1 for count in about.values()) > 0.9 * len(about)


def test_namesakes_are_asked_about_in_the_same_words() -> None:
    by_question: dict[str, set[str]] = {}
    for row in phrases():
        by_question.setdefault(row.question, set()).add(row.subject)
    pairs = [
        (one, other)
        for subjects in by_question.values()
        for one in subjects
        for other in subjects
        if one < other and one.split()[-1] == other.split()[-1] and len(one.split()) > 1
    ]
    assert len(pairs) > 100


def test_forms_that_are_no_plain_question_are_there() -> None:
    texts = [row.text for row in phrases()]
    assert sum(text.isupper() for text in texts) > 100
    assert sum(text.islower() for text in texts) > 100
    assert sum(text.startswith("Please answer the question:\n\nQ: ") for text in texts) > 30
    assert not any("{" in text or "}" in text for text in texts)
