"""A fact before the prompt, through the studio: asked for, logged, shown again, and gone with its edit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.journal.events import Generated
from app.journal.store import JournalStore
from app.studio.studio import OpenStudio
from app.ui.review.tries import try_value
from grace_core.answering.generate import decode_bare
from grace_core.answering.in_context import with_fact
from grace_core.config import GraceConfig
from grace_core.errors import InputError
from grace_core.models.language_model import LanguageModel
from grace_core.testing.codebooks import keep_quick_encoder
from tests.app.studios import PROMPT, SOON, edited, id_of

ASKED = "Describe Ada Lovelace, please."
LENGTH = 16


@pytest.fixture
def model(taught: LanguageModel, tmp_path: Path) -> LanguageModel:
    own = copy.copy(taught)
    own.cache_dir = tmp_path
    keep_quick_encoder(own)
    return own


def opened(model: LanguageModel, folder: Path, config: GraceConfig, *, in_context: bool = False) -> OpenStudio:
    store = JournalStore(f"sqlite:///{folder / 'j.db'}")
    return OpenStudio.open(model, config, store, max_new_tokens=LENGTH, in_context=in_context)


@pytest.fixture
def studio(model: LanguageModel, tmp_path: Path) -> Iterator[OpenStudio]:
    """Every subject counts as near: ε is wide. No other question is answered: the editor's radius is made small afterwards."""
    config = GraceConfig.robust(siblings=0, contexts=0, max_steps=60)
    studio = opened(model, tmp_path, config)
    yield studio
    studio.close()


def about_it(studio: OpenStudio) -> str:
    """An edit whose subject `ASKED` has and whose question it does not: its id. The radius is put between the two parts."""
    edit_id = id_of(edited(studio))
    probe = studio.generate(ASKED).result(SOON)
    assert probe.parts is not None
    assert probe.parts.subject < probe.parts.question, "the tiny encoder tells both apart"
    studio.set_epsilon((probe.parts.subject + probe.parts.question) / 2, edit_id)
    return edit_id


def test_a_fact_is_given_where_it_is_asked_for_and_the_answer_says_whose(model: LanguageModel, studio: OpenStudio) -> None:
    edit_id = about_it(studio)
    target = studio.detail(edit_id).row.target
    without = studio.generate(ASKED).result(SOON)
    assert (without.edit_id, without.fact) == (None, None)
    answer = studio.generate(ASKED, in_context=True).result(SOON)
    assert answer.fact is not None
    assert (answer.edit_id, answer.fact.edit_id, answer.fact.parts) == (None, edit_id, answer.parts)
    (wanted,) = decode_bare(model, [model.prompt(with_fact(ASKED, PROMPT, target))], LENGTH)
    assert answer.text == model.text(wanted)
    assert studio.answer(answer.query_id) == answer
    own = studio.generate(PROMPT, in_context=True).result(SOON)
    assert (own.edit_id, own.fact) == (edit_id, None)
    assert try_value(answer, edit_id, target)["label"].startswith("The model itself answered, with this edit's fact")
    assert try_value(answer, "e9", "x")["label"].startswith("The model itself answered, with another edit's fact")


def test_an_undone_edit_gives_no_fact_and_what_it_gave_is_told_as_past(studio: OpenStudio) -> None:
    edit_id = about_it(studio)
    then = studio.generate(ASKED, in_context=True).result(SOON)
    bare = studio.generate(ASKED).result(SOON)
    studio.undo(edit_id)
    now = studio.generate(ASKED, in_context=True).result(SOON)
    assert (now.text, now.fact) == (bare.text, None)
    told = studio.answer(then.query_id)
    assert told.fact is not None
    assert (told.text, told.fact.edit_id, told.fact.parts) == (then.text, edit_id, None)
    studio.redo(edit_id)
    assert studio.answer(then.query_id) == then


def test_it_is_logged_and_read_again(model: LanguageModel, studio: OpenStudio, tmp_path: Path) -> None:
    edit_id = about_it(studio)
    answer = studio.generate(ASKED, in_context=True).result(SOON)
    logged = studio.live.now().query(answer.query_id).generated
    assert isinstance(logged, Generated)
    assert logged.in_context_of == edit_id
    again = opened(model, tmp_path, GraceConfig.robust())
    assert again.answer(answer.query_id) == answer
    again.close()


def test_what_the_studio_was_started_with_holds_where_nothing_is_said(
    model: LanguageModel, studio: OpenStudio, tmp_path: Path
) -> None:
    edit_id = about_it(studio)
    on = opened(model, tmp_path, GraceConfig.robust(), in_context=True)
    assert (studio.status().in_context, on.status().in_context) == (False, True)
    found = on.generate(ASKED).result(SOON)
    assert found.fact is not None
    assert found.fact.edit_id == edit_id
    assert on.generate(ASKED, in_context=False).result(SOON).fact is None
    on.close()


def test_a_codebook_that_tells_no_subject_refuses_it_in_words(model: LanguageModel, tmp_path: Path) -> None:
    former = opened(model, tmp_path, GraceConfig.early(siblings=0, contexts=0))
    with pytest.raises(InputError, match="do not tell the subject from the question"):
        former.generate(ASKED, in_context=True)
    assert former.generate(ASKED).result(SOON).fact is None
    former.close()


def test_only_true_or_false_is_an_answer_to_whether(studio: OpenStudio) -> None:
    wrong: object = "yes"
    with pytest.raises(InputError, match="'yes'; give true or false"):
        studio.generate(ASKED, in_context=wrong)  # type: ignore[arg-type]
