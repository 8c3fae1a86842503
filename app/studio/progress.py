"""Where something that takes a while stands. Light to import: the first page needs it before the libraries are there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """Where something that takes a while stands: what is going on, in words, and the share of the whole that is done."""

    words: str
    fraction: float

    @classmethod
    def counted(cls, words: str, done: int, total: int) -> Stage:
        """`done` of `total` equal parts."""
        return cls(f"{words}: {done:,} of {total:,}", done / total if total else 0.0)


@dataclass(frozen=True)
class Waiting:
    """The job is in the queue behind `ahead` others."""

    ahead: int
