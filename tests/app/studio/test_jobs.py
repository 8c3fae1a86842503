"""One thread, first come, first served; progress, errors and calling off reach whoever asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from app.studio.jobs import Job, Worker
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
