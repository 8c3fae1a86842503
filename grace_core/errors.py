"""One shallow tree of errors. A message says what was received and what to do; a person is shown it as it is."""

from __future__ import annotations


class GraceError(Exception):
    """Root of everything that is meant for a person. Any other exception is a bug."""


class InputError(GraceError):
    """Input that cannot be worked with: an empty prompt, one that is too long, a target that is already said, ..."""


class ModelError(GraceError):
    """A model that cannot be used: an unknown name or layer, a file whose hash differs, ..."""


class CodebookError(GraceError):
    """A codebook file that is corrupt, or made for another model or other layers."""


class Cancelled(GraceError):
    """Work that was stopped because a person asked for it."""


def first_line(error: BaseException) -> str:
    """What a foreign error says, as part of a message of ours: its first line, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
