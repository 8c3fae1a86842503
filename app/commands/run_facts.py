"""What a result file says of its run besides the figures: which commit, when, from which rows."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from app import __version__

_ROOT = Path(__file__).parents[2]


def commit(root: Path = _ROOT) -> str:
    """The checkout's commit, with “-dirty” where files differ from it; of an installed package its version."""
    try:
        top = _git(root, "rev-parse", "--show-toplevel")
        # A package that is installed inside somebody else's checkout has no commit of its own.
        if Path(top).resolve() == root.resolve():
            return _git(root, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        pass
    return f"version {__version__}"


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()
