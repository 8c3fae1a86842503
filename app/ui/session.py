"""What one browser session knows, and how pages bind their events: jobs are awaited, and failures become words.

Nothing here decides anything about edits: that is the studio's.
"""

from __future__ import annotations

import asyncio
import functools
import html
import inspect
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import gradio as gr

from app.errors import StudioError
from app.studio.progress import Waiting as Waiting
from grace_core.errors import GraceError

if TYPE_CHECKING:
    from app.studio.facade import Studio
    from app.studio.jobs import Job
    from app.studio.views import EditsMark

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)

BUSY = "This page is still working on another request. Wait for it, or stop it."


class Busy(StudioError):
    """The page waits for another job of its own."""


@dataclass
class Session:
    """One browser session; lives in a `gr.State` and is changed in place, so that all events share it.

    asker: names it to the studio. job: the running job, for Stop and Cancel. busy: a job was asked for and has not ended.
    known: what this session has seen of the edits.
    """

    asker: str = ""
    job: Job[Any] | None = None
    busy: bool = False
    known: EditsMark | None = None

    def cancel(self) -> None:
        """Cancel the running job, if there is one."""
        if self.job is not None:
            self.job.cancel()

    @asynccontextmanager
    async def asking(self, ask: Callable[P, Job[R]], *arguments: P.args, **options: P.kwargs) -> AsyncIterator[Job[R]]:
        """The job that `ask` makes, as the only one of this session; `ask` is given the asker. Ended with the block.

        Raises:
            Busy: another one has not ended.
        """
        if self.busy:
            raise Busy(BUSY)
        self.busy = True
        try:
            options["asker"] = self.asker
            job: Job[R] = await in_thread(ask, *arguments, **options)
            self.job = job
            try:
                yield job
            except BaseException:  # also where the browser is gone, which closes the handler
                job.cancel()
                raise
        finally:
            self.job, self.busy = None, False


@dataclass(frozen=True)
class PageContext:
    """What every page needs: the studio and the parts of the shell that pages share.

    selected_edit: an edit id or None. picked_edits: ids of those that a lasso or a search picked out on the map, or None.
    revision: of the journal; a page that makes it grow writes the new one. redraw: the revision that the page is to show:
    it changes only while the page's tab is open, and when the tab is opened.
    """

    studio: Studio
    session: gr.State
    author: gr.Textbox
    selected_edit: gr.State
    picked_edits: gr.State
    revision: gr.State
    tabs: gr.Tabs
    redraw: gr.State


def waiting_text(ahead: int) -> str:
    return f"Waiting: {ahead} {'request is' if ahead == 1 else 'requests are'} ahead of yours…"


def failure_text(error: Exception) -> str:
    """An error as a person reads it: our own as they are; anything else is a bug, logged with its traceback."""
    if isinstance(error, GraceError):
        return str(error)
    log.error("Unexpected error in a page", exc_info=error)
    return f"Something went wrong: {type(error).__name__}: {error}. The server's log has the details."


def warn(error: Exception) -> None:
    """Show an error as a toast. Toasts render HTML, and messages quote what people typed: escape."""
    gr.Warning(html.escape(failure_text(error)))


class Pace:
    """When the next update is due."""

    def __init__(self, interval: float) -> None:
        self._interval, self._last = interval, 0.0

    def due(self) -> bool:
        if (now := time.monotonic()) - self._last < self._interval:
            return False
        self._last = now
        return True


async def in_thread(work: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """What may wait for a lock, a disk or a long text, without making everybody wait."""
    return await asyncio.to_thread(work, *arguments, **options)


Failed = Callable[..., Any]


def bind(
    event: Any, handler: Callable[..., Any] | None, inputs: Any = None, outputs: Any = None, *,
    failed: Failed | None = None, **options: Any,
) -> Any:  # fmt: skip
    """Bind an event of a page, or several: no endpoint of its own, no overlay, as many at a time as there are browsers.

    failed: what to show where the handler raises, given the error and the handler's arguments; else it is a toast, and
    everything stays as it is.
    """
    settings = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None, **options}
    if handler is not None:
        count = len(outputs) if isinstance(outputs, Sequence) else int(outputs is not None)
        handler = in_words(handler, failed or functools.partial(_toast, count))
    if isinstance(event, Sequence):
        return gr.on(event, handler, inputs, outputs, **settings)
    return event(handler, inputs, outputs, **settings)


def bind_every(event: Any, handler: Callable[..., Any], inputs: Any = None, outputs: Any = None, **options: Any) -> Any:
    """Bind an event of which none may be lost (a click on one of many things), each time that it happens.

    While one is being answered, Gradio drops the next ("once"), or runs it with the data of the first ("always_last").
    """
    return bind(event, handler, inputs, outputs, trigger_mode="multiple", **options)


def in_words(handler: Callable[..., Any], failed: Failed) -> Callable[..., Any]:
    """The handler of an event, whose errors are answered by `failed`: none of them reaches Gradio.

    `functools.wraps` keeps the signature, from which Gradio learns whether the event's data are wanted.
    """
    if inspect.isasyncgenfunction(handler):

        @functools.wraps(handler)
        async def streaming(*arguments: Any) -> AsyncIterator[Any]:
            try:
                async with aclosing(handler(*arguments)) as updates:
                    async for update in updates:
                        yield update
            except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
                yield failed(error, *arguments)

        return streaming
    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def awaited(*arguments: Any) -> Any:
            try:
                return await handler(*arguments)
            except Exception as error:  # noqa: BLE001 - see above
                return failed(error, *arguments)

        return awaited

    @functools.wraps(handler)
    def called(*arguments: Any) -> Any:
        try:
            return handler(*arguments)
        except Exception as error:  # noqa: BLE001 - see above
            return failed(error, *arguments)

    return called


def _toast(outputs: int, error: Exception, *arguments: Any) -> Any:
    """Say it, and leave everything as it is."""
    warn(error)
    return gr.skip() if outputs == 1 else tuple(gr.skip() for _ in range(outputs)) or None
