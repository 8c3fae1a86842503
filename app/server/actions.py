"""The table of what can be asked of the studio from outside. Every door (Gradio's endpoints, HTTP, command line) is made from it.

JSON in, JSON out; edits are named by id, never by position. Knows no door.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

from anyio.to_thread import run_sync
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import JournalConflict, JournalError, NotFound
from app.studio.facade import Studio
from app.studio.views import EditRow, EditState, Verdict
from grace_core.errors import Cancelled, GraceError, InputError

log = logging.getLogger(__name__)

AUTHOR = "API"  # who the journal says it was
_PAGE = 500
_SHOWN = 80


class Arguments(BaseModel):
    """What an action takes. Types are strict: a number is no text, and a text is no list of texts."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Nothing(Arguments):
    pass


class Asking(Arguments):
    prompt: str
    in_context: bool | None = None


class OfEdit(Arguments):
    edit_id: str


class OfChange(Arguments):
    change_id: str


class Correction(Arguments):
    prompt: str
    target: str
    paraphrases: list[str] | None = None
    source_url: str | None = None


class Filter(Arguments):
    search: str = ""
    state: EditState | None = None


class Move(Arguments):
    seen: int | None = None


class OfQuery(Arguments):
    query_id: str


class Marking(Arguments):
    query_id: str
    start: int
    end: int
    verdict: Verdict


class OfMark(Arguments):
    mark_id: str


class Epsilon(Arguments):
    epsilon: float
    edit_id: str | None = None


class Fit(Arguments):
    edit_id: str
    should: list[str] = []
    should_not: list[str] = []


@dataclass(frozen=True)
class Caller:
    """Who asks. asker: takes turns with other askers at the model."""

    studio: Studio
    asker: str = ""
    author: str = AUTHOR


@dataclass(frozen=True)
class Action:
    """One row of the table. doc: what it does, in one line."""

    name: str
    arguments: type[Arguments]
    run: Callable[[Caller, Any], Awaitable[Any]]
    doc: str


class Refusal(Exception):
    """Why an action gave no result. code: stable, for programs. message: for a person. status: what HTTP calls it."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


REFUSALS: tuple[tuple[type[GraceError], str, int], ...] = (
    (NotFound, "not_found", 404),
    (InputError, "invalid_input", 422),
    (JournalConflict, "conflict", 409),
    (JournalError, "journal_failed", 503),
    (Cancelled, "cancelled", 409),
    (GraceError, "refused", 400),
)
"""Errors that are meant for a person, by kind; the first that fits."""


async def perform(action: Action, given: Mapping[str, Any], caller: Caller) -> Any:
    """Check the arguments, do it, and return JSON.

    Raises:
        Refusal: whatever went wrong. What is not meant for a person is logged with its traceback.
    """
    try:
        arguments = action.arguments.model_validate(dict(given))
    except ValidationError as error:
        raise Refusal("invalid_arguments", _words(error), 422) from None
    try:
        return as_json(await action.run(caller, arguments))
    except GraceError as error:
        code, status = next((code, status) for kind, code, status in REFUSALS if isinstance(error, kind))
        raise Refusal(code, str(error), status) from error
    except Exception as error:
        log.exception("Unexpected error in %s", action.name)
        message = f"Something went wrong: {type(error).__name__}. The server's log has the details."
        raise Refusal("unexpected", message, 500) from error


def _words(error: ValidationError) -> str:
    """What was received and what to give, for each argument that does not fit."""
    sentences = []
    for problem in error.errors(include_url=False, include_context=False):
        name = ".".join(map(str, problem["loc"])) or "The body"
        match problem["type"]:
            case "missing":
                sentences.append(f"{name} is missing; give it.")
            case "extra_forbidden":
                sentences.append(f"There is no argument {ascii(name)[1:-1]}; leave it out.")
            case _:
                received = ascii(problem["input"])
                shown = received if len(received) <= _SHOWN else received[:_SHOWN] + "…"
                sentences.append(f"{name} is {shown}: {problem['msg'].replace('Input', 'it').lower()}.")
    return " ".join(sentences)


def as_json(value: Any) -> Any:
    """Frozen views as plain JSON: times in ISO 8601, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    return value


async def _generate(caller: Caller, given: Asking) -> Any:
    ask, who = caller.studio.generate, {"author": caller.author, "asker": caller.asker}
    job = await run_sync(lambda: ask(given.prompt, in_context=given.in_context, **who))
    answer = await job.wait()
    return {
        "text": answer.text,
        "edit_id": answer.edit_id,
        "distance": answer.distance,
        "query_id": answer.query_id,
        "truncated": answer.truncated,
        "fact": answer.fact,
    }


async def _edit(caller: Caller, given: Correction) -> Any:
    job = await run_sync(
        lambda: caller.studio.edit(
            given.prompt,
            given.target,
            paraphrases=tuple(given.paraphrases or ()),
            source_url=given.source_url or "",
            author=caller.author,
            asker=caller.asker,
        )
    )
    outcome = await job.wait()
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
        "note": outcome.note,
    }


def _all_edits(caller: Caller, given: Filter) -> Any:
    rows: dict[str, EditRow] = {}  # by id: an edit made meanwhile moves rows to the next page
    offset = 0
    while (page := caller.studio.edits(search=given.search, state=given.state, offset=offset, limit=_PAGE)).rows:
        rows.update((row.edit_id, row) for row in page.rows)
        offset += len(page.rows)
    return list(rows.values())


def _logged_answer(caller: Caller, given: OfQuery) -> Any:
    return {**as_json(caller.studio.answer(given.query_id)), "marks": caller.studio.marks(given.query_id)}


async def _foresee_learned(caller: Caller, _: Nothing) -> Any:
    job = await run_sync(lambda: caller.studio.foresee_learned(asker=caller.asker))
    return await job.wait()


async def _fit_epsilon(caller: Caller, given: Fit) -> Any:
    job = await run_sync(
        lambda: caller.studio.fit_epsilon(given.edit_id, given.should, given.should_not, asker=caller.asker)
    )  # fmt: skip
    return await job.wait()


async def _use_learned(caller: Caller, given: Move) -> Any:
    job = await run_sync(lambda: caller.studio.use_learned(seen=given.seen, author=caller.author, asker=caller.asker))
    return await job.wait()


def _now(call: Callable[[Caller, Any], Any]) -> Callable[[Caller, Any], Awaitable[Any]]:
    """An action that needs no job: it is done on a thread, at once."""

    async def run(caller: Caller, given: Any) -> Any:
        return await run_sync(lambda: call(caller, given))

    return run


ACTIONS: tuple[Action, ...] = (
    Action(
        "generate",
        Asking,
        _generate,
        "Answer a prompt; edit_id is null where the model itself answered, distance is to the nearest key, if any. in_context "
        "puts an edit's fact before another question about its subject; fact then names that edit, and parts of the distance.",
    ),
    Action(
        "edit",
        Correction,
        _edit,
        "Teach the model one answer. Where success is false nothing was kept, and reason says why.",
    ),
    Action(
        "undo",
        OfEdit,
        _now(lambda who, given: who.studio.undo(given.edit_id, author=who.author)),
        "Withdraw an edit; returns its row.",
    ),
    Action(
        "redo",
        OfEdit,
        _now(lambda who, given: who.studio.redo(given.edit_id, author=who.author)),
        "Restore an edit that was undone; returns its row.",
    ),
    Action(
        "edits",
        Filter,
        _now(_all_edits),
        "All edits, newest first; where search or state is given, those that hold its words or are in that state.",
    ),
    Action(
        "detail",
        OfEdit,
        _now(lambda who, given: who.studio.detail(given.edit_id)),
        "One edit with its nearest other keys and the logged queries that it answers now.",
    ),
    Action(
        "status",
        Nothing,
        _now(lambda who, _: who.studio.status()),
        "Which model and which codebook are open, and how much is in them.",
    ),
    Action(
        "answer",
        OfQuery,
        _now(_logged_answer),
        "A logged answer again, with its marks.",
    ),
    Action(
        "mark",
        Marking,
        _now(lambda who, given: who.studio.mark(given.query_id, given.start, given.end, given.verdict, author=who.author)),
        "Give a verdict on the characters from start to end of a logged answer.",
    ),
    Action(
        "unmark",
        OfMark,
        _now(lambda who, given: who.studio.unmark(given.mark_id, author=who.author)),
        "Remove a mark; returns null.",
    ),
    Action(
        "set_epsilon",
        Epsilon,
        _now(lambda who, given: who.studio.set_epsilon(given.epsilon, given.edit_id, author=who.author)),
        "Give the key of one edit, or of every edit made so far, another radius; returns the change.",
    ),
    Action(
        "undo_epsilon",
        OfChange,
        _now(lambda who, given: who.studio.undo_epsilon(given.change_id, author=who.author)),
        "Withdraw a change of the radius; returns it.",
    ),
    Action(
        "redo_epsilon",
        OfChange,
        _now(lambda who, given: who.studio.redo_epsilon(given.change_id, author=who.author)),
        "Restore a change of the radius that was withdrawn; returns it.",
    ),
    Action(
        "epsilon_changes",
        Nothing,
        _now(lambda who, _: who.studio.epsilon_changes()),
        "Every change of the radius, newest first.",
    ),
    Action(
        "fit_epsilon",
        Fit,
        _fit_epsilon,
        "Which radius of one edit agrees best with prompts that it should answer and prompts that it should not.",
    ),
    Action(
        "foresee_learned",
        Nothing,
        _foresee_learned,
        "Which logged queries would be answered otherwise if a codebook of a former version moved to the learned encoder.",
    ),
    Action(
        "use_learned",
        Move,
        _use_learned,
        "Move a codebook of a former version to the learned encoder; seen is that of the preview which this is to hold for.",
    ),
)
"""In the order in which they are listed."""

PAGE_ONLY: Mapping[str, str] = {
    "try_prompt": "its result is a vector, which only the map can place",
    "map_view": "vectors of every key and query, for the map",
    "map_moment": "vectors of every key and query, for the map",
    "undone_keys": "vectors of keys, for the map",
    "moment": "vectors of every key and query, for the curves of the Lab",
    "yardstick": "vectors, for the curves of the Lab",
    "query_space": "`status` names what is in force",
    "query_space_id": "`status` names what is in force",
    "query_spaces": "the Lab chooses among them",
    "foresee_query_space": "minutes of measuring whose result only the Lab shows",
    "use_query_space": "the Lab asks for it after its preview",
    "return_to": "the Lab asks for it after its preview",
    "anatomy": "figures of one prompt, for the Lab",
    "scan": "minutes of measuring whose result only the Lab shows",
    "sweep": "minutes of measuring whose result only the Lab shows",
    "marks": "`answer` lists them",
    "revision": "the pages ask it every two seconds",
    "edits_mark": "the pages ask it every two seconds",
    "replace_mark": "`unmark`, then `mark`",
    "leave": "a door does it itself when its client is gone",
}
"""What the facade has and the table leaves out, with the reason."""


def named(name: str) -> Action:
    """The action of this name.

    Raises:
        Refusal: there is none.
    """
    for action in ACTIONS:
        if action.name == name:
            return action
    raise Refusal("not_found", f"There is no action {name!a}; the actions are {', '.join(one.name for one in ACTIONS)}.", 404)


def listing() -> list[dict[str, Any]]:
    """The table as JSON: each action with its line and the JSON schema of its arguments."""
    return [
        {
            "name": action.name,
            "doc": action.doc,
            "arguments": action.arguments.model_json_schema().get("properties", {}),
        }
        for action in ACTIONS
    ]
