"""One thread owns the model: whatever runs on it is a job in its queue.

So two browsers that edit at once take turns, and nothing else needs a lock around the model. Knows no model.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from grace_core.errors import Cancelled, GraceError

R = TypeVar("R")
_END = object()
log = logging.getLogger(__name__)


class Job(Generic[R]):
    """Work that was asked for: its progress, its result, and a way to call it off."""

    def __init__(self, work: Callable[[Job[R]], R], worker: Worker) -> None:
        """Made by `Worker.submit`."""
        self._work = work
        self._worker = worker
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._future: Future[R] = Future()
        self._cancel = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether somebody called it off."""
        return self._cancel.is_set()

    @property
    def position(self) -> int:
        """How many jobs are ahead of it; 0 once it runs."""
        return self._worker.ahead_of(self)

    def report(self, event: object) -> None:
        """Tell whoever listens (called by the work itself)."""
        self._events.put(event)

    def events(self) -> Iterator[Any]:
        """Progress as it comes, until the work ends; raises what the work raised. One listener per job."""
        while (event := self._events.get()) is not _END:
            yield event
        self._future.result()

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end.

        Raises:
            GraceError: what went wrong, in words for a person (`Cancelled` where it was called off).
            TimeoutError: not done after `timeout` seconds.
        """
        return self._future.result(timeout)

    def cancel(self) -> None:
        """Call it off; work in progress stops at its next step."""
        self._cancel.set()

    def run(self) -> None:
        """Do the work (called by the worker's thread)."""
        try:
            if self.cancelled:
                raise Cancelled("Cancelled before it began; nothing was changed.")
            result = self._work(self)
        except BaseException as error:
            if not isinstance(error, GraceError):
                log.exception("A job failed")
            self._future.set_exception(error)
        else:
            self._future.set_result(result)
        finally:
            self._events.put(_END)


class Worker:
    """The thread. Jobs run one at a time, first come, first served."""

    def __init__(self, name: str = "model") -> None:
        """Start the thread; it ends with `close`, or with the process."""
        self._jobs: list[Job[Any]] = []
        self._running: Job[Any] | None = None
        self._condition = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Job[R]], R]) -> Job[R]:
        """Queue `work`; it is given its own job, to report progress and see whether it was called off.

        Raises:
            GraceError: the worker is closed.
        """
        job = Job(work, self)
        with self._condition:
            if self._closed:
                raise GraceError("Grace Studio is shutting down; start it again to go on.")
            self._jobs.append(job)
            self._condition.notify()
        return job

    def ahead_of(self, job: Job[Any]) -> int:
        """How many jobs run or wait before this one."""
        with self._condition:
            if job not in self._jobs:
                return 0
            return self._jobs.index(job) + (self._running is not None)

    def close(self) -> None:
        """Call off what waits and what runs, and wait for the thread."""
        with self._condition:
            self._closed = True
            for job in (*self._jobs, *([self._running] if self._running else [])):
                job.cancel()
            self._condition.notify()
        self._thread.join(timeout=30)

    def _loop(self) -> None:
        while True:
            with self._condition:
                while not self._jobs and not self._closed:
                    self._condition.wait()
                if not self._jobs:
                    return
                job = self._running = self._jobs.pop(0)
            job.run()
            with self._condition:
                self._running = None
