"""A part of the Lab page."""

from __future__ import annotations

from app.ui.session import PageContext


def build_calibrate(context: PageContext) -> None:
    """Builds this part inside the current tab."""
