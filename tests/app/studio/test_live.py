"""A journal in use: after a restart, at the first start, with others at work, the state is a fresh fold of the events."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.journal.events import Calibrated, Edited
from app.journal.store import JournalStore
from app.studio.studio import OpenStudio
from grace_core.config import GraceConfig
from grace_core.measuring.distances import Choice
from grace_core.models.language_model import LanguageModel
from grace_core.testing.taught import ANSWERS
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Journal,
    assert_is_the_journals,
    assert_same_encoder,
    edited,
    event_of,
    id_of,
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
