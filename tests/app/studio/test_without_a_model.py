"""A journal is opened where there are no weights; a row of it is damaged; the template is another one by now."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.errors import NotFound, StudioError
from app.journal.store import JournalStore
from app.studio.live import LiveCodebook
from app.studio.studio import OpenStudio
from grace_core.codebook.template import Template
from grace_core.measuring.distances import Choice
from tests.app.studios import OTHER, PROMPT, SOON, Journal, assert_is_the_journals, edited, id_of, said


@pytest.mark.parametrize("choice", [None, Choice(2, "mean", "whiten"), Choice(3, "last", "raw")])
def test_all_that_needs_no_model_works_without_one_and_goes_on_with_it(journal: Journal, choice: Choice | None) -> None:
    studio = journal.open(siblings=8, epsilon=0.9)
    first, second = edited(studio), edited(studio, OTHER)
    if choice is not None:
        studio.use_query_space(choice, 0.5).result(SOON)
    codebook_id = studio.status().codebook_id
    with JournalStore(journal.url) as store:
        alone = OpenStudio(LiveCodebook(store, codebook_id))
        try:
            assert alone.edits() == studio.edits()
            assert alone.detail(id_of(first)) == studio.detail(id_of(first))
            assert alone.map_view().key_vectors.tobytes() == studio.map_view().key_vectors.tobytes()
            assert [query.edit_id for query in alone.map_view().queries] == [q.edit_id for q in studio.map_view().queries]
            assert replace(alone.status(), epsilon=studio.status().epsilon) == studio.status(), (
                "what new edits ask for is not stored"
            )
            assert alone.undo(id_of(second)).state == "undone"
            mark = alone.mark(alone.map_view().queries[0].query_id, 0, 1, "wrong")
            alone.unmark(alone.replace_mark(mark.mark_id, "fine").mark_id)
            alone.undo_epsilon(alone.set_epsilon(0.2).change_id)
            assert studio.edits() == alone.edits()
            assert_is_the_journals(journal, studio, siblings=8, epsilon=0.9)
            for ask in (lambda: alone.generate(PROMPT), lambda: alone.edit(PROMPT, "x"), lambda: alone.try_prompt(PROMPT)):
                with pytest.raises(StudioError, match="No model is loaded"):
                    ask()
            other: Any = SimpleNamespace(fingerprint="other", name="Other")
            with pytest.raises(StudioError, match="Other has other weights"):
                alone.attach(other)
            alone.attach(journal.model)
            assert said(alone, PROMPT) == first.target
            assert_is_the_journals(journal, alone, siblings=8, epsilon=0.9)
        finally:
            alone.close()


def test_a_template_that_renders_otherwise_tomorrow_moves_no_query(journal: Journal, studio: OpenStudio) -> None:
    outcome = edited(studio)
    now = journal.model.template
    tomorrow = journal.model.with_template(Template(now.tokenizer, (*now.head, now.head[-1] if now.head else 1), now.tail))
    with JournalStore(journal.url) as store:
        again = OpenStudio.open(tomorrow, journal.config(), store, max_new_tokens=16)
        try:
            answer = again.generate(PROMPT).result(SOON)
            assert (answer.text, answer.edit_id) == (outcome.target, outcome.edit_id)
            assert answer.distance == pytest.approx(0.0, abs=1e-6)
        finally:
            again.close()


def test_a_damaged_row_is_shown_as_broken_and_can_be_undone(journal: Journal) -> None:
    studio = journal.open()
    sound, bad = edited(studio), id_of(edited(studio, OTHER, source_url="https://e.example/half"))
    before = studio.edits()
    journal.close()
    with sqlite3.connect(journal.url.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE events SET payload = replace(payload, 'e.example/half', 'e.example/half\\ud83d')")

    again = journal.open()
    page = again.edits()
    broken, other = page.rows
    assert (broken.edit_id, broken.prompt, broken.state, broken.matches, broken.epsilon) == (bad, OTHER, "broken", 0, None)
    assert broken.damage
    assert other == before.rows[1]
    assert page.counts == {"active": 1, "undone": 0, "superseded": 0, "broken": 1}
    assert again.edits(state="broken").rows == again.edits(search="half").rows == (broken,)
    assert again.detail(bad).row == broken
    assert broken.damage in again.detail(bad).change
    assert again.edits_mark().newest == bad
    assert said(again, PROMPT) == sound.target
    assert again.undo(bad).state == "undone"
    assert again.edits().counts == {"active": 1, "undone": 1, "superseded": 0, "broken": 0}
    assert journal.open().edits() == again.edits()
    assert again.redo(bad).state == "broken"
    with pytest.raises(NotFound):
        again.undo("nope")
