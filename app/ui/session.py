"""What one browser session knows, and how pages follow a job and report a failure.

Nothing here decides anything about edits: that is the workbench's.
"""

from __future__ import annotations

import html
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.studio.progress import Waiting as Waiting
from app.studio.views import EditRow
from grace_core.errors import Cancelled, GraceError

if TYPE_CHECKING:
    from app.studio.facade import Studio
    from app.studio.jobs import Job

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
BUSY = "This page is still working on another request. Wait for it, or stop it."


@dataclass
class Session:
    """One browser session; lives in a `gr.State` and is changed in place, so that all events share it.

    job: the running job, for Stop and Cancel. known: what this session has seen of the edits, see `edits_mark`.
    """

    job: Job[Any] | None = None
    known: tuple[object, ...] = ()

    def cancel(self) -> None:
        """Cancel the running job, if there is one."""
        if self.job is not None:
            self.job.cancel()


@dataclass(frozen=True)
class PageContext:
    """What every page needs: the workbench and the parts of the shell that pages share.

    selected_edit: an edit id or None. picked_edits: ids of those that a lasso or a search picked out on the map, or None.
    """

    studio: Studio
    session: gr.State
    author: gr.Textbox
    selected_edit: gr.State
    picked_edits: gr.State
    revision: gr.State
    tabs: gr.Tabs


def follow(job: Job[Any]) -> Iterator[object]:
    """The job's own progress, preceded by its place in the queue each time that changes; raises the job's error."""
    told = 0
    while (ahead := job.position) > 0:
        if job.cancelled:  # it ends when its turn comes; the person need not wait for that
            raise Cancelled("Cancelled before it began; nothing was changed.")
        if ahead != told:
            told = ahead
            yield Waiting(ahead)
        time.sleep(POLL_SECONDS)
    yield from job.events()


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


def edits_mark(studio: Studio) -> tuple[tuple[object, ...], EditRow | None]:
    """What tells one state of the edits from another (newest id, count of each state), and the newest row."""
    page = studio.edits(limit=1)
    newest = page.rows[0] if page.rows else None
    return (newest.edit_id if newest else "", *sorted(page.counts.items())), newest


def private(event: Any, /, *arguments: Any, **options: Any) -> Any:
    """Bind an event of a page: no endpoint of its own, no overlay, and as many at a time as there are browsers."""
    settings = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None, **options}
    return event(*arguments, **settings)


def each(event: Any, /, *arguments: Any, **options: Any) -> Any:
    """Bind an event of which none may be lost (a click on one of many things), each time that it happens.

    While one is being answered, Gradio drops the next ("once"), or runs it with the data of the first ("always_last").
    """
    return private(event, *arguments, trigger_mode="multiple", **options)
