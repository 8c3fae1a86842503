"""numpy's matrix library on one thread: sums over many rows come out with other last bits where their number differs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

# The setting is the process's own: two blocks that overlap would put back each other's.
_SETTING = threading.RLock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Whatever numpy multiplies or decomposes in the block has the same bits on any number of threads. One block at a time."""
    with _SETTING, _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Looking for them takes milliseconds, and numpy's is loaded by now."""
    import numpy  # noqa: F401

    return ThreadpoolController()
