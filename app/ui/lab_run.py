"""How the Lab's parts run a measurement: one at a time for each browser, with progress, and Stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from app.ui.components.lab_progress import Stage
from app.ui.session import Waiting, follow, waiting_text

if TYPE_CHECKING:
    from app.jobs import Job

_INTERVAL = 0.25


def stages(job: Job[Any]) -> Iterator[Stage]:
    """The job's progress, not more often than a person can read; raises what the job raised."""
    drawn = 0.0
    for event in follow(job):
        if isinstance(event, Waiting):
            yield Stage(waiting_text(event.ahead), 0.0)
        elif isinstance(event, Stage) and time.monotonic() - drawn >= _INTERVAL:
            drawn = time.monotonic()
            yield event
