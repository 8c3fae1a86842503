"""What an event of the Lab updates, and a measurement that is quick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from app.ui.session import Session
from grace_core.measuring.distances import KINDS

MEASURED: dict[str, Any] = {
    "layers": [1, 2], "pools": ["mean", "last"], "encodings": ["whiten", "raw"], "edits": 5, "unrelated": 20, "own": (),
    "measure": "recall1", "kinds": list(KINDS),
    "chosen": None,
}  # fmt: skip


def last(updates: AsyncIterator[dict[Any, Any]], stop: Session | None = None) -> dict[Any, Any]:
    """All updates of one event as the page has them in the end. stop: the session whose job is stopped once it is seen."""

    async def seen() -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        async for update in updates:
            out |= update
            if stop is not None:
                stop.cancel()
        return out

    return asyncio.run(seen())
