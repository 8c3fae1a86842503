"""Keeps the Lab's last results in files, so that a reload or a restart shows them again. Plain JSON; knows no figure."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from app.studio.views import Status

log = logging.getLogger(__name__)


class _Plain(Protocol):
    """A result whose plain form holds no None: in the file null stands for a number that is none, a loss that diverged say."""

    def to_dict(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=_Plain)


class LabResult(Generic[R]):
    """The last result of one kind. Shared by all browsers; safe to call from any thread.

    `number` rises with every new result (0: none yet), so that a page can tell whether it shows the last one.
    """

    def __init__(self, file: Path | None, read: Callable[[dict[str, Any]], R]) -> None:
        """file: where it is kept; None keeps it in memory. read: the inverse of its `to_dict`."""
        self._file = file
        self._lock = threading.Lock()
        self._value: R | None = None
        self.number = 0
        if file is not None and file.is_file():
            try:
                self._value = read(_with_nan(json.loads(file.read_text(encoding="utf-8"))))
                self.number = 1
            except (ValueError, TypeError, KeyError, OSError) as error:
                log.warning("The result kept in %s cannot be read (%s); measure again to replace it.", file, error)

    @property
    def value(self) -> R | None:
        """The last result, or None."""
        with self._lock:
            return self._value

    def keep(self, value: R) -> str:
        """Show this one from now on. Returns "", or why it is not kept in its file, in words; it then stays in memory."""
        with self._lock:
            self._value = value
            self.number += 1
            if self._file is None:
                return ""
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                new = self._file.with_suffix(".new")
                new.write_text(json.dumps(_with_null(value.to_dict()), allow_nan=False), encoding="utf-8")
                new.replace(self._file)
            except OSError as error:
                log.warning("The result could not be kept in %s: %s", self._file, error)
                why = error.strerror or str(error)
                return f"This result could not be kept in {self._file} ({why}); it is shown until the studio ends."
            return ""


def _with_null(plain: Any) -> Any:
    """Plain JSON with null in place of each number that JSON does not know: NaN and the infinities."""
    if isinstance(plain, float):
        return plain if math.isfinite(plain) else None
    if isinstance(plain, dict):
        return {name: _with_null(value) for name, value in plain.items()}
    return [_with_null(value) for value in plain] if isinstance(plain, list | tuple) else plain


def _with_nan(plain: Any) -> Any:
    """The inverse, but that an infinity has become NaN."""
    if plain is None:
        return math.nan
    if isinstance(plain, dict):
        return {name: _with_nan(value) for name, value in plain.items()}
    return [_with_nan(value) for value in plain] if isinstance(plain, list) else plain


def result_file(status: Status, kind: str) -> Path | None:
    """One file for each kind and codebook, however that reads its prompts now; None without a data folder."""
    folder = Path(status.data_dir)
    if not folder.is_dir():
        return None
    return folder / "lab" / f"{kind}-{hashlib.blake2b(status.codebook_id.encode(), digest_size=8).hexdigest()}.json"
