"""A word is left out, and the rest is read as any other prompt is."""

from __future__ import annotations

import numpy as np
import pytest

from grace_core.answering.anatomy import dissect
from grace_core.answering.occlusion import MOST, without, words_left_out, words_of
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.geometry import pair_distances
from grace_core.errors import Cancelled
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from grace_core.testing.codebooks import learned
from tests.grace_core.running import edit_for

PROMPT = "Who was Ada Lovelace?"


@pytest.fixture(params=["early", "robust"])
def book(tiny: LanguageModel, request: pytest.FixtureRequest) -> Codebook:
    empty = calibrated(tiny) if request.param == "early" else learned(tiny)
    one = empty.with_edit(edit_for(tiny, empty, PROMPT, "London", edit_id="ada", seed=3))
    return one.with_edit(edit_for(tiny, one, "Where is Paris now?", "Rome", edit_id="paris", seed=4))


def test_words_are_without_their_punctuation() -> None:
    prompt = "Who's Ada (née Byron), e.g. well-known?"
    assert [prompt[start:end] for start, end in words_of(prompt)] == ["Who's", "Ada", "née", "Byron", "e.g", "well-known"]
    assert words_of("?!") == ()


@pytest.mark.parametrize(
    ("word", "rest"), [("Who", "was Ada Lovelace?"), ("Ada", "Who was Lovelace?"), ("Lovelace", "Who was Ada?")]
)
def test_the_rest_reads_as_if_the_word_had_never_been_there(word: str, rest: str) -> None:
    start = PROMPT.index(word)
    assert without(PROMPT, start, start + len(word)) == rest


def test_a_long_prompt_is_left_out_in_groups_that_hold_every_word_once() -> None:
    prompt = " ".join(f"word{i}" for i in range(3 * MOST - 1))
    groups = words_of(prompt)
    assert len(groups) <= MOST
    assert " ".join(prompt[start:end] for start, end in groups) == prompt


def test_each_word_s_distances_are_those_of_the_prompt_without_it(tiny: LanguageModel, book: Codebook) -> None:
    told: list[tuple[int, int]] = []
    found = words_left_out(tiny, book, PROMPT, book.entries, on_read=lambda *count: told.append(count))
    assert [PROMPT[one.start : one.end] for one in found] == ["Who", "was", "Ada", "Lovelace"]
    assert told[-1] == (4, 4)
    for one in found:
        prompt = tiny.prompt(without(PROMPT, one.start, one.end))
        (query,) = book.encoder(activations_of(tiny, book.reader, [prompt]))
        expected = pair_distances(query, book.keys, book.config.distance)
        np.testing.assert_allclose([away.distance for away in one.away], expected, atol=1e-4)
        assert one.edit_id == book.match(query[None])[0].edit_id
        for away in one.away:
            assert (away.parts is None) == (book.config.distance != "two_keys")
            if away.parts is not None:
                assert away.distance == max(away.parts.subject, away.parts.question)


def test_nothing_is_read_where_nothing_can_be_left_out(tiny: LanguageModel, book: Codebook) -> None:
    assert words_left_out(tiny, book, "Lovelace?", book.entries) == ()
    assert words_left_out(tiny, book, PROMPT, ()) == ()


def test_it_stops_when_it_is_called_off(tiny: LanguageModel, book: Codebook) -> None:
    with pytest.raises(Cancelled):
        words_left_out(tiny, book, PROMPT, book.entries, cancelled=lambda: True)


def test_an_anatomy_has_the_words_of_its_prompt_for_each_of_its_keys(tiny: LanguageModel, book: Codebook) -> None:
    seen = dissect(tiny, book, f"  {PROMPT}\n", max_new_tokens=4)
    assert [seen.prompt[one.start : one.end] for one in seen.words] == ["Who", "was", "Ada", "Lovelace"]
    assert all(len(one.away) == len(seen.keys) == 2 for one in seen.words)
