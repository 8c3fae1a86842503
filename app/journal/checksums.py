"""What each row of the journal answers for: a checksum over its values, and an id that no other event has.

A journal holds both, so neither may ever be computed otherwise; another way would be a new column.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID


def checksum(*values: object) -> str:
    """BLAKE2b over a row's values, with the type and length of each, so that no two rows are written alike."""
    parts: list[bytes] = []
    for value in values:
        raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        parts += (f"{type(value).__name__} {len(raw)} ".encode(), raw)
    return blake2b(b"".join(parts), digest_size=16).hexdigest()


def event_id(at: datetime | None = None, seed: str | None = None) -> str:
    """A UUID of version 7: it begins with the time, so that ids sort by age.

    seed: what the rest is made from, for an event that had no id when it was written; drawn unless given.
    """
    milliseconds = time.time_ns() // 1_000_000 if at is None else int(at.timestamp() * 1000)
    rest = os.urandom(10) if seed is None else blake2b(seed.encode(), digest_size=10).digest()
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(rest)
    number = number & ~(0xF << 76) | 7 << 76
    return str(UUID(int=number & ~(0b11 << 62) | 0b10 << 62))


def time_of(known: str) -> datetime:
    """When an event with this id was written, to the millisecond."""
    return datetime.fromtimestamp((UUID(known).int >> 80) / 1000, UTC)
