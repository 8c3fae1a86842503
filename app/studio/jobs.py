"""One thread owns the model: whatever runs on it is a job in its queue.

So two browsers that edit at once take turns, and nothing else needs a lock around the model. A job is followed from
asyncio without holding a thread, or from a thread that may wait. Knows no model.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, Generic, TypeVar

from app.studio.progress import Waiting
from grace_core.errors import Cancelled, GraceError

R = TypeVar("R")
log = logging.getLogger(__name__)

NOT_BEGUN = "Cancelled before it began; nothing was changed."


class _Listener:
    """How much of a job's news one listener has had."""

    def __init__(self) -> None:
        self._reports = 0
        self._place = 0

    def news(self, place: int, reports: list[object]) -> list[object]:
        """What is new: the place in the queue where it is another one, and the reports since the last time."""
        new = reports[self._reports :]
        self._reports += len(new)
        if place and place != self._place:
            new.insert(0, Waiting(place))
        self._place = place
        return new


class Job(Generic[R]):
    """Work that was asked for: its progress, its result, and a way to call it off.

    Anybody may listen, at any time: each listener gets the whole progress, preceded by the job's place in the queue
    (`Waiting`) each time that this changes.
    """

    def __init__(self, work: Callable[[Job[R]], R], asker: str = "", drop: Callable[[Job[R]], None] | None = None) -> None:
        """Made by `Worker.submit`. drop: takes it out of the queue that it waits in, if it does."""
        self.asker = asker
        self._work = work
        self._drop = drop
        self._cancel = threading.Event()
        self._future: Future[R] = Future()
        self._changed = threading.Condition()  # guards what follows
        self._reports: list[object] = []
        self._place = 0
        self._wakes: list[Callable[[], object]] = []
        self._followers = 0

    @property
    def cancelled(self) -> bool:
        """Whether somebody called it off."""
        return self._cancel.is_set()

    @property
    def position(self) -> int:
        """How many jobs are ahead of it; 0 once it runs."""
        return self._place

    def report(self, event: object) -> None:
        """Tell whoever listens (called by the work itself)."""
        with self._changed:
            self._reports.append(event)
        self._tell()

    # ── follow it

    async def wait(self) -> R:
        """The result, without holding a thread. Where this wait is cancelled and nobody else follows, the job is called off.

        Raises:
            GraceError: what went wrong, in words for a person (`Cancelled` where it was called off).
        """
        end = asyncio.wrap_future(self._future)
        # Whoever waited may have gone by then: the error is the job's, which has logged what is a fault.
        end.add_done_callback(lambda done: done.cancelled() or done.exception())
        with self._followed():
            return await asyncio.shield(end)

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Progress as it comes, without holding a thread; raises what the work raised. Breaking off is as in `wait`."""
        loop, changed, listener = asyncio.get_running_loop(), asyncio.Event(), _Listener()
        with self._followed(), self._waking(lambda: loop.call_soon_threadsafe(changed.set)):
            ended = False
            while not ended:
                changed.clear()
                ended = self._future.done()
                for event in self._news(listener):
                    yield event
                if not ended:
                    await changed.wait()
        self._future.result()

    def events(self) -> Iterator[Any]:
        """Progress as it comes, for a thread that may wait; raises what the work raised."""
        listener, changed = _Listener(), threading.Event()
        with self._waking(changed.set):
            ended = False
            while not ended:
                changed.clear()
                ended = self._future.done()
                yield from self._news(listener)
                if not ended:
                    changed.wait()
        self._future.result()

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end, in a thread that may wait.

        Raises:
            GraceError: what went wrong, in words for a person (`Cancelled` where it was called off).
            TimeoutError: not done after `timeout` seconds.
        """
        return self._future.result(timeout)

    def cancel(self) -> None:
        """Call it off: while it waits it ends at once; work in progress stops at its next step."""
        self._cancel.set()
        if self._drop is not None:
            self._drop(self)

    # ── called by the worker

    def run(self) -> None:
        """Do the work."""
        try:
            if self.cancelled:
                raise Cancelled(NOT_BEGUN)
            result = self._work(self)
        except BaseException as error:
            if not isinstance(error, GraceError):
                log.exception("A job failed")
            self.fail(error)
        else:
            self._future.set_result(result)
            self._tell()

    def fail(self, error: BaseException) -> None:
        """End it with an error."""
        self._future.set_exception(error)
        self._tell()

    def move(self, place: int) -> None:
        """Say how many jobs are ahead of it now."""
        with self._changed:
            same, self._place = place == self._place, place
        if not same:
            self._tell()

    # ── listeners

    def _news(self, listener: _Listener) -> list[object]:
        with self._changed:
            return listener.news(self._place, self._reports)

    def _tell(self) -> None:
        with self._changed:
            wakes = tuple(self._wakes)
        for wake in wakes:
            try:
                wake()
            except RuntimeError:  # its loop is closed: the listener is gone
                log.debug("A listener of a job is gone")

    @contextmanager
    def _waking(self, wake: Callable[[], object]) -> Iterator[None]:
        with self._changed:
            self._wakes.append(wake)
        try:
            yield
        finally:
            with self._changed:
                self._wakes.remove(wake)

    @contextmanager
    def _followed(self) -> Iterator[None]:
        """While somebody waits for the end. Whoever leaves before it does not want the result any more."""
        with self._changed:
            self._followers += 1
        try:
            yield
        finally:
            with self._changed:
                self._followers -= 1
                alone = not self._followers
            if alone and not self._future.done():
                self.cancel()


class Worker:
    """The thread. Jobs run one at a time: askers take turns, and each asker's jobs run in the order in which they came."""

    def __init__(self, name: str = "model") -> None:
        """Start the thread; it ends with `close`, or with the process."""
        self._waiting: dict[str, deque[Job[Any]]] = {}  # by asker, whose turn is next first
        self._running: Job[Any] | None = None
        self._condition = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Job[R]], R], asker: str = "") -> Job[R]:
        """Queue `work`; it is given its own job, to report progress and see whether it was called off.

        asker: names one person or browser.

        Raises:
            GraceError: the worker is closed.
        """
        job = Job(work, asker, self.drop)
        with self._condition:
            if self._closed:
                raise GraceError("Grace Studio is shutting down; start it again to go on.")
            self._waiting.setdefault(asker, deque()).append(job)
            self._renumber()
            self._condition.notify()
        return job

    def drop(self, job: Job[Any]) -> None:
        """Take a job that waits out of the queue and end it."""
        with self._condition:
            own = self._waiting.get(job.asker)
            if own is None or job not in own:
                return
            own.remove(job)
            if not own:
                del self._waiting[job.asker]
            job.move(0)
            self._renumber()
        job.fail(Cancelled(NOT_BEGUN))

    def leave(self, asker: str) -> None:
        """Call off all that this asker waits for: whoever it was is gone."""
        with self._condition:
            jobs = self._all()
        for job in jobs:
            if job.asker == asker:
                job.cancel()

    def close(self) -> None:
        """Call off what waits and what runs, and wait for the thread."""
        with self._condition:
            self._closed = True
            jobs = self._all()
            self._condition.notify()
        for job in jobs:
            job.cancel()
        self._thread.join(timeout=30)

    def _all(self) -> list[Job[Any]]:
        """What runs and what waits, in the order in which it will run."""
        rounds = zip_longest(*self._waiting.values())
        jobs = [job for turn in rounds for job in turn if job is not None]
        return jobs if self._running is None else [self._running, *jobs]

    def _renumber(self) -> None:
        for place, job in enumerate(self._all()):
            job.move(place)

    def _next(self) -> Job[Any]:
        """The first job of the asker whose turn it is, who comes last then."""
        asker = next(iter(self._waiting))
        own = self._waiting.pop(asker)
        job = own.popleft()
        if own:
            self._waiting[asker] = own
        return job

    def _loop(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._closed:
                    self._condition.wait()
                if not self._waiting:
                    return
                job = self._running = self._next()
                self._renumber()
            job.run()
            with self._condition:
                self._running = None
                self._renumber()
