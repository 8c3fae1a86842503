"""Two browsers or two processes on one journal: each sees what the other did, and nothing is lost or made twice."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from app.errors import JournalConflict, JournalError, StudioError
from app.journal.events import Calibrated, StoredEvent
from app.studio.studio import OpenStudio
from app.studio.views import EditOutcome
from grace_core.answering.generate import generate
from grace_core.errors import InputError
from grace_core.measuring.distances import Choice
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Contended,
    Journal,
    assert_is_the_journals,
    edited,
    id_of,
    other_than,
    said,
)
from tests.grace_core.builders import assert_same


def test_two_studios_see_each_others_edits(journal: Journal, studio: OpenStudio) -> None:
    beside = journal.open()
    before, revision = said(studio, PROMPT), beside.revision()
    outcome = edited(studio, author="Ada")
    assert beside.revision() > revision
    assert [row.edit_id for row in beside.edits().rows] == [outcome.edit_id]
    assert said(beside, PROMPT) == outcome.target
    assert beside.status().active_edits == 1
    assert beside.status().queries == studio.status().queries
    assert beside.undo(id_of(outcome)).state == "undone"
    assert said(studio, PROMPT) == before
    with pytest.raises(InputError, match="undone already"):
        studio.undo(id_of(outcome))
    assert_same(studio.codebook, beside.codebook)


def test_an_answer_and_its_marks_are_seen_elsewhere(journal: Journal, studio: OpenStudio) -> None:
    beside = journal.open()
    answer = studio.generate(PROMPT).result(SOON)
    mark = beside.mark(answer.query_id, 0, 2, "wrong")
    assert beside.answer(answer.query_id) == answer
    studio.revision()
    assert studio.marks(answer.query_id) == (mark,)


def test_what_another_wrote_at_the_same_moment_is_taken_in_first(journal: Journal) -> None:
    store = Contended(journal.url)
    studio, beside = journal.open(store), journal.open()
    answer = beside.generate(PROMPT).result(SOON)
    studio.revision()
    store.others = [lambda: said(beside, OTHER), lambda: said(beside, THIRD)]
    mark = studio.mark(answer.query_id, 0, 1, "fine")
    assert studio.status().queries == 3
    beside.revision()
    assert beside.marks(answer.query_id) == (mark,)
    assert_is_the_journals(journal, studio)


def test_an_undo_that_meets_other_writers_again_and_again_is_made_all_the_same(journal: Journal) -> None:
    store = Contended(journal.url)
    studio, beside = journal.open(store), journal.open()
    outcome = edited(studio)
    query_id = beside.generate(PROMPT).result(SOON).query_id
    store.others = [lambda: beside.mark(query_id, 0, 1, "fine")] * 10
    assert studio.undo(id_of(outcome)).state == "undone"
    assert len(studio.marks(query_id)) == 10
    assert_is_the_journals(journal, studio)


def test_a_conflict_that_does_not_end_is_told_and_writes_nothing(journal: Journal) -> None:
    class Hopeless(Contended):
        def append(self, *arguments: Any, **options: Any) -> tuple[StoredEvent, ...]:
            raise JournalConflict("Somebody else wrote to it. Nothing was written; try again.")

    query_id = journal.open().generate(PROMPT).result(SOON).query_id
    studio = journal.open(Hopeless(journal.url))
    with pytest.raises(JournalConflict, match="Nothing was written"):
        studio.mark(query_id, 0, 1, "fine")
    assert studio.marks(query_id) == ()
    assert_is_the_journals(journal, studio)


def test_an_undo_that_another_did_at_the_same_moment_is_refused(journal: Journal) -> None:
    store = Contended(journal.url)
    studio, beside = journal.open(store), journal.open()
    outcome = edited(studio)
    store.others = [lambda: beside.undo(id_of(outcome))]
    with pytest.raises(InputError, match="undone already"):
        studio.undo(id_of(outcome))
    assert studio.edits().counts["undone"] == 1
    assert_is_the_journals(journal, studio)


def test_two_codebooks_in_one_process_keep_their_activations_apart(journal: Journal) -> None:
    phrasing = "Tell me about Ada Lovelace."
    read = {}
    for layer in (1, 3):
        studio = journal.open(key_layer=layer)
        edited(studio, paraphrases=[phrasing])
        yardstick = studio.yardstick().result(SOON)
        assert yardstick.phrasings == ((phrasing, studio.codebook.edits[0].edit_id),)
        trial = studio.try_prompt(phrasing).result(SOON)
        np.testing.assert_allclose(yardstick.phrasing_activations[0], trial.activation, atol=1e-4)
        read[layer] = yardstick.phrasing_activations
    assert np.abs(read[1] - read[3]).max() > 0.1


def test_no_reader_waits_while_somebody_prepares_the_next_snapshot(journal: Journal) -> None:
    """The write is under way, and pages read the snapshot that there is."""
    store = Contended(journal.url)
    studio = journal.open(store)
    edit_id = id_of(edited(studio))
    seen: list[object] = []

    def look_from_another_thread() -> None:
        def look() -> None:
            seen.append((studio.edits().rows[0].state, studio.edits_mark().undone, studio.status().active_edits))
            seen.append((studio.detail(edit_id).row.matches, len(studio.map_view().keys), studio.revision()))

        reader = threading.Thread(target=look)
        reader.start()
        reader.join(SOON)
        assert not reader.is_alive(), "a reader waits for the writer"

    revision = studio.revision()
    store.others = [look_from_another_thread]
    assert studio.undo(edit_id).state == "undone"
    assert seen == [("active", 0, 1), (1, 1, revision)]


def test_what_the_journal_did_not_take_did_not_happen(journal: Journal) -> None:
    store = Contended(journal.url)
    studio = journal.open(store)
    outcome = edited(studio)
    before, revision = studio.codebook, studio.revision()

    def full() -> None:
        raise JournalError("The disk is full. Make room, then try again.")

    store.others = [full]
    with pytest.raises(JournalError, match="disk is full"):
        studio.undo(id_of(outcome))
    store.others = [full]
    with pytest.raises(JournalError, match="disk is full"):
        studio.edit(OTHER, other_than(said_of(journal, studio, OTHER))).result(SOON)
    store.others = [full]
    with pytest.raises(JournalError, match="disk is full"):
        studio.generate(OTHER).result(SOON)
    assert studio.codebook is before
    assert studio.edits().counts == {"active": 1, "undone": 0, "superseded": 0, "broken": 0}
    assert studio.revision() == revision
    assert studio.undo(id_of(outcome)).state == "undone"


def said_of(journal: Journal, studio: OpenStudio, prompt: str) -> str:
    """What the model says, without a line in this journal."""
    return generate(journal.model, studio.codebook, prompt, max_new_tokens=16).text


def test_an_edit_learned_while_another_arrived_stands_beside_it(journal: Journal, studio: OpenStudio) -> None:
    beside = journal.open()
    theirs: list[EditOutcome] = []
    journal.meanwhile = lambda: theirs.append(edited(beside, OTHER))
    mine = edited(studio)
    assert [row.edit_id for row in studio.edits().rows] == [mine.edit_id, theirs[0].edit_id]
    assert [said(studio, PROMPT), said(studio, OTHER)] == [mine.target, theirs[0].target]
    assert_is_the_journals(journal, studio)


def test_an_edit_learned_under_an_encoder_that_changed_meanwhile_is_not_kept(journal: Journal, studio: OpenStudio) -> None:
    rows = np.random.default_rng(0).normal(size=(3, journal.model.width)).astype(np.float32)
    journal.meanwhile = lambda: journal.write(Calibrated(2, "elsewhere", ("a", "b", "c"), rows))
    target = other_than(said(studio, PROMPT))
    with pytest.raises(StudioError, match=r"recalibrated meanwhile; nothing was kept\. Edit once more"):
        studio.edit(PROMPT, target).result(SOON)
    assert studio.edits().total == 0
    assert_is_the_journals(journal, studio)
    assert edited(studio, PROMPT, target).text_after == target


def test_an_edit_learned_before_prompts_were_read_otherwise_is_not_kept_and_says_so(journal: Journal, studio: OpenStudio) -> None:
    beside = journal.open()
    edited(studio, OTHER)
    journal.meanwhile = lambda: beside.use_query_space(Choice(1, "mean", "raw"), 1.0).result(SOON)
    with pytest.raises(StudioError, match=r"Prompts are read otherwise by now \(Lab, Calibrate\); nothing was kept"):
        studio.edit(PROMPT, other_than(said(studio, PROMPT))).result(SOON)
