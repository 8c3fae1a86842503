"""Samples keep fit and measurement apart; every choice is measured."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from grace_core.codebook.codebook import Edit
from grace_core.editing.fitting import background_prompts
from grace_core.editing.siblings import vocabulary
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.distances import Choice
from grace_core.measuring.query_scan import Scan, default_layers, made_phrasings, make_sample, scan
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from tests.grace_core.running import edit_for, hooks

PROMPTS = ("Who was Ada Lovelace?", "Describe the Moon.", "What is the capital of France and why was it chosen?")


@pytest.fixture
def edits(tiny: LanguageModel) -> list[Edit]:
    book = calibrated(tiny)
    made = [edit_for(tiny, book, text, f"answer {i}", edit_id=f"e{i}", seed=i) for i, text in enumerate(PROMPTS)]
    return [replace(made[0], paraphrases=("Tell me who Ada Lovelace was.",)), *made[1:]]


def test_no_prompt_judges_itself(tiny: LanguageModel, edits: list[Edit]) -> None:
    sample = make_sample(tiny, edits)
    fit = set(sample.fit)
    assert not fit & set(sample.unrelated)
    assert not fit & set(sample.siblings)
    assert sample.paraphrases[0] == ("Tell me who Ada Lovelace was.", 0)
    assert sample.made == sum(index > 0 for _, index in sample.paraphrases) > 0
    assert sample.read == sample.measured + len(sample.keys) + len(sample.fit)


def test_what_people_asked_is_measured_too_and_counted(tiny: LanguageModel, edits: list[Edit]) -> None:
    asked = {"e1": ["What is the Moon like?", PROMPTS[1]], "e0": ["Tell me who Ada Lovelace was."], "gone": ["Sing."]}
    sample = make_sample(tiny, edits, asked=asked, max_edits=2)
    assert [edit.edit_id for edit in sample.keys] == ["e0", "e1"]  # those that people worded otherwise come first
    assert sample.paraphrases == (("Tell me who Ada Lovelace was.", 0), ("What is the Moon like?", 1))
    assert (sample.asked, sample.made) == (1, 0)
    many = make_sample(tiny, edits, asked={"e1": [f"Moon {i}?" for i in range(9)]})
    assert sum(index == 1 for _, index in many.paraphrases) == 4


def test_whitening_is_fitted_on_all_that_the_adopted_encoder_is_but_what_is_measured(
    tiny: LanguageModel, edits: list[Edit]
) -> None:
    weighed = background_prompts(tiny)
    joined = [f"Who was Bo {i}?" for i in range(90)]
    background = (*weighed, *joined, PROMPTS[0], "Tell me who Ada Lovelace was.")
    sample = make_sample(tiny, edits, background=background, weighed=len(weighed), max_unrelated=40)
    assert sample.weighed == weighed
    assert set(sample.fit) | set(sample.unrelated) == {*weighed, *joined}
    assert (len(sample.unrelated), set(sample.stands_for)) == (40, {1})
    own = make_sample(tiny, edits, background=background, weighed=len(weighed), unrelated=["Sing.", joined[3]])
    assert set(own.fit) == {*weighed, *joined} - {joined[3]}
    assert make_sample(tiny, edits, background=weighed[:30]).weighed == weighed[:30]


def test_of_many_joined_prompts_some_stand_for_all(tiny: LanguageModel, edits: list[Edit]) -> None:
    weighed = background_prompts(tiny)[:100]
    for count, expected in ((90, 90), (2_000, 320)):  # no prompt stands for more than 16
        joined = [f"Who was Bo {i}?" for i in range(count)]
        both = (*weighed, *joined)
        sample = make_sample(tiny, edits, background=both, weighed=len(weighed), max_unrelated=10, max_joined=20)
        assert len(sample.fit) == len(sample.stands_for) == 90 + 20
        assert set(sample.stands_for[:90]) == {1}
        assert sum(sample.stands_for[90:]) == expected
        assert max(sample.stands_for[90:]) - min(sample.stands_for[90:]) <= 1


def test_a_prompt_that_stands_for_others_counts_as_many_times(tiny: LanguageModel, edits: list[Edit]) -> None:
    weighed = background_prompts(tiny)[:40]
    once = make_sample(tiny, edits, background=weighed, unrelated=["Sing."])
    twice = replace(once, stands_for=(2,) * len(once.fit))
    repeated = replace(once, fit=(*once.fit, *once.fit), stands_for=(1,) * (2 * len(once.fit)))
    base = calibrated(tiny).config
    cells = [scan(tiny, base, sample, [1], ["mean"], ["whiten"])[0] for sample in (once, twice, repeated)]
    np.testing.assert_allclose(cells[1].paraphrases, cells[2].paraphrases, atol=1e-4)
    assert cells[0].paraphrases != cells[1].paraphrases


def test_a_small_background_is_halved_at_most(tiny: LanguageModel, edits: list[Edit]) -> None:
    weighed = background_prompts(tiny)[:30]
    sample = make_sample(tiny, edits, background=weighed)
    assert (len(sample.unrelated), len(sample.fit)) == (15, 15)


def test_own_prompts_take_the_place_of_the_background(tiny: LanguageModel, edits: list[Edit]) -> None:
    sample = make_sample(tiny, edits, unrelated=["What is a bridge?", "Sing."], max_edits=1)
    assert sample.unrelated == ("What is a bridge?", "Sing.")
    assert [edit.edit_id for edit in sample.keys] == ["e0"]  # phrasings of its own come first
    with pytest.raises(InputError):
        make_sample(tiny, [])


def test_every_choice_is_measured_and_survives_json(tiny: LanguageModel, edits: list[Edit]) -> None:
    sample = make_sample(tiny, edits, max_unrelated=20)
    told: list[float] = []
    base = calibrated(tiny).config
    cells = scan(tiny, base, sample, [1, 2], ["last", "mean"], ["raw", "whiten"], progress=lambda _, done: told.append(done))
    assert len({cell.choice for cell in cells}) == 8
    assert told == sorted(told)
    for cell in cells:
        assert len(cell.paraphrases) == len(sample.paraphrases)
        assert len(cell.others["unrelated"]) == len(sample.unrelated) == 20
    counts = {kind: len(distances) for kind, distances in cells[0].others.items()}
    whole = Scan((1, 2), ("last", "mean"), ("raw", "whiten"), 3, len(sample.paraphrases), sample.made, counts, 9, 1.5, cells)
    again = Scan.from_dict(json.loads(json.dumps(whole.to_dict())))
    assert (again.layers, again.counts) == (whole.layers, whole.counts)
    np.testing.assert_allclose(again.cells[3].paraphrases, cells[3].paraphrases, atol=1e-5)
    assert again.cell(Choice(2, "mean", "raw")) is not None
    assert again.cell(Choice(3, "mean", "raw")) is None


def test_it_can_be_stopped_and_refuses_what_is_not_there(tiny: LanguageModel, edits: list[Edit]) -> None:
    before = hooks(tiny)
    sample, base = make_sample(tiny, edits), calibrated(tiny).config
    with pytest.raises(Cancelled):
        scan(tiny, base, sample, [1], ["last"], ["raw"], cancelled=lambda: True)
    with pytest.raises(InputError, match="Layer 99"):
        scan(tiny, base, sample, [99], ["last"], ["raw"])
    with pytest.raises(InputError, match="pooling"):
        scan(tiny, base, sample, [1], [], ["raw"])
    assert hooks(tiny) == before


def test_default_layers() -> None:
    assert default_layers(30) == (1, 8, 15, 22)
    assert default_layers(4) == (1, 2, 3)


def test_made_phrasings_keep_the_subject(tiny: LanguageModel) -> None:
    _, common = vocabulary(background_prompts(tiny))
    for text in made_phrasings("Who was Ada Lovelace?", common):
        assert "Ada Lovelace" in text
        assert text != "Who was Ada Lovelace?"


def test_what_the_library_makes_up_of_a_long_prompt_is_left_out_where_it_does_not_fit(tiny: LanguageModel) -> None:
    book, room = calibrated(tiny), tiny.context - 3
    long = edit_for(tiny, book, filled(tiny, "Tell me about Bo", room), "x", edit_id="long")
    short = edit_for(tiny, book, PROMPTS[0], "x", edit_id="short")
    sample = make_sample(tiny, [long, short])
    cells = scan(tiny, book.config, sample, [1], ["last"], ["whiten"])
    assert len(cells) == 1
    assert {index for _, index in sample.paraphrases} == {1}


def filled(model: LanguageModel, start: str, tokens: int) -> str:
    """A prompt of so many tokens."""
    text = start
    while len(model.prompt(text).ids) < tokens:
        text += " a"
    return text
