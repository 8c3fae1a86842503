"""Logged queries that get another answer, as a table with a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.ui.lab.table import rows_value
from grace_core.measuring.what_if import ChangedAnswer

SHOWN = 200
_KINDS = {"gained": "an edit answers", "lost": "the model answers itself", "switched": "another edit answers"}
_NO_EDIT = "none: the model itself"
COLUMNS = ("Logged query", "Change", "What was answered", "Target of the edit that answers then")
NOTHING = rows_value((), ())


def changed_value(changed: Sequence[ChangedAnswer], filename: str) -> dict[str, Any]:
    """What the table draws; the CSV holds all rows. filename: without ending."""
    rows = [
        (one.query.prompt, _KINDS[one.kind], one.query.text, _NO_EDIT if one.target_after is None else one.target_after)
        for one in changed
    ]
    return rows_value(COLUMNS, rows, filename=filename, shown=SHOWN)
