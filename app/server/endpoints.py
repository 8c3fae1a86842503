"""Named endpoints: scripts can do what the pages do. JSON in, JSON out; edits are named by id, never by position."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import gradio as gr
from gradio.events import api

from app.studio.views import EditRow
from grace_core.errors import GraceError

if TYPE_CHECKING:
    from app.studio.facade import Studio

log = logging.getLogger(__name__)

AUTHOR = "API"  # who the journal says it was
PAGE = 500

P = ParamSpec("P")
R = TypeVar("R")


def row_json(row: EditRow) -> dict[str, Any]:
    """One edit as JSON: its id, times in ISO 8601."""
    return {
        "edit_id": row.edit_id,
        "prompt": row.prompt,
        "target": row.target,
        "author": row.author,
        "at": row.at.isoformat(),
        "epsilon": row.epsilon,
        "matches": row.matches,
        "state": row.state,
        "change": row.change,
        "paraphrases": list(row.paraphrases),
        "source_url": row.source_url,
    }


def told(function: Callable[P, R]) -> Callable[P, R]:
    """Let a client see an error's message; what is not meant for a person is logged with its traceback too."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except GraceError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            log.exception("Unexpected error in %s", function.__name__)
            raise gr.Error(f"Something went wrong: {error}", print_exception=False) from error

    return wrapper


def add_api(studio: Studio) -> None:
    """Add the endpoints to the Blocks that is being built."""

    @told
    def generate(prompt: str) -> dict[str, Any]:
        """Answer a prompt; edit_id is null where the model itself answered, distance is to the nearest key, if any."""
        answer = studio.generate(prompt, author=AUTHOR).result()
        return {"text": answer.text, "edit_id": answer.edit_id, "distance": answer.distance}

    @told
    def edit(prompt: str, target: str, paraphrases: list[str] | str | None = None) -> dict[str, Any]:
        """Teach the model one answer. Where success is false nothing was kept, and reason says why."""
        # One text instead of a list goes on as it is: the workbench says what is wrong with it.
        others = paraphrases if isinstance(paraphrases, str) else tuple(paraphrases or ())
        outcome = studio.edit(prompt, target, paraphrases=others, author=AUTHOR).result()
        return {
            "edit_id": outcome.edit_id,
            "success": outcome.success,
            "text_before": outcome.text_before,
            "text_after": outcome.text_after,
            "change": outcome.change.kind if outcome.change is not None else None,
            "change_text": outcome.change.sentence() if outcome.change is not None else "",
            "epsilon": outcome.epsilon,
            "seconds": outcome.seconds,
            "reason": outcome.reason,
        }

    @told
    def undo(edit_id: str) -> dict[str, Any]:
        """Withdraw an edit; returns its row."""
        return row_json(studio.undo(edit_id, author=AUTHOR))

    @told
    def redo(edit_id: str) -> dict[str, Any]:
        """Restore an edit that was undone; returns its row."""
        return row_json(studio.redo(edit_id, author=AUTHOR))

    @told
    def edits() -> list[dict[str, Any]]:
        """All edits, newest first."""
        rows: dict[str, dict[str, Any]] = {}  # by id: an edit made meanwhile moves rows to the next page
        offset = 0
        while (page := studio.edits(offset=offset, limit=PAGE)).rows:
            rows.update((row.edit_id, row_json(row)) for row in page.rows)
            offset += len(page.rows)
        return list(rows.values())

    for function in (generate, edit, undo, redo, edits):
        api(function, api_name=function.__name__, concurrency_limit=None)
