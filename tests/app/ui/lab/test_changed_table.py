"""The table of changed answers says what was said."""

from __future__ import annotations

from app.ui.lab.changed_table import changed_value
from grace_core.measuring.what_if import ChangedAnswer, LoggedQuery


def test_what_was_answered_is_not_the_target_but_what_was_said() -> None:
    asked = LoggedQuery("q", "When was Iwamoto born?", "A type of fighter pilot.", "a")
    lost = ChangedAnswer(asked, "lost", "a", "A fighter pilot, born in 1916.", None, None, 0.1, 0.4, 0.05)
    switched = ChangedAnswer(asked, "switched", "a", "A pilot.", "b", "Another pilot.", 0.1, 0.4, 0.4)
    rows = changed_value([lost, switched], "file")["rows"]
    assert [row[2:] for row in rows] == [
        ["A type of fighter pilot.", "none: the model itself"],
        ["A type of fighter pilot.", "Another pilot."],
    ]
