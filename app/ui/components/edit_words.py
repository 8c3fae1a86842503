"""What several pages say of an edit: its state in words, and whether its source may be a link."""

from __future__ import annotations

from urllib.parse import urlsplit

from app.studio.views import EditState

STATE_LABELS: dict[EditState, str] = {"active": "In force", "undone": "Undone", "superseded": "Replaced", "broken": "Damaged"}


def is_web_address(text: str) -> bool:
    """True only for http and https: nothing else may become a link."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
