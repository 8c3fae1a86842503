"""Records as the pages get them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.studio.changes import ChangeShown
from app.studio.views import Answer, EditOutcome, EditRow, EditState, Mark, Verdict

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def answer(text: str = "Ada was born in Paris.", **changes: Any) -> Answer:
    return replace(Answer("q1", "Who was Ada?", text, None, None, None, None, NOON), **changes)


def mark(mark_id: str, start: int, end: int, verdict: Verdict = "wrong", text: str = "") -> Mark:
    return Mark(mark_id, "q1", start, end, text, verdict, "Mira", NOON)


def row(edit_id: str = "e1", state: EditState = "active", **changes: Any) -> EditRow:
    epsilon = 0.9 if state == "active" else None
    return replace(
        EditRow(edit_id, "Who was Ada?", "Ada was born in London.", "Mira", NOON, epsilon, 3, state, "added"), **changes
    )


def outcome(**changes: Any) -> EditOutcome:
    change = ChangeShown("added", 0.9, None)
    return replace(
        EditOutcome(True, "e1", "Who?", "In London.", "In Paris.", "In London.", change, 0.9, (2.0, 0.04), 1.25),
        **changes,
    )
