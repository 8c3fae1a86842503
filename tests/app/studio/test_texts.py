"""Whatever text enters: it can be stored and shown, or it is refused in words that can be shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.studio.studio import OpenStudio
from app.studio.texts import (
    MOST_AUTHOR,
    MOST_SEARCH,
    MOST_SOURCE,
    MOST_TEXT,
    checked_author,
    checked_phrasings,
    checked_search,
    checked_source,
    checked_text,
)
from grace_core.config import MAX_PHRASINGS
from grace_core.errors import InputError
from tests.app.studios import PROMPT, Journal, edited

HALF = "half an emoji \ud83d"
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def sound(text: str) -> bool:
    return "\0" not in text and text == text.encode().decode() == json.loads(json.dumps(text, ensure_ascii=False))


def answer_of(check: Callable[[object], Any], value: object) -> tuple[Any, str]:
    """What comes back, or the words of the refusal."""
    try:
        return check(value), ""
    except InputError as error:
        return None, str(error)


def checked_prompt(value: object) -> str:
    return checked_text(value, "prompt")


@given(value=ANYTHING)
def test_a_text_comes_back_as_it_is_or_is_refused_in_words(value: Any) -> None:
    for check in (checked_prompt, checked_search, checked_author, checked_source, checked_phrasings):
        found, refusal = answer_of(check, value)
        assert sound(refusal)
        assert len(refusal) < 300
        assert refusal or all(sound(text) for text in ([found] if isinstance(found, str) else found))
    if isinstance(value, str) and sound(value):
        assert checked_prompt(value) == checked_search(value) == value


@given(text=ANY_TEXT | st.builds("{}://{}".format, st.sampled_from(["http", "https", "ftp", "javascript"]), ANY_TEXT))
def test_a_source_is_a_web_address_or_nothing(text: str) -> None:
    source, refusal = answer_of(checked_source, text)
    assert "source" in refusal or source == text.strip()
    assert not source or (urlsplit(source).scheme in ("http", "https") and urlsplit(source).hostname)


@pytest.mark.parametrize(
    "source",
    [
        "http://[half",
        "http://",
        "https://a b.example",
        "http://a:99999",
        "javascript:alert(1)",
        "https://example.org/\u202egpj.exe",
        "https://example.org/\x07",
        "https://exa\u200bmple.org",
    ],
)
def test_what_no_page_can_link_is_no_source(source: str) -> None:
    with pytest.raises(InputError, match="no web address"):
        checked_source(source)


@pytest.mark.parametrize(
    ("check", "most"),
    [
        (checked_prompt, MOST_TEXT),
        (checked_author, MOST_AUTHOR),
        (checked_source, MOST_SOURCE),
        (checked_search, MOST_SEARCH),
    ],
)
def test_the_limit_is_named(check: Callable[[object], str], most: int) -> None:
    begun = "http://e.example/"
    fits = begun + "a" * (most - len(begun))
    assert check(fits) == fits
    with pytest.raises(InputError, match=f"{most + 1:,} characters long; {most:,} are the most"):
        check(fits + "a")


@pytest.mark.parametrize(
    ("phrasings", "message"),
    [
        ("one text", "give a list of texts"),
        ({"Who?": 1}, "give a list of texts"),
        (7, "give a list of texts"),
        (["Who?", None], "phrasing is None, which is no text"),
        (["Who?"] * (MAX_PHRASINGS + 1), f"65 phrasings; {MAX_PHRASINGS} are the most"),
        (["a" * (MOST_TEXT + 1)], "characters long"),
    ],
)
def test_phrasings_are_a_list_of_texts_of_which_there_are_not_too_many(phrasings: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_phrasings(phrasings)


def test_nothing_that_is_refused_leaves_a_trace(journal: Journal, studio: OpenStudio) -> None:
    made = edited(studio)
    query_id = studio.map_view().queries[0].query_id
    mark = studio.mark(query_id, 0, 1, "fine")
    before = journal.events()
    edit_id, huge, name = made.edit_id or "", "a" * 5_000_000, "n" * (MOST_AUTHOR + 1)
    refused: list[Callable[[], object]] = [
        *(lambda text=text: studio.generate(text) for text in (HALF, huge, "nul \0", None, 7)),
        *(lambda text=text: studio.try_prompt(text) for text in (HALF, huge)),
        *(lambda text=text: studio.anatomy(text) for text in (HALF, huge)),
        *(lambda text=text: studio.fit_epsilon(edit_id, [text], []) for text in (HALF, huge, None)),
        *(lambda text=text: studio.fit_epsilon(edit_id, [], [text]) for text in (HALF, huge, None)),
        *(lambda text=text: studio.edit(text, "Paris.") for text in (HALF, huge, None)),
        *(lambda text=text: studio.edit(PROMPT, text) for text in (HALF, huge, None)),
        *(lambda text=text: studio.edit(PROMPT, "Paris.", paraphrases=[text]) for text in (HALF, huge, None)),
        lambda: studio.edit(PROMPT, "Paris.", paraphrases=["Who?"] * 3000),
        *(lambda text=text: studio.edit(PROMPT, "Paris.", source_url=text) for text in (HALF, "http://[half", huge)),
        *(lambda author=author: studio.edit(PROMPT, "Paris.", author=author) for author in (HALF, name)),
        *(lambda author=author: studio.generate(PROMPT, author=author) for author in (HALF, name)),
        *(lambda author=author: studio.mark(query_id, 0, 1, "wrong", author=author) for author in (HALF, name)),
        *(lambda author=author: studio.replace_mark(mark.mark_id, "wrong", author=author) for author in (HALF, name)),
        *(lambda author=author: studio.unmark(mark.mark_id, author=author) for author in (HALF, name)),
        *(lambda author=author: studio.undo(edit_id, author=author) for author in (HALF, name)),
        *(lambda author=author: studio.set_epsilon(0.3, author=author) for author in (HALF, name)),
        *(lambda author=author: studio.use_learned(author=author) for author in (HALF, name)),
        *(lambda text=text: studio.edits(search=text) for text in (HALF, huge)),
    ]
    for ask in refused:
        with pytest.raises(InputError) as told:  # at once, before it waits for the model
            ask()
        assert sound(str(told.value))
    assert journal.events() == before
