"""What a person can do, on a tiny model that was taught a few sentences and a journal in a file."""

from __future__ import annotations

import itertools
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import JournalConflict, JournalError, NotFound, StudioError
from app.journal.events import Calibrated, Edited
from app.journal.store import JournalStore
from app.records import EditOutcome, EditProgress, PartialAnswer, Stage
from app.whatif import what_if
from app.workbench import Workbench
from grace_core import calibration
from grace_core.config import GraceConfig
from grace_core.editor import Editor
from grace_core.errors import Cancelled, GraceError, InputError
from grace_core.geometry import pair_distances
from grace_core.models import LanguageModel
from grace_core.separation import Choice
from tests.app.studios import (
    HOPELESS,
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
from tests.grace_core.builders import BACKGROUND, NAMES, PHRASES, assert_apart, assert_same, calibrated
from tests.grace_core.taught import ANSWERS

# The whole job


def test_prompt_mark_edit_answer_undo_redo(studio: Studio, bench: Workbench) -> None:
    answer = bench.generate(PROMPT, author=" Ada ").result(SOON)
    assert (answer.edit_id, answer.nearest_edit_id, answer.distance, answer.author) == (None, None, None, "Ada")
    assert bench.answer(answer.query_id) == answer
    mark = bench.mark(answer.query_id, 0, 3, "fabricated", author="Ada")
    assert (mark.text, mark.verdict, mark.author) == (answer.text[:3], "fabricated", "Ada")
    assert bench.marks(answer.query_id) == (mark,)
    others = [(prompt, said(bench, prompt)) for prompt in (OTHER, THIRD, "Hi")]

    target = other_than(answer.text)
    outcome = bench.edit(
        f" {PROMPT}\n", f" {target} ", paraphrases=["Who is Ada Lovelace?"], source_url=" https://example.org ",
        query_id=answer.query_id, author="Bo",
    ).result(SOON)  # fmt: skip
    assert outcome.success, outcome.reason
    assert (outcome.prompt, outcome.target, outcome.text_before, outcome.text_after) == (PROMPT, target, answer.text, target)
    assert outcome.change is not None
    assert (outcome.change.kind, outcome.change.nearest, outcome.change.epsilon) == ("added", None, outcome.epsilon)
    assert outcome.reason == ""
    assert outcome.seconds > 0
    assert outcome.losses[-1] < outcome.losses[0]
    assert_is_the_journals(studio, bench)

    again = bench.generate(PROMPT).result(SOON)
    assert (again.text, again.edit_id, again.truncated) == (target, outcome.edit_id, False)
    assert again.distance == 0.0
    assert again.epsilon == pytest.approx(outcome.epsilon)
    assert [(prompt, said(bench, prompt)) for prompt, _ in others] == others
    row = bench.edits().rows[0]
    assert (row.prompt, row.target, row.author, row.source_url) == (PROMPT, target, "Bo", "https://example.org")
    assert (row.state, row.change, row.paraphrases, row.matches) == ("active", "added", ("Who is Ada Lovelace?",), 1)

    assert bench.undo(id_of(outcome)).state == "undone"
    assert said(bench, PROMPT) == answer.text
    assert len(bench.codebook) == 0
    assert_is_the_journals(studio, bench)
    assert bench.redo(id_of(outcome)).state == "active"
    assert said(bench, PROMPT) == target
    assert_is_the_journals(studio, bench)


def test_a_mark_can_be_removed_and_only_once(bench: Workbench) -> None:
    answer = bench.generate(PROMPT).result(SOON)
    marks = [bench.mark(answer.query_id, i, i + 2, "wrong") for i in range(3)]
    bench.unmark(marks[1].mark_id)
    assert bench.marks(answer.query_id) == (marks[0], marks[2])
    with pytest.raises(NotFound, match=f"no mark '{marks[1].mark_id}'.*another browser"):
        bench.unmark(marks[1].mark_id)


def test_five_edits_and_the_second_undone_leaves_the_four(bench: Workbench, studio: Studio) -> None:
    prompts = (PROMPT, OTHER, THIRD, "What is France?", "When was Grace Hopper born?")
    before = {prompt: said(bench, prompt) for prompt in prompts}
    done = {prompt: edited(bench, prompt, other_than(before[prompt], ANSWERS[i])) for i, prompt in enumerate(prompts)}
    assert [said(bench, prompt) for prompt in prompts] == [outcome.target for outcome in done.values()]
    assert_apart(bench.codebook)
    bench.undo(id_of(done[OTHER]))
    now = {prompt: said(bench, prompt) for prompt in prompts}
    assert now == {prompt: outcome.target for prompt, outcome in done.items()} | {OTHER: before[OTHER]}
    assert_is_the_journals(studio, bench)


def test_an_edit_of_another_prompt_than_the_querys_reads_its_own_answer_before(bench: Workbench) -> None:
    answer = bench.generate(PROMPT).result(SOON)
    outcome = edited(bench, OTHER, other_than(said(bench, OTHER)), query_id=answer.query_id)
    assert outcome.text_before == said_without(bench, OTHER, outcome)


def said_without(bench: Workbench, prompt: str, outcome: EditOutcome) -> str:
    bench.undo(id_of(outcome))
    return said(bench, prompt)


def test_a_stale_query_does_not_give_the_text_before(bench: Workbench) -> None:
    stale = bench.generate(PROMPT).result(SOON)
    first = edited(bench)
    second = edited(bench, PROMPT, other_than(stale.text, first.target), query_id=stale.query_id)
    assert second.text_before == first.target


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
                        event_of(taught, bench.codebook, prompts[n % 6], target, f"e{next(ids)}", n % 2, bench.reading), **wide
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
                        studio.write(Calibrated(version, "test", ("a", "b", "c"), rows, bench.reading), **wide)
                elif what == "reread" and choices[n % 4] != choice_in_force(bench):
                    bench.use_reading(choices[n % 4], 0.4).result(SOON)
                elif what == "return" and (others := [row.reading_id for row in bench.readings() if not row.in_force]):
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
    from grace_core.generation import generate

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


# Jobs


def test_two_edits_asked_for_at_once_both_end_well_in_their_order(studio: Studio, bench: Workbench) -> None:
    before = {prompt: said(bench, prompt) for prompt in (PROMPT, OTHER)}
    jobs = [bench.edit(prompt, other_than(text)) for prompt, text in before.items()]
    outcomes = [job.result(SOON) for job in jobs]
    assert [outcome.success for outcome in outcomes] == [True, True]
    assert [row.edit_id for row in bench.edits().rows] == [outcomes[1].edit_id, outcomes[0].edit_id]
    assert [said(bench, prompt) for prompt in before] == [outcome.target for outcome in outcomes]
    assert_is_the_journals(studio, bench)


def test_many_threads_at_once_lose_nothing(studio: Studio, bench: Workbench) -> None:
    outcome = edited(bench)
    answer = bench.generate(PROMPT).result(SOON)

    def busy(n: int) -> None:
        for i in range(4):
            bench.mark(answer.query_id, 0, 1 + (n + i) % 3, "wrong", author=f"t{n}")
            bench.generate(OTHER).result(SOON)
            bench.edits(search="ada")
            bench.map_view()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(busy, range(4)))
    assert len(bench.marks(answer.query_id)) == 16
    assert bench.status().queries == 2 + 16
    assert bench.detail(id_of(outcome)).row.matches == 1
    assert_is_the_journals(studio, bench)


def test_an_answer_arrives_piece_by_piece(bench: Workbench) -> None:
    job = bench.generate(PROMPT)
    pieces = list(job.events())
    answer = job.result(0)
    assert all(isinstance(piece, PartialAnswer) for piece in pieces)
    texts = [piece.text for piece in pieces]
    assert len(texts) > 1
    assert sorted(texts, key=len) == texts
    assert texts[-1] == answer.text


def test_an_edit_tells_its_stages_and_all_losses_so_far(studio: Studio, bench: Workbench) -> None:
    job = bench.edit(PROMPT, other_than(said(bench, PROMPT)))
    seen = list(job.events())
    outcome = job.result(0)
    assert all(isinstance(item, EditProgress) and item.limit == studio.config().max_steps for item in seen)
    stages = list(dict.fromkeys(item.stage for item in seen))
    assert stages[-2:] == ["Learning the value", "Checking the answer"]
    counts = [len(item.losses) for item in seen]
    assert counts == sorted(counts)
    assert seen[-1].losses == pytest.approx(outcome.losses)
    assert [item.step for item in seen if item.stage == "Learning the value" and item.losses] == list(range(len(outcome.losses)))


def test_an_edit_that_does_not_take_keeps_nothing_and_says_why(studio: Studio) -> None:
    bench = studio.open(max_steps=1)
    before = said(bench, PROMPT)
    snapshot, revision = bench.codebook, bench.revision()
    outcome = bench.edit(PROMPT, HOPELESS).result(SOON)
    assert (outcome.success, outcome.edit_id, outcome.change, outcome.epsilon) == (False, None, None, None)
    assert (outcome.text_before, outcome.target) == (before, HOPELESS)
    for words in ("did not take", "after 1 step", "nothing was kept", "shorter response"):
        assert words in outcome.reason
    assert bench.codebook is snapshot
    assert bench.revision() == revision
    assert bench.edits().total == 0
    assert said(bench, PROMPT) == before


def test_a_cancelled_edit_stops_soon_and_keeps_nothing(studio: Studio) -> None:
    bench = studio.open(max_steps=100_000)
    before, revision = said(bench, PROMPT), bench.revision()
    job = bench.edit(PROMPT, HOPELESS)
    events = job.events()
    next(progress for progress in events if progress.step >= 3)
    job.cancel()
    with pytest.raises(Cancelled, match="nothing was kept"):
        list(events)
    with pytest.raises(Cancelled):
        job.result(0)
    assert bench.revision() == revision
    assert bench.edits().total == 0
    assert said(bench, PROMPT) == before


def test_an_edit_cancelled_at_the_last_moment_is_not_kept(studio: Studio, bench: Workbench) -> None:
    target = other_than(said(bench, PROMPT))
    learned, cancelled = threading.Event(), threading.Event()

    def wait() -> None:
        learned.set()
        assert cancelled.wait(SOON)

    bench._editor = Interrupted(studio.model, wait)
    job = bench.edit(PROMPT, target)
    assert learned.wait(SOON)
    job.cancel()
    cancelled.set()
    with pytest.raises(Cancelled, match="nothing was kept"):
        job.result(SOON)
    assert bench.edits().total == 0


def test_close_calls_off_what_runs_and_what_waits(studio: Studio) -> None:
    bench = studio.open(max_steps=100_000)
    running, waiting = bench.edit(PROMPT, HOPELESS), bench.generate(OTHER)
    next(progress for progress in running.events() if progress.step >= 2)
    assert (running.position, waiting.position) == (0, 1)
    bench.close()
    for job in (running, waiting):
        with pytest.raises(Cancelled):
            job.result(0)
    with pytest.raises(GraceError, match="shutting down"):
        bench.generate(PROMPT)
    assert studio.open(max_steps=100_000).status().queries == 0


def test_a_bug_in_a_job_surfaces_and_the_next_job_runs(
    studio: Studio, bench: Workbench, caplog: pytest.LogCaptureFixture
) -> None:
    target = other_than(said(bench, PROMPT))

    def bug() -> None:
        raise ZeroDivisionError("a bug")

    bench._editor = Interrupted(studio.model, bug)
    job = bench.edit(PROMPT, target)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(job.events())
    assert "Traceback" in caplog.text
    bench._editor = Editor(studio.model)
    assert bench.edits().total == 0
    assert edited(bench, PROMPT, target).success


# Bad input


@pytest.mark.parametrize(
    ("prompt", "target", "message"),
    [
        (" \n", "Paris.", "prompt is empty; type"),
        (PROMPT, "  ", "correct response is empty; type what the model should say"),
        ("word and " * 300, "Paris.", r"prompt is \d+ tokens long; .* reads 256.*Shorten it"),
        (PROMPT, "word and " * 300, r"correct response is \d+ tokens long; behind this prompt there is room for \d+"),
        ("half \ud83d", "Paris.", "prompt has half a character at position 5"),
    ],
)
def test_input_that_cannot_be_edited_is_refused_at_once(bench: Workbench, prompt: str, target: str, message: str) -> None:
    revision = bench.revision()
    with pytest.raises(InputError, match=message):
        bench.edit(prompt, target)
    if target == "Paris.":
        with pytest.raises(InputError, match=message):
            bench.generate(prompt)
    assert bench.revision() == revision


def test_a_target_that_the_model_already_says_is_refused(bench: Workbench) -> None:
    now = bench.generate(PROMPT).result(SOON)
    for query_id in (None, now.query_id):
        with pytest.raises(InputError, match=f"already answers “{PROMPT[:-1]}.”.*nothing to edit"):
            bench.edit(PROMPT, f" {now.text}\n", query_id=query_id).result(SOON)
    assert bench.edits().total == 0


def test_one_text_is_no_list_of_paraphrases(bench: Workbench) -> None:
    with pytest.raises(InputError, match="paraphrases are one text; give a list"):
        bench.edit(PROMPT, "Paris.", paraphrases="Who is Ada?")


def test_a_phrasing_beyond_the_context_is_refused(bench: Workbench) -> None:
    with pytest.raises(InputError, match="tokens long"):
        bench.edit(PROMPT, other_than(said(bench, PROMPT)), paraphrases=["word and " * 300]).result(SOON)
    assert bench.edits().total == 0


@pytest.mark.parametrize("span", [(0, 0), (3, 2), (-1, 2), (0, 1000)])
def test_a_span_outside_the_answer_is_refused(bench: Workbench, span: tuple[int, int]) -> None:
    answer = bench.generate(PROMPT).result(SOON)
    start, end = span
    with pytest.raises(InputError, match=f"span {start}–{end} .*has {len(answer.text)} characters; select"):
        bench.mark(answer.query_id, start, end, "wrong")
    assert bench.marks(answer.query_id) == ()


def test_an_unknown_verdict_is_refused_with_the_known_ones(bench: Workbench) -> None:
    answer = bench.generate(PROMPT).result(SOON)
    with pytest.raises(InputError, match=r"verdict is 'meh'; use one of fabricated, wrong, incoherent, outdated, fine"):
        bench.mark(answer.query_id, 0, 1, "meh")  # type: ignore[arg-type]


def test_what_is_undone_cannot_be_undone_and_what_is_not_cannot_be_redone(bench: Workbench) -> None:
    edit_id = id_of(edited(bench))
    with pytest.raises(InputError, match="not undone; there is nothing to restore"):
        bench.redo(edit_id)
    bench.undo(edit_id)
    revision = bench.revision()
    with pytest.raises(InputError, match="undone already; Redo brings it back"):
        bench.undo(edit_id)
    assert bench.revision() == revision


def test_unknown_ids_are_named(bench: Workbench) -> None:
    for call in (bench.undo, bench.redo, bench.detail):
        with pytest.raises(NotFound, match=r"no edit 'nope'.*Edits page"):
            call("nope")
    for ask in (bench.answer, lambda query_id: bench.mark(query_id, 0, 1, "fine")):
        with pytest.raises(NotFound, match=r"no logged answer 'nope'; prompt the model again"):
            ask("nope")
    with pytest.raises(NotFound, match="no logged answer 'nope'"):
        bench.edit(PROMPT, "Paris.", query_id="nope")
    with pytest.raises(NotFound, match="no mark 'nope'"):
        bench.unmark("nope")
    assert bench.marks("nope") == ()


# Looking


def test_edits_are_listed_newest_first_searched_filtered_and_paged(studio: Studio, bench: Workbench) -> None:
    codebook = calibrated(studio.model)
    for i, prompt in enumerate((PROMPT, OTHER, THIRD, "What is France?", "Hi")):
        studio.write(event_of(studio.model, codebook, prompt, ANSWERS[i], f"e{i}", i))
    bench.undo("e1")

    def ids(**query: Any) -> list[str]:
        return [row.edit_id for row in bench.edits(**query).rows]

    assert ids() == ["e4", "e3", "e2", "e1", "e0"]
    assert ids(search="  LOVELACE ada ") == ["e0"]
    assert ids(search="mathematician") == ["e2"]
    assert ids(search="is") == ["e3", "e1", "e0"]
    assert ids(search="e4") == ["e4"]
    assert ids(search="ada moon") == []
    assert ids(state="undone") == ["e1"]
    assert ids(state="active", search="is") == ["e3", "e0"]
    assert ids(offset=1, limit=2) == ["e3", "e2"]
    assert ids(offset=4, limit=2) == ["e0"]
    assert ids(offset=9) == []
    assert ids(offset=-3, limit=1) == ["e4"]
    page = bench.edits(search="is", state="active", limit=1)
    assert page.total == 2
    assert page.counts == {"active": 4, "undone": 1, "superseded": 0}
    assert [row.epsilon is None for row in bench.edits().rows] == [False, False, False, True, False]


def test_authors_and_sources_are_searched_too(bench: Workbench) -> None:
    edited(bench, author="Bo Ek", source_url="https://example.org/ada")
    assert bench.edits(search="bo ek").total == bench.edits(search="example.org").total == 1


def test_editing_again_supersedes_and_undoing_that_brings_the_first_back(bench: Workbench, studio: Studio) -> None:
    first = edited(bench)
    second = edited(bench, PROMPT, other_than(first.target, first.text_before))
    assert second.text_before == first.target
    assert second.change is not None
    assert (second.change.kind, second.change.superseded_edit_id) == ("superseded", first.edit_id)
    rows = bench.edits().rows
    assert [(row.edit_id, row.state) for row in rows] == [(second.edit_id, "active"), (first.edit_id, "superseded")]
    assert rows[1].epsilon is None
    assert bench.edits(state="superseded").total == 1
    assert bench.status().active_edits == 1
    detail = bench.detail(id_of(first))
    assert detail.matched == ()
    assert [(n.edit_id, n.distance) for n in detail.neighbors] == [(second.edit_id, 0.0)]
    bench.undo(id_of(second))
    assert bench.edits(state="active").rows[0].edit_id == first.edit_id
    assert said(bench, PROMPT) == first.target
    assert_is_the_journals(studio, bench)


def test_details_agree_with_the_codebook(studio: Studio) -> None:
    bench = studio.open(epsilon=0.6)
    done = edited(bench, PROMPT)
    near = edited(bench, OTHER, other_than(done.target, said(bench, OTHER)))
    asked = [bench.generate(text).result(SOON) for text in (PROMPT, "Who is Ada Lovelace?", "Who was Ada Lovelace", THIRD)]
    detail = bench.detail(id_of(done))
    assert (detail.text_before, detail.text_after) == (done.text_before, done.target)
    assert done.change is not None
    assert detail.change == done.change.sentence()
    assert detail.row == next(row for row in bench.edits().rows if row.edit_id == done.edit_id)

    codebook = bench.codebook
    mine, other = codebook.entry_of(id_of(done)), codebook.entry_of(id_of(near))
    assert mine is not None
    assert other is not None
    apart = float(pair_distances(mine.key, other.key[None], codebook.config.distance)[0])
    (neighbor,) = detail.neighbors
    assert (neighbor.edit_id, neighbor.prompt, neighbor.target) == (near.edit_id, OTHER, near.target)
    assert (neighbor.distance, neighbor.epsilon) == (apart, other.epsilon)
    assert neighbor.gap == apart - mine.epsilon - other.epsilon
    assert neighbor.gap >= 0

    matched = [answer for answer in asked if answer.edit_id == done.edit_id]
    assert len(matched) >= 2
    assert detail.row.matches == len(matched)
    # Those that `edited` asked before it edited are there too: the edit answers them now.
    assert sorted(item.distance for item in detail.matched) == [item.distance for item in detail.matched]
    own = {answer.query_id for answer in asked}
    listed = [(item.query_id, item.distance, item.text, item.at) for item in detail.matched if item.query_id in own]
    assert listed == [(a.query_id, a.distance, a.text, a.at) for a in sorted(matched, key=lambda a: a.distance or 0.0)]


def test_the_map_agrees_with_the_codebook(studio: Studio) -> None:
    bench = studio.open(epsilon=0.6)
    for prompt in (PROMPT, OTHER):
        edited(bench, prompt)
    answers = [bench.generate(text).result(SOON) for text in (PROMPT, "Who is Ada Lovelace?", THIRD)]
    view, codebook = bench.map_view(), bench.codebook
    assert [(k.edit_id, k.edit_ids, k.epsilon) for k in view.keys] == [
        (e.edit_id, e.edit_ids, e.epsilon) for e in codebook.entries
    ]
    assert [(k.prompt, k.target) for k in view.keys] == [(e.prompt, e.target) for e in codebook.entries]
    assert view.key_vectors.tobytes() == codebook.keys.tobytes()
    assert view.key_vectors.shape == (2, codebook.encoder.dimensions)
    assert view.query_vectors.shape == (len(view.queries), codebook.encoder.dimensions)
    assert view.query_vectors.dtype == view.key_vectors.dtype == np.float32
    found = codebook.match(view.query_vectors)
    assert [(q.edit_id, q.distance) for q in view.queries] == [(m.edit_id, m.distance) for m in found]
    shown = {q.query_id: q for q in view.queries}
    for answer in answers:
        query = shown[answer.query_id]
        assert (query.prompt, query.text, query.edit_id, query.distance) == (
            answer.prompt, answer.text, answer.edit_id, answer.distance,
        )  # fmt: skip
    # Under the present codebook: what was asked before its edit was made is answered by it now.
    assert view.queries[0].edit_id == view.keys[0].edit_id


def test_the_map_is_empty_at_first_and_its_version_changes_with_it(bench: Workbench) -> None:
    empty = bench.map_view()
    width = bench.codebook.encoder.dimensions
    assert (empty.keys, empty.queries) == ((), ())
    assert empty.key_vectors.shape == empty.query_vectors.shape == (0, width)
    assert bench.map_view().version == empty.version
    outcome = edited(bench)
    versions = {empty.version, bench.map_view().version}
    bench.undo(id_of(outcome))
    versions.add(bench.map_view().version)
    assert len(versions) == 3
    assert [query.edit_id for query in bench.map_view().queries] == [None]


def test_the_map_keeps_the_latest_queries(bench: Workbench) -> None:
    ids = [bench.generate(prompt).result(SOON).query_id for prompt in (PROMPT, OTHER, THIRD)]
    for most, shown in ((2, ids[1:]), (3, ids), (99, ids), (0, [])):
        view = bench.map_view(max_queries=most)
        assert [query.query_id for query in view.queries] == shown
        assert len(view.query_vectors) == len(shown)


def test_matches_count_what_an_edit_answered_when_it_was_asked(bench: Workbench) -> None:
    outcome = edited(bench)
    edit_id = id_of(outcome)
    assert bench.detail(edit_id).row.matches == 0
    assert len(bench.detail(edit_id).matched) == 1  # asked before the edit; answered by it now
    for _ in range(2):
        said(bench, PROMPT)
    assert bench.detail(edit_id).row.matches == 2
    bench.undo(edit_id)
    said(bench, PROMPT)
    detail = bench.detail(edit_id)
    assert (detail.row.matches, detail.row.state, detail.row.epsilon, detail.matched) == (2, "undone", None, ())


def test_the_status_line_says_what_is_open(studio: Studio, tmp_path: Path) -> None:
    bench = studio.open()
    edited(bench)
    status, config = bench.status(), studio.config()
    assert (status.model_name, status.fingerprint) == (studio.model.name, studio.model.fingerprint)
    assert (status.preset, status.epsilon) == ("robust", 0.1)
    assert (status.key_layer, status.value_layer) == (config.key_layer, config.value_layer)
    assert (status.active_edits, status.queries) == (1, 1)
    assert str(tmp_path) in status.data_dir
    unresolved = replace(config, key_layer=None, value_layer=None)
    with JournalStore(studio.url) as store:
        same = Workbench.open(studio.model, unresolved, store, data_dir=tmp_path)
        same.close()
        assert same.edits().total == 1
        assert same.status().data_dir == str(tmp_path)


# Another ε


def test_a_change_of_epsilon_is_one_event_that_can_be_undone_and_survives_a_restart(studio: Studio, bench: Workbench) -> None:
    first, second = edited(bench), edited(bench, OTHER)
    before = bench.codebook
    made = len(studio.events())
    row = bench.set_epsilon(0.02, id_of(first), author="Ada")
    assert (row.epsilon, row.edit_id, row.prompt, row.edits, row.author, row.undone) == (
        0.02, id_of(first), PROMPT, 1, "Ada", False,
    )  # fmt: skip
    assert len(studio.events()) == made + 1
    assert bench.codebook.edits[0].epsilon == 0.02
    everything = bench.set_epsilon(0.03)
    assert (everything.edit_id, everything.edits) == (None, 2)
    assert {edit.epsilon for edit in bench.codebook.edits} == {0.03}
    assert_is_the_journals(studio, bench)
    # An edit that comes back has the ε that was set meanwhile; undoing the changes gives each its own again.
    bench.undo(id_of(second))
    bench.undo_epsilon(row.change_id)
    bench.redo(id_of(second))
    assert {edit.epsilon for edit in bench.codebook.edits} == {0.03}
    bench.undo_epsilon(everything.change_id)
    assert_same(bench.codebook, before)
    assert_same(studio.open().codebook, before)
    assert [one.undone for one in bench.epsilon_changes()] == [True, True]
    bench.redo_epsilon(everything.change_id)
    assert [(one.change_id, one.undone) for one in bench.epsilon_changes()] == [
        (everything.change_id, False),
        (row.change_id, True),
    ]
    assert_is_the_journals(studio, bench)


def test_another_browser_sees_a_change_of_epsilon(studio: Studio, bench: Workbench) -> None:
    edited(bench)
    other = studio.open()
    seen = other.revision()
    bench.set_epsilon(0.02)
    assert other.revision() > seen
    assert_same(other.codebook, bench.codebook)
    assert len(other.epsilon_changes()) == 1


def test_a_change_of_epsilon_that_cannot_be_is_refused(bench: Workbench) -> None:
    with pytest.raises(InputError, match="No edit is in force"):
        bench.set_epsilon(0.2)
    outcome = edited(bench)
    for radius in (0.0, -1.0, float("nan"), 2.0):
        with pytest.raises(InputError, match="ε is"):
            bench.set_epsilon(radius)
    with pytest.raises(NotFound, match="no edit 'nope'"):
        bench.set_epsilon(0.2, "nope")
    bench.undo(id_of(outcome))
    with pytest.raises(InputError, match="no key in force"):
        bench.set_epsilon(0.2, id_of(outcome))
    with pytest.raises(NotFound, match="no change of ε 'nope'"):
        bench.undo_epsilon("nope")
    assert bench.epsilon_changes() == ()


def test_what_is_undone_of_epsilon_cannot_be_undone_again(bench: Workbench) -> None:
    edited(bench)
    row = bench.set_epsilon(0.02)
    with pytest.raises(InputError, match="not undone"):
        bench.redo_epsilon(row.change_id)
    bench.undo_epsilon(row.change_id)
    with pytest.raises(InputError, match="undone already"):
        bench.undo_epsilon(row.change_id)


@pytest.mark.parametrize(("rule", "radius"), [("separated", 0.6), ("separated", 0.004), ("published", 0.6)])
def test_what_the_lab_predicts_is_what_the_model_then_does(studio: Studio, rule: str, radius: float) -> None:
    bench = studio.open(rule=rule)
    for prompt, target in ((PROMPT, ANSWERS[0]), (OTHER, ANSWERS[1]), (THIRD, ANSWERS[2])):
        if said(bench, prompt) != target:
            edited(bench, prompt, target)
    prompts = [phrase.format(name) for phrase in PHRASES for name in NAMES]
    for prompt in prompts:
        said(bench, prompt)
    for chosen in (bench.codebook.entries[0].edit_id, None):
        logged = {prompt: bench.generate(prompt).result(SOON) for prompt in prompts}
        predicted = what_if(bench.lab_view(), radius, chosen)
        told = {change.query.prompt: change.after for change in predicted.changed}
        bench.set_epsilon(radius, chosen)
        assert_same(predicted.after, bench.codebook)
        for prompt, old in logged.items():
            new = bench.generate(prompt).result(SOON)
            assert new.edit_id == told.get(prompt, old.edit_id)
            assert prompt in told or new.text == old.text


def test_probes_are_read_once_and_the_background_is_the_journals(bench: Workbench) -> None:
    outcome = edited(bench, paraphrases=["Tell me about Ada Lovelace."])
    answer = bench.generate("Who's the Rhine?").result(SOON)
    bench.mark(answer.query_id, 0, 1, "fine")
    job = bench.probes()
    reports = list(job.events())
    probes = job.result(SOON)
    assert reports
    assert all(isinstance(report, Stage) for report in reports)
    assert probes.phrasings == (("Tell me about Ada Lovelace.", id_of(outcome)),)
    assert "Who's the Rhine?" in probes.unrelated
    assert PROMPT not in probes.unrelated
    assert probes.background == len(BACKGROUND)
    assert len(probes.unrelated_activations) == len(probes.unrelated)
    again = bench.probes()
    assert list(again.events()) == []
    assert again.result(SOON).unrelated_activations.tobytes() == probes.unrelated_activations.tobytes()


def test_reading_probes_can_be_called_off(bench: Workbench) -> None:
    edited(bench, paraphrases=["Tell me about Ada Lovelace."])
    job = bench.probes()
    job.cancel()
    with pytest.raises(Cancelled):
        job.result(SOON)


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
