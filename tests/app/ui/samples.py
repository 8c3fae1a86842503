"""Records as the pages get them, and a workbench that answers at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.errors import NotFound
from app.studio.views import Answer, ChangeShown, EditOutcome, EditPage, EditRow, EditState, Mark, Verdict
from grace_core.errors import InputError

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


class DoneJob:
    """A job that has ended: with a result, or with an error."""

    position = 0
    cancelled = False

    def __init__(self, result: Any = None, error: Exception | None = None, events: tuple[object, ...] = ()) -> None:
        self._result, self._error, self._events = result, error, events

    def events(self) -> Iterator[object]:
        yield from self._events
        self.result()

    def result(self, timeout: float | None = None) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


class FakeBench:
    """As much of the workbench as the endpoints use."""

    def __init__(self) -> None:
        self.rows: dict[str, EditRow] = {}
        self.asked: list[tuple[Any, ...]] = []

    def generate(self, prompt: str, *, author: str = "") -> Any:
        if not prompt.strip():
            raise InputError("The prompt is empty. Type a question.")
        return DoneJob(answer(f"You said {prompt}", distance=0.25, epsilon=0.9, edit_id="e1"))

    def edit(self, prompt: str, target: str, *, paraphrases: tuple[str, ...] = (), author: str = "") -> Any:
        self.asked.append((prompt, target, paraphrases, author))
        edit_id = f"e{len(self.rows) + 1}"
        self.rows[edit_id] = row(edit_id, prompt=prompt, target=target, paraphrases=tuple(paraphrases), author=author)
        return DoneJob(outcome(edit_id=edit_id, prompt=prompt, target=target, text_after=target))

    def undo(self, edit_id: str, *, author: str = "") -> EditRow:
        if edit_id not in self.rows:
            raise NotFound(f"There is no edit {edit_id!r}; /edits lists all of them.")
        self.rows[edit_id] = replace(self.rows[edit_id], state="undone", epsilon=None)
        return self.rows[edit_id]

    def redo(self, edit_id: str, *, author: str = "") -> EditRow:
        self.rows[edit_id] = replace(self.rows[edit_id], state="active", epsilon=0.9)
        return self.rows[edit_id]

    def edits(self, *, offset: int = 0, limit: int = 50, **_: Any) -> EditPage:
        newest_first = list(reversed(self.rows.values()))
        counts: dict[EditState, int] = {"active": len(newest_first), "undone": 0, "superseded": 0}
        return EditPage(tuple(newest_first[offset : offset + limit]), len(newest_first), counts)
