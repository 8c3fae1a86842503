"""One event's rows in the database, and the event that they are: with checksums, and with what a damaged one is worth.

Which damage is kept as a broken row and which is refused: see `app.journal.events.broken`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from app.errors import DamagedEvent
from app.journal.checksums import checksum, time_of
from app.journal.events.base import EncodedArray, EncodedEvent, Event, StoredEvent, decode
from app.journal.events.broken import Broken

_CHANGED = "its checksum does not fit, so it was changed after it was written"


def rows_of(data: Event, encoded: EncodedEvent, **place: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of the event and those of its arrays, without seq. place: id, stream, position, at and author."""
    row = place | {"kind": encoded.kind, "subject": data.subject, "payload": encoded.payload}
    rows = [
        {"name": name, **array._asdict(), "checksum": checksum(place["id"], name, *array)}
        for name, array in encoded.arrays.items()
    ]
    return row | {"checksum": _sum(row)}, rows


def read_event(row: Row[Any], arrays: list[Row[Any]], stream: str, label: str) -> StoredEvent:
    """The event of these rows; `Broken` stands for a damaged one where nothing else depends on it.

    stream: the one that was asked for.

    Raises:
        DamagedEvent: where it does.
        JournalError: a kind or field that a newer version wrote.
    """
    where = f"Event {row.seq} of the journal {label}"
    at: datetime | None = None
    data: Event
    try:
        if damage := next(_damages(row, arrays), None):
            raise DamagedEvent(f"{where} ({row.kind})", damage)
        at = _time(row.at, where)
        encoded = {array.name: EncodedArray(array.dtype, array.shape, array.data) for array in arrays}
        data = decode(row.kind, row.payload, encoded, where=where)
    except DamagedEvent as error:
        data = Broken.standing_for(row.kind, row.subject, row.payload, error)
    return StoredEvent(row.seq, stream, at or _some_time(row), str(row.author), data, str(row.id))


def _sum(row: Any) -> str:
    names = ("id", "stream", "position", "kind", "subject", "at", "author", "payload")
    return checksum(*(row[name] for name in names))


def _damages(row: Row[Any], arrays: list[Row[Any]]) -> Iterator[str]:
    if _sum(row._mapping) != row.checksum:
        yield _CHANGED
    for array in arrays:
        if checksum(row.id, array.name, array.dtype, array.shape, array.data) != array.checksum:
            yield f"the checksum of its {array.name} does not fit, so some of its numbers were changed after they were written"


def _time(text: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise DamagedEvent(where, f"{text!r} is no time") from error


def _some_time(row: Row[Any]) -> datetime:
    """The time in its id, where that in its row cannot be trusted."""
    try:
        return time_of(row.id)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return datetime.fromtimestamp(0, UTC)
