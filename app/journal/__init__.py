"""The append-only record of everything that was said, marked, edited and withdrawn, and its fold into a state.

events.py: what can happen; store.py: where it is kept; replay.py: what it adds up to.
"""

from app.journal.events import (
    EVENT_TYPES,
    Calibrated,
    Edited,
    EventData,
    Generated,
    Marked,
    Redone,
    StoredEvent,
    Undone,
    Unmarked,
)
from app.journal.replay import EditRecord, QueryRecord, Replay
from app.journal.store import JournalStore

__all__ = [
    "EVENT_TYPES",
    "Calibrated",
    "EditRecord",
    "Edited",
    "EventData",
    "Generated",
    "JournalStore",
    "Marked",
    "QueryRecord",
    "Redone",
    "Replay",
    "StoredEvent",
    "Undone",
    "Unmarked",
]
