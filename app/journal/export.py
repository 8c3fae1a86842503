"""A journal as JSON Lines: the first line says what it is, each other one is an event. For other programs, and for people."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from app.journal.events import KINDS, Broken, StoredEvent, encode
from app.journal.migrations import MIGRATIONS
from app.journal.store import JournalStore
from app.journal.tables import STUDIO

FORMAT = "grace-studio journal"


def exported(store: JournalStore, *, vectors: bool = True) -> Iterator[dict[str, Any]]:
    """One object for each line. vectors: with the arrays, as base64 of little-endian float32 in C order."""
    codebooks = store.codebooks()
    yield {"format": FORMAT, "schema": MIGRATIONS[-1].title, "codebooks": [asdict(info) for info in codebooks]}
    for stream in (*(info.codebook_id for info in codebooks), STUDIO):
        for event in store.events(stream):
            yield _line(event, vectors)


def json_schema() -> dict[str, Any]:
    """What the payload and the arrays of each kind hold, as JSON Schema by kind."""
    return {kind: known.checker.model_json_schema() for kind, known in KINDS.items()}


def _line(event: StoredEvent, vectors: bool) -> dict[str, Any]:
    place = {"id": event.event_id, "stream": event.stream, "seq": event.seq, "at": event.at.isoformat(), "author": event.author}
    if isinstance(event.data, Broken):
        broken = event.data
        return place | {"kind": broken.kind, "broken": broken.reason, "payload": dict(broken.texts)}
    encoded = encode(event.data)
    arrays = {
        name: {"shape": json.loads(array.shape), "data": base64.b64encode(array.data).decode()}
        for name, array in encoded.arrays.items()
    }
    return place | {"kind": encoded.kind, "payload": json.loads(encoded.payload)} | ({"arrays": arrays} if vectors else {})
