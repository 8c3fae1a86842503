"""How the program is told to end: Ctrl+C and SIGTERM, wherever it is at that moment."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn, Self

_LOOK_EVERY = 0.2
"""Seconds between two looks. A signal that comes just before a sleep does not end it, so no sleep is long."""


class StopSignals:
    """Both signals raise KeyboardInterrupt while something starts or is fetched, and are noted while the app serves.

    Noted, since an exception may be raised at any line, also in a finalizer that swallows it. A context manager; it
    restores what was there. Outside the main thread it does nothing: signals belong to the main thread.
    """

    def __init__(self) -> None:
        self._asked = False
        self._noting = False
        self._previous: dict[signal.Signals, Any] = {}

    def note(self) -> None:
        """From now on a signal interrupts nothing; `wait` returns at the first."""
        self._noting = True

    def wait(self) -> None:
        """Until a signal has come. The next one raises KeyboardInterrupt again: closing can be cut short."""
        while not self._asked:
            time.sleep(_LOOK_EVERY)
        self._noting = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if not self._noting:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:  # as a shell sets it for what runs in the background
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def give_up_after(seconds: float) -> None:
    """End the process with status 1 if it still runs then, and say on stderr what each of its threads was doing."""

    def give_up() -> None:
        print(f"grace-studio: closing took more than {seconds:g} s; what each thread is doing:", file=sys.stderr)
        faulthandler.dump_traceback()
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True  # a process that ends in time does not wait for it
    timer.start()


def end(status: int) -> NoReturn:
    """End the process now that everything of ours is closed.

    Libraries do what they registered for the end (temporary files, the tunnel of a public link). But the interpreter
    is not taken down: that would pull it from below threads which still compile or compute (UMAP is compiled in the
    background for half a minute after the start), and one that is cut off with a lock in hand lets nobody end.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)
