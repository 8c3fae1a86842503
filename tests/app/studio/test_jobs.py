"""One thread, askers in turn; progress, errors and calling off reach whoever asked, without holding a thread."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from app.studio.jobs import Job, Worker
from app.studio.progress import Waiting
from grace_core.errors import Cancelled, GraceError, InputError

SOON = 20.0
"""Seconds after which a test that would hang fails instead."""


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test")
    yield worker
    worker.close()


class Gate:
    """Work that waits until it is let through, or called off."""

    def __init__(self) -> None:
        self.began, self.open = threading.Event(), threading.Event()

    def __call__(self, job: Job[str]) -> str:
        self.began.set()
        while not self.open.wait(0.005):
            if job.cancelled:
                raise Cancelled("Stopped at the gate.")
        return "through"


def test_the_result_comes_back(worker: Worker) -> None:
    assert worker.submit(lambda job: 7).result(SOON) == 7


def test_progress_arrives_in_order_and_ends_with_the_work(worker: Worker) -> None:
    def work(job: Job[str]) -> str:
        for i in range(3):
            job.report(i)
        return "done"

    job = worker.submit(work)
    assert list(job.events()) == [0, 1, 2]
    assert job.result(0) == "done"


def test_progress_arrives_while_the_work_goes_on(worker: Worker) -> None:
    gate = Gate()

    def work(job: Job[str]) -> str:
        job.report("begun")
        return gate(job)

    job = worker.submit(work)
    events = job.events()
    assert next(events) == "begun"
    with pytest.raises(TimeoutError):
        job.result(0.01)
    gate.open.set()
    assert list(events) == []
    assert job.result(0) == "through"


def test_jobs_take_turns_in_the_order_in_which_they_came(worker: Worker) -> None:
    gate, order, threads = Gate(), list[int](), set[str]()

    def numbered(n: int) -> Job[None]:
        def work(_job: Job[None]) -> None:
            order.append(n)
            threads.add(threading.current_thread().name)

        return worker.submit(work)

    first = worker.submit(gate)
    rest = [numbered(n) for n in range(5)]
    assert gate.began.wait(SOON)
    assert [first.position, *(job.position for job in rest)] == [0, 1, 2, 3, 4, 5]
    gate.open.set()
    for job in rest:
        job.result(SOON)
    assert order == [0, 1, 2, 3, 4]
    assert threads == {"test"}
    assert rest[-1].position == 0


def test_an_error_for_a_person_reaches_listener_and_waiter_and_is_not_logged_as_a_bug(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    def work(job: Job[str]) -> str:
        job.report("trying")
        raise InputError("The prompt is empty; type a question.")

    job = worker.submit(work)
    seen: list[object] = []
    with pytest.raises(InputError, match="type a question"):
        seen.extend(job.events())
    with pytest.raises(InputError, match="type a question"):
        job.result(SOON)
    assert not caplog.records
    assert worker.submit(lambda job: "next").result(SOON) == "next"


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), MemoryError("a bug"), SystemExit("a bug")])
def test_an_unexpected_exception_surfaces_is_logged_with_its_traceback_and_the_worker_goes_on(
    worker: Worker, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def work(_job: Job[str]) -> str:
        raise error

    with caplog.at_level(logging.ERROR, "app.studio.jobs"):
        job = worker.submit(work)
        with pytest.raises(type(error), match="a bug"):
            list(job.events())
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert worker.submit(lambda job: "next").result(SOON) == "next"


def test_cancelling_what_runs_stops_it_at_its_next_look(worker: Worker) -> None:
    gate = Gate()
    job = worker.submit(gate)
    assert gate.began.wait(SOON)
    assert not job.cancelled
    job.cancel()
    with pytest.raises(Cancelled, match="at the gate"):
        job.result(SOON)


def test_cancelling_what_waits_never_begins_it_and_leaves_the_others_alone(worker: Worker) -> None:
    gate, began = Gate(), list[str]()
    running = worker.submit(gate)
    waiting = worker.submit(lambda job: began.append("waiting"))
    after = worker.submit(lambda job: began.append("after"))
    waiting.cancel()
    gate.open.set()
    with pytest.raises(Cancelled, match="nothing was changed"):
        waiting.result(SOON)
    assert running.result(SOON) == "through"
    after.result(SOON)
    assert began == ["after"]


def test_cancelling_what_is_done_changes_nothing(worker: Worker) -> None:
    job = worker.submit(lambda job: 1)
    assert job.result(SOON) == 1
    job.cancel()
    assert job.result(0) == 1


def test_close_calls_off_what_runs_and_what_waits_and_takes_no_more() -> None:
    worker, gate = Worker(), Gate()
    jobs = [worker.submit(gate), worker.submit(lambda job: "never")]
    assert gate.began.wait(SOON)
    worker.close()
    for job in jobs:
        with pytest.raises(Cancelled):
            job.result(0)
    with pytest.raises(GraceError, match=r"shutting down.*start it again"):
        worker.submit(lambda job: None)
    worker.close()  # a second time is no error


# ── from asyncio ────────────────────────────────────────────────────────────────────────────────────────────────────


async def heard(job: Job[Any]) -> list[object]:
    return [event async for event in job]


def at_the_gate(worker: Worker) -> tuple[Gate, Job[str]]:
    """The model's thread is taken until the gate opens."""
    gate = Gate()
    running = worker.submit(gate)
    assert gate.began.wait(SOON)
    return gate, running


def test_a_coroutine_waits_for_the_result_and_gets_the_error(worker: Worker) -> None:
    def fails(_job: Job[None]) -> None:
        raise InputError("The prompt is empty; type a question.")

    assert asyncio.run(worker.submit(lambda job: 7).wait()) == 7
    with pytest.raises(InputError, match="type a question"):
        asyncio.run(worker.submit(fails).wait())
    with pytest.raises(InputError, match="type a question"):
        asyncio.run(heard(worker.submit(fails)))


def test_the_end_of_a_job_that_nobody_waits_for_any_more_is_no_fault_of_the_program(worker: Worker) -> None:
    first, _ = at_the_gate(worker)
    said: list[object] = []

    async def hang_up() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context["message"]))
        waiting = asyncio.create_task(worker.submit(lambda job: 7).wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        del waiting
        for _ in range(5):
            await asyncio.sleep(0)
            gc.collect()

    asyncio.run(hang_up())
    first.open.set()
    assert said == []


def test_the_place_in_the_queue_is_told_each_time_that_it_changes_then_the_progress(worker: Worker) -> None:
    first, _ = at_the_gate(worker)
    second = Gate()
    worker.submit(second)

    def work(job: Job[str]) -> str:
        job.report("begun")
        return "done"

    async def follow() -> list[object]:
        job, seen = worker.submit(work), list[object]()
        async for event in job:
            seen.append(event)
            if event == Waiting(2):
                first.open.set()
            if event == Waiting(1):
                second.open.set()
        return seen

    assert asyncio.run(follow()) == [Waiting(2), Waiting(1), "begun"]


def test_every_listener_hears_all_of_it_also_one_that_comes_late_or_listens_in_a_thread(worker: Worker) -> None:
    def work(job: Job[None]) -> None:
        for i in range(50):
            job.report(i)

    async def listen() -> list[list[object]]:
        job = worker.submit(work)
        return [*await asyncio.gather(heard(job), heard(job)), await heard(job), list(job.events())]

    assert asyncio.run(listen()) == [list(range(50))] * 4


def test_two_hundred_that_wait_hold_no_thread(worker: Worker) -> None:
    gate, running = at_the_gate(worker)

    async def wait() -> None:
        jobs = [worker.submit(lambda job: "done", f"browser {n % 7}") for n in range(200)]
        following = [asyncio.ensure_future(heard(job)) for job in jobs]
        waiting = [asyncio.ensure_future(job.wait()) for job in jobs]
        await asyncio.sleep(0)
        assert threading.active_count() == before
        assert sorted(job.position for job in jobs) == list(range(1, 201))
        gate.open.set()
        assert await asyncio.gather(*waiting) == ["done"] * 200
        await asyncio.gather(*following)

    before = threading.active_count()
    asyncio.run(wait())
    assert running.result(0) == "through"


def test_what_waits_ends_at_once_when_it_is_cancelled_and_the_others_move_up(worker: Worker) -> None:
    gate, running = at_the_gate(worker)
    waiting, after = worker.submit(lambda job: "never"), worker.submit(lambda job: "after")
    waiting.cancel()
    with pytest.raises(Cancelled, match="nothing was changed"):
        waiting.result(0)  # the gate is still shut
    assert (waiting.position, after.position, running.position) == (0, 1, 0)
    gate.open.set()
    assert after.result(SOON) == "after"


@pytest.mark.parametrize("follow", [heard, Job.wait])
def test_a_job_whose_asker_left_is_dropped_before_it_starts_and_stopped_where_it_runs(worker: Worker, follow: Any) -> None:
    async def leave(job: Job[Any]) -> None:
        following = asyncio.ensure_future(follow(job))
        await asyncio.sleep(0)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following

    began = list[str]()
    _, running = at_the_gate(worker)
    waiting = worker.submit(lambda job: began.append("waiting"))
    asyncio.run(leave(waiting))
    with pytest.raises(Cancelled, match="before it began"):
        waiting.result(0)
    asyncio.run(leave(running))
    with pytest.raises(Cancelled, match="at the gate"):
        running.result(SOON)
    assert not began


def test_a_job_goes_on_while_somebody_else_follows_it(worker: Worker) -> None:
    gate, running = at_the_gate(worker)

    async def one_of_two_leaves() -> str:
        leaving, staying = asyncio.ensure_future(heard(running)), asyncio.ensure_future(running.wait())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert not running.cancelled
        gate.open.set()
        return await staying

    assert asyncio.run(one_of_two_leaves()) == "through"


def test_all_jobs_of_one_asker_are_called_off_together(worker: Worker) -> None:
    gate, mine = Gate(), list[Job[str]]()
    mine.append(worker.submit(gate, "Ada"))
    assert gate.began.wait(SOON)
    mine += [worker.submit(lambda job: "never", "Ada") for _ in range(3)]
    other = worker.submit(lambda job: "other", "Mira")
    worker.leave("Ada")
    assert other.result(SOON) == "other"
    for job in mine:
        with pytest.raises(Cancelled):
            job.result(0)


def test_askers_take_turns_and_each_ones_jobs_keep_their_order(worker: Worker) -> None:
    gate, _ = at_the_gate(worker)
    order = list[str]()

    def named(name: str) -> Job[None]:
        return worker.submit(lambda job: order.append(name), name[0])

    jobs = [named(name) for name in ("a1", "a2", "a3", "b1", "b2", "c1")]
    assert [job.position for job in jobs] == [1, 4, 6, 2, 5, 3]
    gate.open.set()
    for job in jobs:
        job.result(SOON)
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_listener_whose_loop_is_closed_disturbs_nobody(worker: Worker) -> None:
    gate = Gate()

    def work(job: Job[str]) -> str:
        job.report("begun")
        return gate(job)

    job, loop = worker.submit(work), asyncio.new_event_loop()
    listener = aiter(job)
    assert loop.run_until_complete(anext(listener)) == "begun"
    loop.close()
    gate.open.set()
    assert job.result(SOON) == "through"
