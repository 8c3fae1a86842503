"""A journal in use: after a restart, at the first start, with others at work, the state is a fresh fold of the events."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import JournalConflict, JournalError, StudioError
from app.journal.events import Calibrated, Edited
from app.journal.store import JournalStore
from app.studio.views import EditOutcome
from app.studio.workbench import Workbench
from grace_core.config import GraceConfig
from grace_core.editing import fitting as calibration
from grace_core.editing.editor import Editor
from grace_core.errors import InputError
from grace_core.measuring.distances import Choice
from grace_core.models.language_model import LanguageModel
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Contended,
    Interrupted,
    Studio,
    assert_is_the_journals,
    assert_same_encoder,
    edited,
    event_of,
    id_of,
    other_than,
    said,
)
from tests.grace_core.builders import assert_apart, assert_same
from tests.grace_core.taught import ANSWERS

# Restart


def test_a_restart_gives_bitwise_the_same_codebook_and_the_same_answers(studio: Studio) -> None:
    bench = studio.open()
    prompts = (PROMPT, OTHER, THIRD)
    done = [edited(bench, prompt) for prompt in prompts]
    bench.undo(id_of(done[1]))
    answer = bench.generate(PROMPT).result(SOON)
    mark = bench.mark(answer.query_id, 0, 1, "fine")
    answers = [said(bench, prompt) for prompt in (*prompts, "Hi")]
    before, page, view = bench.codebook, bench.edits(), bench.map_view()
    studio.close()

    again = studio.open()
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


def test_another_configuration_has_a_codebook_of_its_own(studio: Studio) -> None:
    edited(studio.open())
    assert studio.open(key_layer=2).edits().total == 0
    assert studio.open(epsilon=0.2, contexts=1).edits().total == 1
    assert studio.open().edits().total == 1


def test_a_calibration_that_an_edit_brings_survives_undo_and_restart(studio: Studio) -> None:
    wide: dict[str, Any] = {"siblings": 8, "epsilon": 0.9}
    bench = studio.open(**wide)
    said(bench, OTHER)
    first = bench.codebook.encoder
    outcome = edited(bench)
    assert bench.codebook.encoder.version == first.version + 1 == 2
    assert "calibrated on 9 prompts" in outcome.note
    assert [type(event.data) for event in studio.events(**wide)[-2:]] == [Calibrated, Edited]
    assert said(bench, PROMPT) == outcome.target
    assert_is_the_journals(studio, bench, **wide)
    encoder = bench.codebook.encoder
    bench.undo(id_of(outcome))
    assert bench.codebook.encoder is encoder
    assert_same_encoder(studio.open(**wide).codebook.encoder, encoder)


def test_a_journal_keeps_its_number_of_directions_under_another_default(studio: Studio, bench: Workbench) -> None:
    made = id_of(edited(bench))
    with JournalStore(studio.url) as store:
        again = Workbench.open(studio.model, studio.config(directions=12), store)
        try:
            assert again.codebook.config.directions == bench.codebook.config.directions == 16
            assert [row.edit_id for row in again.edits().rows] == [made]
            assert again.codebook.keys.tobytes() == bench.codebook.keys.tobytes()
        finally:
            again.close()


# First start


@pytest.fixture
def few_starters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A background in a moment instead of some seconds."""
    monkeypatch.setattr(calibration, "_STARTERS", ("Who", "What is"))
    monkeypatch.setattr(calibration, "_PER_STARTER", 6)


@pytest.mark.usefixtures("few_starters")
def test_the_first_start_calibrates_reports_and_is_not_repeated(studio: Studio) -> None:
    with JournalStore(studio.url) as store:
        seen: list[tuple[str, float]] = []
        first = Workbench.open(studio.model, studio.config(), store, progress=lambda *stage: seen.append(stage))
        first.close()
        assert "Reading the background prompts" in dict(seen)
        assert all(0 <= fraction <= 1 for _, fraction in seen)
    assert [type(event.data) for event in studio.events()] == [Calibrated]
    again = studio.open(calibrate=False)
    assert_same_encoder(again.codebook.encoder, first.codebook.encoder)
    assert len(studio.events()) == 1


@pytest.mark.usefixtures("few_starters")
def test_two_first_starts_at_once_agree_on_one_calibration(studio: Studio) -> None:
    others: list[Workbench] = []

    def meanwhile(stage: str, _fraction: float) -> None:
        if stage == "Reading the background prompts" and not others:
            others.append(studio.open(calibrate=False))

    with JournalStore(studio.url) as store:
        one = Workbench.open(studio.model, studio.config(), store, progress=meanwhile)
        one.close()
        assert_same_encoder(one.codebook.encoder, others[0].codebook.encoder)
        assert one.revision() == others[0].revision()
    assert len(studio.events()) == 1


def test_the_published_preset_needs_no_calibration(studio: Studio) -> None:
    with JournalStore(studio.url) as store:
        bench = Workbench.open(studio.model, GraceConfig.paper(epsilon=0.05, max_steps=40), store, max_new_tokens=16)
        try:
            assert bench.revision() == 0
            outcome = edited(bench)
            assert said(bench, PROMPT) == outcome.target
            assert bench.status().preset == "paper"
        finally:
            bench.close()


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


def choice_in_force(bench: Workbench) -> Choice:
    status = bench.status()
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
        studio = Studio(taught, Path(folder))
        try:
            bench = studio.open(**wide)
            for what, n in operations:
                edits = bench.edits().rows
                active = [row.edit_id for row in edits if row.state != "undone"]
                undone = [row.edit_id for row in edits if row.state == "undone"]
                if what == "edit" or (what == "elsewhere" and not active):
                    target = ANSWERS[n % 3]
                    studio.write(
                        event_of(taught, bench.codebook, prompts[n % 6], target, f"e{next(ids)}", n % 2, bench.query_space_id),
                        **wide,
                    )
                elif what == "undo" and active:
                    bench.undo(active[n % len(active)])
                elif what == "redo" and undone:
                    bench.redo(undone[n % len(undone)])
                elif what == "epsilon" and active:
                    chosen = active[n % len(active)]
                    bench.set_epsilon((0.05, 0.3, 0.7)[n % 3], chosen if bench.codebook.entry_of(chosen) else None)
                elif what == "epsilon back" and (changed := [row.change_id for row in bench.epsilon_changes() if not row.undone]):
                    bench.undo_epsilon(changed[n % len(changed)])
                elif what == "epsilon again" and (gone := [row.change_id for row in bench.epsilon_changes() if row.undone]):
                    bench.redo_epsilon(gone[n % len(gone)])
                elif what == "elsewhere" and active:
                    studio.open(**wide).undo(active[n % len(active)])
                elif what == "calibrate":
                    rows = np.random.default_rng(n).normal(size=(3, taught.width)).astype(np.float32)
                    if bench.status().encoding == "whiten":
                        version = bench._replay.next_version
                        studio.write(Calibrated(version, "test", ("a", "b", "c"), rows, bench.query_space_id), **wide)
                elif what == "reread" and choices[n % 4] != choice_in_force(bench):
                    bench.use_query_space(choices[n % 4], 0.4).result(SOON)
                elif what == "return" and (others := [row.query_space_id for row in bench.query_spaces() if not row.in_force]):
                    bench.return_to(others[n % len(others)]).result(SOON)
                elif what == "generate":
                    answer = bench.generate(prompts[n % 6]).result(SOON)
                    owner = bench.codebook.entry_of(answer.edit_id) if answer.edit_id else None
                    assert answer.edit_id is None or owner is not None
                bench.status()
                assert_is_the_journals(studio, bench, **wide)
                assert_apart(bench.codebook)
        finally:
            studio.close()


# Two browsers, two processes


def test_two_workbenches_see_each_others_edits(studio: Studio, bench: Workbench) -> None:
    beside = studio.open()
    before, revision = said(bench, PROMPT), beside.revision()
    outcome = edited(bench, author="Ada")
    assert beside.revision() > revision
    assert [row.edit_id for row in beside.edits().rows] == [outcome.edit_id]
    assert said(beside, PROMPT) == outcome.target
    assert beside.status().active_edits == 1
    assert beside.status().queries == bench.status().queries
    assert beside.undo(id_of(outcome)).state == "undone"
    assert said(bench, PROMPT) == before
    with pytest.raises(InputError, match="undone already"):
        bench.undo(id_of(outcome))
    assert_same(bench.codebook, beside.codebook)


def test_an_answer_and_its_marks_are_seen_elsewhere(studio: Studio, bench: Workbench) -> None:
    beside = studio.open()
    answer = bench.generate(PROMPT).result(SOON)
    mark = beside.mark(answer.query_id, 0, 2, "wrong")
    assert beside.answer(answer.query_id) == answer
    bench.revision()
    assert bench.marks(answer.query_id) == (mark,)


def test_what_another_wrote_at_the_same_moment_is_taken_in_first(studio: Studio) -> None:
    store = Contended(studio.url)
    bench, beside = studio.open(store), studio.open()
    answer = beside.generate(PROMPT).result(SOON)
    bench.revision()
    store.others = [lambda: said(beside, OTHER), lambda: said(beside, THIRD)]
    mark = bench.mark(answer.query_id, 0, 1, "fine")
    assert bench.status().queries == 3
    beside.revision()
    assert beside.marks(answer.query_id) == (mark,)
    assert_is_the_journals(studio, bench)


def test_a_conflict_that_does_not_end_is_told_and_writes_nothing(studio: Studio) -> None:
    store = Contended(studio.url)
    bench, beside = studio.open(store), studio.open()
    answer = beside.generate(PROMPT).result(SOON)
    store.others = [lambda: said(beside, OTHER)] * 3
    with pytest.raises(JournalConflict, match="Nothing was written"):
        bench.mark(answer.query_id, 0, 1, "fine")
    assert bench.marks(answer.query_id) == ()
    assert bench.mark(answer.query_id, 0, 1, "fine").text == answer.text[:1]
    assert_is_the_journals(studio, bench)


def test_an_undo_that_another_did_at_the_same_moment_is_refused(studio: Studio) -> None:
    store = Contended(studio.url)
    bench, beside = studio.open(store), studio.open()
    outcome = edited(bench)
    store.others = [lambda: beside.undo(id_of(outcome))]
    with pytest.raises(JournalError, match=r"already undone.*[Ll]ook at the present state"):
        bench.undo(id_of(outcome))
    assert bench.edits().counts["undone"] == 1
    assert_is_the_journals(studio, bench)


def test_what_the_journal_did_not_take_did_not_happen(studio: Studio) -> None:
    store = Contended(studio.url)
    bench = studio.open(store)
    outcome = edited(bench)
    before, revision = bench.codebook, bench.revision()

    def full() -> None:
        raise JournalError("The disk is full. Make room, then try again.")

    store.others = [full]
    with pytest.raises(JournalError, match="disk is full"):
        bench.undo(id_of(outcome))
    store.others = [full]
    with pytest.raises(JournalError, match="disk is full"):
        bench.edit(OTHER, other_than(said_of(bench, OTHER))).result(SOON)
    store.others = [full]
    with pytest.raises(JournalError, match="disk is full"):
        bench.generate(OTHER).result(SOON)
    assert bench.codebook is before
    assert bench.edits().counts == {"active": 1, "undone": 0, "superseded": 0}
    assert bench.revision() == revision
    assert bench.undo(id_of(outcome)).state == "undone"


def said_of(bench: Workbench, prompt: str) -> str:
    """What the model says, without a line in this journal."""
    from grace_core.answering.generate import generate

    return generate(bench._model, bench.codebook, prompt, max_new_tokens=16).text


def test_an_edit_learned_while_another_arrived_stands_beside_it(studio: Studio, bench: Workbench) -> None:
    beside = studio.open()
    theirs: list[EditOutcome] = []
    bench._editor = Interrupted(studio.model, lambda: theirs.append(edited(beside, OTHER)))
    mine = edited(bench)
    assert [row.edit_id for row in bench.edits().rows] == [mine.edit_id, theirs[0].edit_id]
    assert [said(bench, PROMPT), said(bench, OTHER)] == [mine.target, theirs[0].target]
    assert_is_the_journals(studio, bench)


def test_an_edit_learned_under_an_encoder_that_changed_meanwhile_is_not_kept(studio: Studio, bench: Workbench) -> None:
    rows = np.random.default_rng(0).normal(size=(3, studio.model.width)).astype(np.float32)
    bench._editor = Interrupted(studio.model, lambda: studio.write(Calibrated(2, "elsewhere", ("a", "b", "c"), rows)))
    target = other_than(said(bench, PROMPT))
    with pytest.raises(StudioError, match=r"recalibrated meanwhile; nothing was kept\. Edit once more"):
        bench.edit(PROMPT, target).result(SOON)
    assert bench.edits().total == 0
    assert_is_the_journals(studio, bench)
    bench._editor = Editor(studio.model)
    assert edited(bench, PROMPT, target).text_after == target
