"""What a person can do, on a tiny model that was taught a few sentences and a journal in a file."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import NotFound
from app.journal.events import Edited, Marked, Unmarked
from app.studio.studio import OpenStudio
from app.studio.views import EditOutcome, EditProgress, PartialAnswer
from grace_core.errors import Cancelled, GraceError
from grace_core.testing.taught import ANSWERS
from tests.app.studios import (
    HOPELESS,
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Journal,
    assert_is_the_journals,
    edited,
    id_of,
    other_than,
    said,
)
from tests.grace_core.builders import assert_apart


def test_prompt_mark_edit_answer_undo_redo(journal: Journal, studio: OpenStudio) -> None:
    answer = studio.generate(PROMPT, author=" Ada ").result(SOON)
    assert (answer.edit_id, answer.nearest_edit_id, answer.distance, answer.author) == (None, None, None, "Ada")
    assert studio.answer(answer.query_id) == answer
    mark = studio.mark(answer.query_id, 0, 3, "fabricated", author="Ada")
    assert (mark.text, mark.verdict, mark.author) == (answer.text[:3], "fabricated", "Ada")
    assert studio.marks(answer.query_id) == (mark,)
    others = [(prompt, said(studio, prompt)) for prompt in (OTHER, THIRD, "Hi")]

    target = other_than(answer.text)
    outcome = studio.edit(
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
    assert_is_the_journals(journal, studio)

    again = studio.generate(PROMPT).result(SOON)
    assert (again.text, again.edit_id, again.truncated) == (target, outcome.edit_id, False)
    assert again.distance == 0.0
    assert again.epsilon == pytest.approx(outcome.epsilon)
    assert [(prompt, said(studio, prompt)) for prompt, _ in others] == others
    row = studio.edits().rows[0]
    assert (row.prompt, row.target, row.author, row.source_url) == (PROMPT, target, "Bo", "https://example.org")
    assert (row.state, row.change, row.paraphrases, row.matches) == ("active", "added", ("Who is Ada Lovelace?",), 2)

    assert studio.undo(id_of(outcome)).state == "undone"
    assert said(studio, PROMPT) == answer.text
    assert len(studio.codebook) == 0
    assert_is_the_journals(journal, studio)
    assert studio.redo(id_of(outcome)).state == "active"
    assert said(studio, PROMPT) == target
    assert_is_the_journals(journal, studio)


def test_a_mark_can_be_removed_and_only_once(studio: OpenStudio) -> None:
    answer = studio.generate(PROMPT).result(SOON)
    marks = [studio.mark(answer.query_id, i, i + 2, "wrong") for i in range(3)]
    studio.unmark(marks[1].mark_id)
    assert studio.marks(answer.query_id) == (marks[0], marks[2])
    with pytest.raises(NotFound, match=f"no mark '{marks[1].mark_id}'.*another browser"):
        studio.unmark(marks[1].mark_id)


def test_five_edits_and_the_second_undone_leaves_the_four(studio: OpenStudio, journal: Journal) -> None:
    prompts = (PROMPT, OTHER, THIRD, "What is France?", "When was Grace Hopper born?")
    before = {prompt: said(studio, prompt) for prompt in prompts}
    done = {prompt: edited(studio, prompt, other_than(before[prompt], ANSWERS[i])) for i, prompt in enumerate(prompts)}
    assert [said(studio, prompt) for prompt in prompts] == [outcome.target for outcome in done.values()]
    assert_apart(studio.codebook)
    studio.undo(id_of(done[OTHER]))
    now = {prompt: said(studio, prompt) for prompt in prompts}
    assert now == {prompt: outcome.target for prompt, outcome in done.items()} | {OTHER: before[OTHER]}
    assert_is_the_journals(journal, studio)


def test_an_edit_of_another_prompt_than_the_querys_reads_its_own_answer_before(studio: OpenStudio) -> None:
    answer = studio.generate(PROMPT).result(SOON)
    outcome = edited(studio, OTHER, other_than(said(studio, OTHER)), query_id=answer.query_id)
    assert outcome.text_before == said_without(studio, OTHER, outcome)


def said_without(studio: OpenStudio, prompt: str, outcome: EditOutcome) -> str:
    studio.undo(id_of(outcome))
    return said(studio, prompt)


def test_a_stale_query_does_not_give_the_text_before(studio: OpenStudio) -> None:
    stale = studio.generate(PROMPT).result(SOON)
    first = edited(studio)
    second = edited(studio, PROMPT, other_than(stale.text, first.target), query_id=stale.query_id)
    assert second.text_before == first.target


def test_two_edits_asked_for_at_once_both_end_well_in_their_order(journal: Journal, studio: OpenStudio) -> None:
    before = {prompt: said(studio, prompt) for prompt in (PROMPT, OTHER)}
    jobs = [studio.edit(prompt, other_than(text)) for prompt, text in before.items()]
    outcomes = [job.result(SOON) for job in jobs]
    assert [outcome.success for outcome in outcomes] == [True, True]
    assert [row.edit_id for row in studio.edits().rows] == [outcomes[1].edit_id, outcomes[0].edit_id]
    assert [said(studio, prompt) for prompt in before] == [outcome.target for outcome in outcomes]
    assert_is_the_journals(journal, studio)


def test_many_threads_at_once_lose_nothing(journal: Journal, studio: OpenStudio) -> None:
    outcome = edited(studio)
    answer = studio.generate(PROMPT).result(SOON)

    def busy(n: int) -> None:
        for i in range(4):
            studio.mark(answer.query_id, 0, 1 + (n + i) % 3, "wrong", author=f"t{n}")
            studio.generate(OTHER).result(SOON)
            studio.edits(search="ada")
            studio.map_view()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(busy, range(4)))
    assert len(studio.marks(answer.query_id)) == 16
    assert studio.status().queries == 2 + 16
    assert studio.detail(id_of(outcome)).row.matches == 2
    assert_is_the_journals(journal, studio)


def test_an_answer_arrives_piece_by_piece(studio: OpenStudio) -> None:
    job = studio.generate(PROMPT)
    pieces = list(job.events())
    answer = job.result(0)
    assert all(isinstance(piece, PartialAnswer) for piece in pieces)
    texts = [piece.text for piece in pieces]
    assert len(texts) > 1
    assert sorted(texts, key=len) == texts
    assert texts[-1] == answer.text


def test_an_edit_tells_its_stages_and_all_losses_so_far(journal: Journal, studio: OpenStudio) -> None:
    job = studio.edit(PROMPT, other_than(said(studio, PROMPT)))
    seen = list(job.events())
    outcome = job.result(0)
    assert all(isinstance(item, EditProgress) and item.limit == journal.config().max_steps for item in seen)
    stages = list(dict.fromkeys(item.stage for item in seen))
    assert stages[-2:] == ["Learning the value", "Checking the answer"]
    counts = [len(item.losses) for item in seen]
    assert counts == sorted(counts)
    assert seen[-1].losses == pytest.approx(outcome.losses)
    assert [item.step for item in seen if item.stage == "Learning the value" and item.losses] == list(range(len(outcome.losses)))


def test_an_edit_that_does_not_take_keeps_nothing_and_says_why(journal: Journal) -> None:
    studio = journal.open(max_steps=1)
    before = said(studio, PROMPT)
    snapshot, revision = studio.codebook, studio.revision()
    outcome = studio.edit(PROMPT, HOPELESS).result(SOON)
    assert (outcome.success, outcome.edit_id, outcome.change, outcome.epsilon) == (False, None, None, None)
    assert (outcome.text_before, outcome.target) == (before, HOPELESS)
    for words in ("did not take", "after 1 step", "nothing was kept", "shorter response"):
        assert words in outcome.reason
    assert studio.codebook is snapshot
    assert studio.revision() == revision
    assert studio.edits().total == 0
    assert said(studio, PROMPT) == before


def test_a_cancelled_edit_stops_soon_and_keeps_nothing(journal: Journal) -> None:
    studio = journal.open(max_steps=100_000)
    before, revision = said(studio, PROMPT), studio.revision()
    job = studio.edit(PROMPT, HOPELESS)
    events = job.events()
    next(progress for progress in events if progress.step >= 3)
    job.cancel()
    with pytest.raises(Cancelled, match="nothing was kept"):
        list(events)
    with pytest.raises(Cancelled):
        job.result(0)
    assert studio.revision() == revision
    assert studio.edits().total == 0
    assert said(studio, PROMPT) == before


def test_an_edit_cancelled_at_the_last_moment_is_not_kept(journal: Journal, studio: OpenStudio) -> None:
    target = other_than(said(studio, PROMPT))
    learned, cancelled = threading.Event(), threading.Event()

    def wait() -> None:
        learned.set()
        assert cancelled.wait(SOON)

    journal.meanwhile = wait
    job = studio.edit(PROMPT, target)
    assert learned.wait(SOON)
    job.cancel()
    cancelled.set()
    with pytest.raises(Cancelled, match="nothing was kept"):
        job.result(SOON)
    assert studio.edits().total == 0


def test_close_calls_off_what_runs_and_what_waits(journal: Journal) -> None:
    studio = journal.open(max_steps=100_000)
    running, waiting = studio.edit(PROMPT, HOPELESS), studio.generate(OTHER)
    next(progress for progress in running.events() if progress.step >= 2)
    assert (running.position, waiting.position) == (0, 1)
    studio.close()
    for job in (running, waiting):
        with pytest.raises(Cancelled):
            job.result(0)
    with pytest.raises(GraceError, match="shutting down"):
        studio.generate(PROMPT)
    assert journal.open(max_steps=100_000).status().queries == 0


def test_a_bug_in_a_job_surfaces_and_the_next_job_runs(
    journal: Journal, studio: OpenStudio, caplog: pytest.LogCaptureFixture
) -> None:
    target = other_than(said(studio, PROMPT))

    def bug() -> None:
        raise ZeroDivisionError("a bug")

    journal.meanwhile = bug
    job = studio.edit(PROMPT, target)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(job.events())
    assert "Traceback" in caplog.text
    assert studio.edits().total == 0
    assert edited(studio, PROMPT, target).success


def test_with_two_hundred_jobs_queued_all_that_needs_no_model_answers_and_each_job_can_be_stopped(
    journal: Journal, studio: OpenStudio
) -> None:
    edit_id = id_of(edited(studio))
    learned, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        learned.set()
        assert go_on.wait(SOON)

    journal.meanwhile = hold
    running = studio.edit(OTHER, other_than(said(studio, OTHER)))
    assert learned.wait(SOON)  # from here on the model's thread is held, until `go_on`
    waiting = [studio.generate(PROMPT, asker=f"browser {n % 40}") for n in range(200)]
    assert sorted(job.position for job in waiting) == list(range(1, 201))
    logged = studio.status().queries
    assert studio.undo(edit_id).state == "undone"
    assert studio.redo(edit_id).state == "active"
    assert (studio.edits().total, studio.detail(edit_id).row.state, len(studio.map_view().keys)) == (1, "active", 1)
    assert studio.revision() > 0
    for job in waiting[40:]:
        job.cancel()
        with pytest.raises(Cancelled):
            job.result(0)
    for n in range(1, 40):
        studio.leave(f"browser {n}")
    assert (waiting[0].position, running.position) == (1, 0)
    assert not go_on.is_set()
    go_on.set()
    assert running.result(SOON).success
    assert waiting[0].result(SOON).prompt == PROMPT
    assert studio.status().queries == logged + 1


def test_a_second_verdict_on_the_same_words_is_one_step(journal: Journal, studio: OpenStudio) -> None:
    query_id = studio.generate(PROMPT).result(SOON).query_id
    first = studio.mark(query_id, 0, 2, "wrong", author="Ada")
    before = len(journal.events())
    second = studio.replace_mark(first.mark_id, "fine", author="Bo")
    assert studio.marks(query_id) == (second,)
    assert (second.start, second.end, second.text, second.verdict, second.author) == (0, 2, first.text, "fine", "Bo")
    added = journal.events()[before:]
    assert [type(event.data) for event in added] == [Unmarked, Marked]
    assert added[0].at == added[1].at, "they were written together"
    with pytest.raises(NotFound):
        studio.replace_mark(first.mark_id, "wrong")
    assert studio.marks(query_id) == (second,)


def test_an_answer_from_before_an_edit_is_known_as_such(studio: OpenStudio) -> None:
    answer = studio.generate(PROMPT).result(SOON)
    assert (answer.past, answer.edit_id_now) == (False, None)
    edit_id = id_of(edited(studio, target=other_than(answer.text)))
    then = studio.answer(answer.query_id)
    assert (then.text, then.edit_id, then.edit_id_now, then.past) == (answer.text, None, edit_id, True)
    assert not studio.generate(PROMPT).result(SOON).past
    studio.undo(edit_id)
    assert studio.answer(answer.query_id) == answer


def test_how_values_were_learned_is_kept_with_the_edit(journal: Journal, studio: OpenStudio) -> None:
    edited(studio)
    (made,) = [event.data for event in journal.events() if isinstance(event.data, Edited)]
    assert made.change["arithmetic"] == "float32"


def test_phrasings_are_added_to_an_edit_by_a_new_one_and_taken_back_with_it(journal: Journal, studio: OpenStudio) -> None:
    first = edited(studio, paraphrases=["Who is Ada Lovelace?"])
    again = studio.edit(PROMPT, first.target, paraphrases=["Tell me about Ada Lovelace."]).result(SOON)
    assert again.success, again.reason
    now, before = studio.edits().rows
    assert (now.edit_id, now.state, before.edit_id, before.state) == (again.edit_id, "active", first.edit_id, "superseded")
    assert set(now.paraphrases) == {"Who is Ada Lovelace?", "Tell me about Ada Lovelace."}
    assert_is_the_journals(journal, studio)
    studio.undo(id_of(again))
    assert studio.edits(state="active").rows[0].paraphrases == ("Who is Ada Lovelace?",)
    assert_is_the_journals(journal, studio)
