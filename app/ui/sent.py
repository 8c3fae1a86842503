"""What a page's own scripts send with an event: read strictly, since anybody can send anything. See docs of each script.

A small model for each shape; a handler that gets anything else raises an error in words.
"""

from __future__ import annotations

from typing import TypeVar

import gradio as gr
from pydantic import BaseModel, ConfigDict, ValidationError

from app.studio.views import Verdict
from grace_core.errors import InputError

_SHOWN = 60


class Sent(BaseModel):
    """Types are strict: a number is no text. What else was sent does not matter."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class OfEdit(Sent):
    edit_id: str


class OfChange(Sent):
    change_id: str


class OfReading(Sent):
    reading_id: str


class OfMark(Sent):
    mark_id: str


class Marking(Sent):
    query_id: str
    start: int
    end: int
    verdict: Verdict


class Point(Sent):
    """id: of the edit that a point stands for; "" or None for the model itself."""

    id: str | None = None


class Picking(Sent):
    """edit_ids: of the keys picked out; None where none are. selected: the key to select with it."""

    edit_ids: list[str] | None = None
    selected: str | None = None


class Switch(Sent):
    shown: bool


class Clearing(Sent):
    """number: of one prompt tried; None for all."""

    number: int | None = None


class Asking(Sent):
    """asked: the number of what was asked for."""

    asked: int


class Looking(Sent):
    """Which part of a list a person wants to see, see `edit_table.View`."""

    search: str = ""
    state: str = ""
    offset: int = 0
    asked: int = 0


S = TypeVar("S", bound=Sent)


def read(event: gr.EventData, kind: type[S]) -> S:
    """What came with the event.

    Raises:
        InputError: it is no such thing.
    """
    data = vars(event).get("_data")
    try:
        return kind.model_validate(data if isinstance(data, dict) else {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = ".".join(str(part) for part in first["loc"])
        found = "nothing" if first["type"] == "missing" else f"{first['input']!a:.{_SHOWN}}"
        raise InputError(f"The page sent {found} for {what} ({first['msg']}). Load the page again.") from None
