"""Events as a store would number them, and a state in a form that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.journal.events import (
    EventData,
    StoredEvent,
)
from app.journal.state.journal_state import JournalState
from app.journal.state.query_space import QuerySpace

START = datetime(2026, 1, 1, tzinfo=UTC)


def stored(history: Sequence[EventData], *, start: int = 1) -> list[StoredEvent]:
    """As a store would number them; gaps are as likely as not."""
    return [
        StoredEvent(start + 2 * index, "c", START + timedelta(seconds=index), f"author {index}", data)
        for index, data in enumerate(history)
    ]


def summary(state: JournalState) -> tuple[object, ...]:
    """All of a state's state in a form that can be compared."""
    return (
        [(key, record.edited, record.event, record.undone) for key, record in state.edits.items()],
        [(key, record.generated, record.event) for key, record in state.queries.items()],
        {key: state.marks(key) for key in state.queries},
        [(key, record.activation.tobytes()) for key, record in state.queries.items()],
        [(edit.edit_id, edit.activation.tobytes()) for edit in state.active_edits()],
        [reading_summary(reading) for reading in state.query_spaces.values()],
        state.query_space.reading_id,
        state.next_version,
        state.folded,
        state.calibrations,
        [(key, change.changed, change.event, change.undone) for key, change in state.epsilon_changes.items()],
        [(edit.edit_id, edit.epsilon) for edit in state.active_edits()],
        state.revision,
        state.stream,
        [edit.edit_id for edit in state.active_edits()],
    )


def reading_summary(space: QuerySpace) -> tuple[object, ...]:
    return (
        space.reading_id,
        space.reread,
        [(edit.edit_id, edit.epsilon, edit.activation.tobytes()) for edit in space.edits.values()],
        [(query_id, activation.tobytes()) for query_id, activation in space.queries.items()],
        space.calibrations,
        [(key, change.changed, change.undone) for key, change in space.epsilon_changes.items()],
    )
