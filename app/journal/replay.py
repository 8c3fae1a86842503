"""Former names of `app.journal.state`, until all callers have moved."""

from app.journal.state.answers import QueryRecord
from app.journal.state.edits import EditRecord
from app.journal.state.journal_state import JournalState as Replay

__all__ = ["EditRecord", "QueryRecord", "Replay"]
