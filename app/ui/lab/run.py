"""How the Lab's parts run a job: one at a time for each browser, awaited, with progress, the time that is left, and Stop."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.studio.progress import Stage
from app.ui.components.message import NONE, message_value
from app.ui.lab.progress import NO_STAGE, stage_value
from app.ui.session import BUSY, Busy, Pace, Session, Waiting, failure_text, in_thread, waiting_text
from grace_core.errors import Cancelled

if TYPE_CHECKING:
    from app.studio.jobs import Job

R = TypeVar("R")
Updates = dict[Any, Any]
_INTERVAL = 0.25
# Before so much time and so much of the work, an estimate says nothing.
_SECONDS_BEFORE, _SHARE_BEFORE = 5.0, 0.02


P = ParamSpec("P")


def streams(handler: Callable[P, AsyncIterator[Updates]]) -> Callable[P, AsyncIterator[Updates]]:
    """A handler that returns the updates of a job, as one that gives them: ended with it where the browser is gone."""

    @functools.wraps(handler)
    async def streaming(*arguments: P.args, **options: P.kwargs) -> AsyncIterator[Updates]:
        async with aclosing(handler(*arguments, **options)) as updates:  # type: ignore[type-var]
            async for update in updates:
                yield update

    return streaming


async def only(update: Updates) -> AsyncIterator[Updates]:
    """Where no job is run."""
    yield update


def left_words(seconds: float, fraction: float) -> str:
    """How long a job will still take, if it goes on as it has since it began, `seconds` ago; "" while that says nothing."""
    if seconds < _SECONDS_BEFORE or not _SHARE_BEFORE <= fraction < 1.0:
        return ""
    left = seconds * (1.0 - fraction) / fraction
    return f"about {max(1, round(left))} s left" if left < 90 else f"about {round(left / 60)} min left"


async def stages(job: Job[Any]) -> AsyncIterator[Stage]:
    """The job's progress, not more often than a person can read; raises what the job raised."""
    pace, began = Pace(_INTERVAL), time.monotonic()
    async for event in job:
        if isinstance(event, Waiting):
            began = time.monotonic()
            yield Stage(waiting_text(event.ahead), 0.0)
        elif isinstance(event, Stage) and pace.due():
            left = left_words(time.monotonic() - began, event.fraction)
            yield Stage(f"{event.words} – {left}" if left else event.words, event.fraction)


async def run_job(
    session: Session,
    ask: Callable[..., Job[R]],
    finish: Callable[[R], Updates],
    *,
    message: Any,
    progress: Any,
    first: str,
    running: Updates,
    ended: Callable[[], Updates],
    stopped: Callable[[], str] | None = None,
) -> AsyncIterator[Updates]:
    """One event of a page that runs a job: what to update, from its start to its end.

    ask: makes the job, for the asker that it is given. message, progress: the components that tell of it; first: its first
    stage in words. running, ended: how buttons are meanwhile, and afterwards whatever came of it. finish: what its result
    changes. stopped: what to say of a job that was, if not its own words. The last update holds all that is to stay: of two
    in quick succession a page may see only the last.
    """
    try:
        async with session.asking(ask) as job:
            yield {message: NONE, progress: stage_value(Stage(first, 0.0)), **running}
            async for stage in stages(job):
                yield {progress: stage_value(stage)}
            done = await in_thread(finish, job.result())
    except Busy:
        yield {message: message_value(BUSY, "note")}
        return
    except Cancelled as error:
        done = {message: message_value(stopped() if stopped is not None else str(error), "note")}
    except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
        done = {message: message_value(failure_text(error))}
    yield {progress: NO_STAGE, **await in_thread(ended), **done}


def stopped_words(kept: bool) -> str:
    """What to say of a measurement that was stopped. kept: there is a former result."""
    return "Stopped; the last finished result stays." if kept else "Stopped; nothing was measured."
