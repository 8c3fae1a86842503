"""What can go wrong in the app around the core.

A message says what was received and what to do; pages show it as it is.
"""

from __future__ import annotations

from grace_core.errors import GraceError


class StudioError(GraceError):
    """Root of the app's own errors."""


class JournalError(StudioError):
    """The journal cannot be opened, read or written, or holds what cannot be."""


class DamagedEvent(JournalError):
    """One event's row is not as it was written, or holds what an event of its kind cannot hold. reason: what exactly."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} is damaged: {reason}. Restore the journal from a backup, or choose another data directory.")
        self.reason = reason


class JournalConflict(JournalError):
    """Somebody else appended first: what the caller decided was decided on an old state. Nothing was written."""


class NotFound(StudioError):
    """An id that names nothing in this codebook."""


class SettingsError(StudioError):
    """A flag, an environment variable or a settings file that makes no sense."""
