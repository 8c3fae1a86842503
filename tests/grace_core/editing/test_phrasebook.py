"""The phrasebook spelled out."""

from __future__ import annotations

import re
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
    plain = [row.question for row in rows if not row.question.startswith(("yes ", "hop "))]
    asked, about = Counter(plain), Counter(row.subject for row in rows)
    assert sum(count > 1 for count in asked.values()) > 0.95 * len(asked)
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


def test_a_relation_is_one_question_in_all_its_forms_and_another_when_it_is_turned_round() -> None:
    of = {row.text: row.question for row in phrases()}

    def asked(*forms: str) -> set[str]:
        return {question for text, question in of.items() if any(re.fullmatch(form, text) for form in forms)}

    assert asked(r"What was .* published by\?", r"Who is .*'s publisher\?", r"The publisher of .* is") == {"publisher"}
    assert asked(r"What was published by .*\?", r"Whose publisher is .*\?") == {"reversed publisher"}
    assert asked(r"Is \w+ the publisher of .*\?", r"Was .* published by \w+\?") > set()
    assert not asked(r"Is \w+ the publisher of .*\?") & {"publisher", "reversed publisher"}


def test_more_breadth_leaves_relations_as_they_are() -> None:
    one, more = phrases(1), phrases(2)
    relations = one[-5000:]
    assert more[-5000:] == relations
    assert len(more) - len(one) > 8000
