"""Signals: raised while something starts, noted while the app serves, as they were before at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.server.stopping import StopSignals

ROOT = Path(__file__).parents[2]
BOTH = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def heeds_ctrl_c() -> Iterator[None]:
    """As in a terminal; a shell that runs these tests in the background ignores it for them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_interrupts_what_starts(number: signal.Signals) -> None:
    with StopSignals(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


@pytest.mark.parametrize("number", BOTH)
def test_a_noted_signal_interrupts_nothing_and_ends_the_wait(number: signal.Signals) -> None:
    with StopSignals() as stop:
        stop.note()
        signal.raise_signal(number)
        stop.wait()


def test_a_signal_that_comes_while_it_waits_ends_the_wait() -> None:
    with StopSignals() as stop:
        stop.note()
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
        stop.wait()


def test_a_second_signal_cuts_the_closing_short() -> None:
    with StopSignals() as stop:
        stop.note()
        signal.raise_signal(signal.SIGTERM)
        stop.wait()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_what_was_there_is_restored_and_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        own = signal.getsignal(signal.SIGTERM)
        with StopSignals():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != own
        assert signal.getsignal(signal.SIGTERM) == own
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_is_touched() -> None:
    own = signal.getsignal(signal.SIGTERM)
    inside: list[object] = []

    def work() -> None:
        with StopSignals():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [own]


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_end_does_not_wait_for_a_thread_that_holds_on_and_loses_no_word() -> None:
    result = run("""
import atexit, threading, time
from app.server.stopping import end
atexit.register(print, "tidied")
threading.Thread(target=time.sleep, args=(600,)).start()
print("said")
end(3)
""")
    assert (result.returncode, result.stdout) == (3, "said\ntidied\n")


def test_a_closing_that_hangs_ends_all_the_same_and_says_where() -> None:
    result = run("""
import threading
from collections.abc import Iterator
from app.server.stopping import give_up_after
def close_the_database():
    threading.Event().wait()
give_up_after(0.2)
close_the_database()
""")
    assert result.returncode == 1
    assert "closing took more than 0.2 s" in result.stderr
    assert "close_the_database" in result.stderr
