"""What can happen: one module for each noun, each kind with its fields, its check and its fold.

Every module in this folder is imported here, so that a kind is registered by being written down in one.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TypeAlias

from app.journal.events.answers import VERDICTS, Generated, Marked, Unmarked, Verdict
from app.journal.events.base import (
    KINDS,
    EncodedArray,
    EncodedEvent,
    Event,
    Float32,
    StoredEvent,
    decode,
    encode,
)
from app.journal.events.broken import Broken
from app.journal.events.edits import Edited, Redone, Undone
from app.journal.events.epsilon import EpsilonChanged, EpsilonRedone, EpsilonUndone
from app.journal.events.query_space import Calibrated, Fitted, Reread, Returned

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

EventData: TypeAlias = Event
EVENT_TYPES: tuple[type[Event], ...] = tuple(known.event_type for known in KINDS.values())

__all__ = [
    "EVENT_TYPES",
    "KINDS",
    "VERDICTS",
    "Broken",
    "Calibrated",
    "Edited",
    "EncodedArray",
    "EncodedEvent",
    "EpsilonChanged",
    "EpsilonRedone",
    "EpsilonUndone",
    "Event",
    "EventData",
    "Fitted",
    "Float32",
    "Generated",
    "Marked",
    "Redone",
    "Reread",
    "Returned",
    "StoredEvent",
    "Undone",
    "Unmarked",
    "Verdict",
    "decode",
    "encode",
]
