"""Giving memory back works where the C library can, and is nothing elsewhere."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from grace_core import memory


def resident() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024


@pytest.mark.skipif(not sys.platform.startswith("linux") or memory._trim() is None, reason="needs glibc on Linux")
def test_what_lies_free_between_kept_pieces_is_given_back() -> None:
    # Small enough for the heap; every hundredth piece stays, so that the heap's end cannot simply be cut off.
    pieces = [torch.ones(16_384) for _ in range(3_000)]
    full = resident()
    kept = pieces[::100]
    del pieces
    memory.give_back()
    assert resident() < full - 3_000 * 16_384 * 4 // 2
    assert all(bool((piece == 1).all()) for piece in kept)


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str | None) -> NoReturn:
        raise OSError(f"no library {name}")

    monkeypatch.setattr(ctypes, "CDLL", none)
    memory._trim.cache_clear()
    try:
        memory.give_back()
    finally:
        memory._trim.cache_clear()
