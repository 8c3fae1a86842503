"""What a person can do, on a tiny model that was taught a few sentences and a journal in a file."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import NotFound
from app.studio.views import EditOutcome, EditProgress, PartialAnswer
from app.studio.workbench import Workbench
from grace_core.editing.editor import Editor
from grace_core.errors import Cancelled, GraceError, InputError
from tests.app.studios import (
    HOPELESS,
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Interrupted,
    Studio,
    assert_is_the_journals,
    edited,
    id_of,
    other_than,
    said,
)
from tests.grace_core.builders import assert_apart
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
