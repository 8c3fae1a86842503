"""A journal in use: after a restart, at the first start, with others at work, the state is a fresh fold of the events."""

from __future__ import annotations

import itertools
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import JournalConflict, JournalError, StudioError
from app.journal.events import Calibrated, Edited, StoredEvent
from app.journal.store import JournalStore
from app.studio.studio import OpenStudio
from app.studio.views import EditOutcome
from grace_core.answering.generate import generate
from grace_core.config import GraceConfig
from grace_core.errors import InputError
from grace_core.measuring.distances import Choice
from grace_core.models.language_model import LanguageModel
from grace_core.testing.taught import ANSWERS
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Contended,
    Journal,
    assert_is_the_journals,
    assert_same_encoder,
    edited,
    event_of,
    id_of,
    other_than,
    said,
)
from tests.grace_core.builders import assert_apart, assert_same

# Restart


def test_a_restart_gives_bitwise_the_same_codebook_and_the_same_answers(journal: Journal) -> None:
    studio = journal.open()
    prompts = (PROMPT, OTHER, THIRD)
    done = [edited(studio, prompt) for prompt in prompts]
    studio.undo(id_of(done[1]))
    answer = studio.generate(PROMPT).result(SOON)
    mark = studio.mark(answer.query_id, 0, 1, "fine")
    answers = [said(studio, prompt) for prompt in (*prompts, "Hi")]
    before, page, view = studio.codebook, studio.edits(), studio.map_view()
    journal.close()

    again = journal.open()
    assert_same(again.codebook, before)
    assert_same_encoder(again.codebook.encoder, before.encoder)
    assert again.edits() == page
    assert again.answer(answer.query_id) == answer
    assert again.marks(answer.query_id) == (mark,)
    now = again.map_view()
    assert (now.version, now.keys, now.queries) == (view.version, view.keys, view.queries)
    assert now.key_vectors.tobytes() == view.key_vectors.tobytes()
    assert now.query_vectors.tobytes() == view.query_vectors.tobytes()
    assert [said(again, prompt) for prompt in (*prompts, "Hi")] == answers
    assert again.redo(id_of(done[1])).state == "active"
    assert said(again, OTHER) == done[1].target


def test_another_configuration_has_a_codebook_of_its_own(journal: Journal) -> None:
    edited(journal.open())
    assert journal.open(key_layer=2).edits().total == 0
    assert journal.open(epsilon=0.2, contexts=1).edits().total == 1
    assert journal.open().edits().total == 1


def test_a_calibration_that_an_edit_brings_survives_undo_and_restart(journal: Journal) -> None:
    wide: dict[str, Any] = {"siblings": 8, "epsilon": 0.9}
    studio = journal.open(**wide)
    said(studio, OTHER)
    first = studio.codebook.encoder
    outcome = edited(studio)
    assert studio.codebook.encoder.version == first.version + 1 == 2
    assert "calibrated on 9 prompts" in outcome.note
    assert [type(event.data) for event in journal.events(**wide)[-2:]] == [Calibrated, Edited]
    assert said(studio, PROMPT) == outcome.target
    assert_is_the_journals(journal, studio, **wide)
    encoder = studio.codebook.encoder
    studio.undo(id_of(outcome))
    assert studio.codebook.encoder is encoder
    assert_same_encoder(journal.open(**wide).codebook.encoder, encoder)


def test_a_journal_keeps_its_number_of_directions_under_another_default(journal: Journal, studio: OpenStudio) -> None:
    made = id_of(edited(studio))
    with JournalStore(journal.url) as store:
        again = OpenStudio.open(journal.model, journal.config(directions=12), store)
        try:
            assert again.codebook.config.directions == studio.codebook.config.directions == 16
            assert [row.edit_id for row in again.edits().rows] == [made]
            assert again.codebook.keys.tobytes() == studio.codebook.keys.tobytes()
        finally:
            again.close()


# First start


def test_the_first_start_calibrates_reports_and_is_not_repeated(journal: Journal) -> None:
    with JournalStore(journal.url) as store:
        seen: list[tuple[str, float]] = []
        first = OpenStudio.open(journal.model, journal.config(), store, progress=lambda *stage: seen.append(stage))
        first.close()
        assert "Reading the background prompts" in dict(seen)
        assert all(0 <= fraction <= 1 for _, fraction in seen)
    assert [type(event.data) for event in journal.events()] == [Calibrated]
    again = journal.open(calibrate=False)
    assert_same_encoder(again.codebook.encoder, first.codebook.encoder)
    assert len(journal.events()) == 1


def test_two_first_starts_at_once_agree_on_one_calibration(journal: Journal) -> None:
    others: list[OpenStudio] = []

    def meanwhile(stage: str, _fraction: float) -> None:
        if stage == "Reading the background prompts" and not others:
            others.append(journal.open(calibrate=False))

    with JournalStore(journal.url) as store:
        one = OpenStudio.open(journal.model, journal.config(), store, progress=meanwhile)
        one.close()
        assert_same_encoder(one.codebook.encoder, others[0].codebook.encoder)
        assert one.revision() == others[0].revision()
    assert len(journal.events()) == 1


def test_the_published_preset_needs_no_calibration(journal: Journal) -> None:
    with JournalStore(journal.url) as store:
        studio = OpenStudio.open(journal.model, GraceConfig.paper(epsilon=0.05, max_steps=40), store, max_new_tokens=16)
        try:
            assert studio.revision() == 0
            outcome = edited(studio)
            assert said(studio, PROMPT) == outcome.target
            assert studio.status().preset == "paper"
        finally:
            studio.close()


# The live snapshot is the journal's fold


OPERATIONS = st.tuples(
    st.sampled_from(
        [
            "edit",
            "undo",
            "redo",
            "elsewhere",
            "calibrate",
            "generate",
            "epsilon",
            "epsilon back",
            "epsilon again",
            "reread",
            "return",
        ]
    ),
    st.integers(0, 7),
)


def choice_in_force(studio: OpenStudio) -> Choice:
    status = studio.status()
    return Choice(status.key_layer, status.pool, status.encoding)


@settings(max_examples=5, deadline=None, database=None)
@given(operations=st.lists(OPERATIONS, min_size=3, max_size=14))
def test_after_any_sequence_the_snapshot_is_a_fresh_fold_of_the_journal(
    taught: LanguageModel, operations: list[tuple[str, int]]
) -> None:
    choices = (
        Choice(1, "weighted", "raw"),
        Choice(2, "mean", "whiten"),
        Choice(2, "last", "raw"),
        Choice(3, "weighted", "whiten"),
    )
    prompts = (PROMPT, "Who was Ada Lovelace", "Who is Ada Lovelace?", OTHER, THIRD, "Where is Paris now")
    ids = itertools.count()
    wide: dict[str, Any] = {"epsilon": 0.45}
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(taught, Path(folder))
        try:
            studio = journal.open(**wide)
            for what, n in operations:
                edits = studio.edits().rows
                active = [row.edit_id for row in edits if row.state != "undone"]
                undone = [row.edit_id for row in edits if row.state == "undone"]
                if what == "edit" or (what == "elsewhere" and not active):
                    target = ANSWERS[n % 3]
                    journal.write(
                        event_of(taught, studio.codebook, prompts[n % 6], target, f"e{next(ids)}", n % 2, studio.query_space_id),
                        **wide,
                    )
                elif what == "undo" and active:
                    studio.undo(active[n % len(active)])
                elif what == "redo" and undone:
                    studio.redo(undone[n % len(undone)])
                elif what == "epsilon" and active:
                    chosen = active[n % len(active)]
                    studio.set_epsilon((0.05, 0.3, 0.7)[n % 3], chosen if studio.codebook.entry_of(chosen) else None)
                elif what == "epsilon back" and (
                    changed := [row.change_id for row in studio.epsilon_changes() if not row.undone]
                ):
                    studio.undo_epsilon(changed[n % len(changed)])
                elif what == "epsilon again" and (gone := [row.change_id for row in studio.epsilon_changes() if row.undone]):
                    studio.redo_epsilon(gone[n % len(gone)])
                elif what == "elsewhere" and active:
                    journal.open(**wide).undo(active[n % len(active)])
                elif what == "calibrate":
                    rows = np.random.default_rng(n).normal(size=(3, taught.width)).astype(np.float32)
                    if studio.status().encoding == "whiten":
                        version = studio.live.now().state.next_version
                        journal.write(Calibrated(version, "test", ("a", "b", "c"), rows, studio.query_space_id), **wide)
                elif what == "reread" and choices[n % 4] != choice_in_force(studio):
                    studio.use_query_space(choices[n % 4], 0.4).result(SOON)
                elif what == "return" and (others := [row.query_space_id for row in studio.query_spaces() if not row.in_force]):
                    studio.return_to(others[n % len(others)]).result(SOON)
                elif what == "generate":
                    answer = studio.generate(prompts[n % 6]).result(SOON)
                    owner = studio.codebook.entry_of(answer.edit_id) if answer.edit_id else None
                    assert answer.edit_id is None or owner is not None
                studio.status()
                assert_is_the_journals(journal, studio, **wide)
                assert_apart(studio.codebook)
        finally:
            journal.close()


# Two browsers, two processes


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
