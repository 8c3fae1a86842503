"""How the Lab's parts run a job: one at a time for each browser, with progress, and Stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from app.studio.progress import Stage
from app.ui.components.message import NONE, message_value
from app.ui.lab.progress import NO_STAGE, stage_value
from app.ui.session import BUSY, Session, Waiting, failure_text, follow, waiting_text
from grace_core.errors import Cancelled

if TYPE_CHECKING:
    from app.studio.jobs import Job

R = TypeVar("R")
Updates = dict[Any, Any]
_INTERVAL = 0.25
STOPPED = "Stopped; the last finished result stays."


def stages(job: Job[Any]) -> Iterator[Stage]:
    """The job's progress, not more often than a person can read; raises what the job raised."""
    drawn = 0.0
    for event in follow(job):
        if isinstance(event, Waiting):
            yield Stage(waiting_text(event.ahead), 0.0)
        elif isinstance(event, Stage) and time.monotonic() - drawn >= _INTERVAL:
            drawn = time.monotonic()
            yield event


def run_job(
    session: Session,
    start: Callable[[], Job[R]],
    finish: Callable[[R], Updates],
    *,
    message: Any,
    progress: Any,
    first: str,
    running: Updates,
    ended: Callable[[], Updates],
    stopped: str = "",
) -> Iterator[Updates]:
    """One event of a page that runs a job: what to update, from its start to its end.

    message, progress: the components that tell of it; first: its first stage in words. running, ended: how buttons are
    meanwhile, and afterwards whatever came of it. finish: what its result changes. stopped: what to say of a job that
    was, if not its own words. The last update holds all that is to stay: of two in quick succession a page may see only
    the last.
    """
    if session.job is not None:
        yield {message: message_value(BUSY, "note")}
        return
    try:
        session.job = job = start()
        yield {message: NONE, progress: stage_value(Stage(first, 0.0)), **running}
        for stage in stages(job):
            yield {progress: stage_value(stage)}
        done = finish(job.result())
    except Cancelled as error:
        done = {message: message_value(stopped or str(error), "note")}
    except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
        done = {message: message_value(failure_text(error))}
    finally:
        session.job = None
    yield {progress: NO_STAGE, **ended(), **done}
