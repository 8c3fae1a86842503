"""Histories that cannot be: each is refused with its reason, and the state is as it was."""

from __future__ import annotations

import pytest
from hypothesis import given

from app.errors import JournalError
from app.journal.events import (
    Calibrated,
    EpsilonChanged,
    EpsilonRedone,
    EpsilonUndone,
    EventData,
    Marked,
    Redone,
    Returned,
    StoredEvent,
    Undone,
    Unmarked,
)
from app.journal.state.journal_state import JournalState
from tests.app.journal.samples import WIDTH, edited, generated, histories, reread, vector
from tests.app.journal.states import START, stored, summary

TEXT = "Who was Ada Lovelace?"
IMPOSSIBLE: list[tuple[EventData, str]] = [
    (generated("q1"), "the query 'q1' is already there"),
    (edited("e1"), "the edit 'e1' is already there"),
    (edited("gone"), "the edit 'gone' is already there"),
    (Undone("nope"), "the edit 'nope' is not there"),
    (Redone("nope"), "the edit 'nope' is not there"),
    (Undone("gone"), "the edit 'gone' is already undone"),
    (Redone("e1"), "the edit 'e1' is not undone"),
    (Marked("m9", "nope", 0, 1, "x", "wrong"), "the query 'nope' is not there"),
    (Marked("m1", "q1", 0, 1, "x", "wrong"), "the mark 'm1' is already there"),
    (Unmarked("nope"), "the mark 'nope' is not there"),
    (Unmarked("m2"), "the mark 'm2' is not there, or was removed before"),
    (Calibrated(1, "", (), vector(1)[None]), "calibration 1 comes after calibration 4"),
    (EpsilonChanged("c1", None, 0.2, "r0"), "the change of ε 'c1' is already there"),
    (EpsilonChanged("c9", ("e1", "nope"), 0.2, "r0"), "the edit 'nope' is not there"),
    (EpsilonChanged("c9", (), 0.2, "r0"), "the change of ε 'c9' names no edit"),
    (EpsilonChanged("c9", None, 0.0, "r0"), "ε is 0.0, which is no radius above 0"),
    (EpsilonUndone("nope"), "the change of ε 'nope' is not there"),
    (EpsilonRedone("nope"), "the change of ε 'nope' is not there"),
    (EpsilonUndone("c2"), "the change of ε 'c2' is already undone"),
    (EpsilonRedone("c1"), "the change of ε 'c1' is not undone"),
    (EpsilonUndone("c0"), "the change of ε 'c0' was made while prompts were read otherwise"),
    (EpsilonChanged("c0", None, 0.2, "r0"), "the change of ε 'c0' was made while prompts were read otherwise"),
    (generated("q9"), "since then prompts are read otherwise"),
    (edited("e9", reading="r9"), "since then prompts are read otherwise"),
    (Calibrated(99, "", (), vector(1)[None]), "since then prompts are read otherwise"),
    (EpsilonChanged("c9", None, 0.2), "since then prompts are read otherwise"),
    (reread("r0", (TEXT,), version=9), "the reading 'r0' is already there"),
    (reread("r2", (TEXT,), version=4), "calibration 4 comes after calibration 4"),
    (reread("r2", version=9), "1 prompts of edits or logged queries were not read"),
    (reread("r2", (TEXT,), version=9, epsilon=0.0), "ε is 0.0, which is no radius above 0"),
    (reread("r2", (TEXT,), version=9, activations=vector(1)[None][:0]), "there are 1 prompts and 0 activations"),
    (reread("r2", (TEXT,), version=9, encoding="raw", weighed=4), "there are 3 background prompts and 3 activations"),
    (reread("r2", (TEXT,), version=9, background=()), "there are 0 background prompts and 3 activations"),
    (Returned("nope", 0.2, (), vector(1)[None][:0]), "the reading 'nope' is not there"),
    (Returned("r0", 0.2, (), vector(1)[None][:0]), "the reading 'r0' is already in force"),
    (Returned("", 0.2, (), vector(1)[None][:0]), "1 prompts of edits or logged queries were not read"),
]


@pytest.mark.parametrize(("data", "message"), IMPOSSIBLE)
def test_an_impossible_history_is_refused_and_changes_nothing(data: EventData, message: str) -> None:
    history: list[EventData] = [
        EpsilonChanged("c0", None, 0.3),
        reread("r0", version=3),
        generated("q1", reading="r0"),
        Marked("m1", "q1", 0, 3, "Ada", "wrong"),
        Marked("m2", "q1", 0, 3, "Ada", "wrong"),
        Unmarked("m2"),
        edited("e1", reading="r0"),
        edited("gone", reading="r0"),
        Undone("gone"),
        Calibrated(4, "", (), vector(1, WIDTH)[None], "r0"),
        EpsilonChanged("c1", None, 0.3, "r0"),
        EpsilonChanged("c2", ("e1",), 0.3, "r0"),
        EpsilonUndone("c2"),
    ]
    state = JournalState.of(stored(history))
    before = summary(state)
    with pytest.raises(JournalError, match=f"This cannot be recorded: {message}"):
        state.check(data)
    with pytest.raises(JournalError, match=rf"impossible at event 99 \({data.KIND}\): {message}.* from a backup"):
        state.apply(StoredEvent(99, "c", START, "", data))
    assert summary(state) == before


@given(histories())
def test_check_lets_all_pass_that_can_follow(history: list[EventData]) -> None:
    state = JournalState()
    for event in stored(history):
        state.check(event.data)
        state.apply(event)


def test_events_out_of_order_or_of_another_codebook_are_refused() -> None:
    state = JournalState.of(stored([generated("q1")], start=5))
    with pytest.raises(JournalError, match=r"impossible at event 5 .*: it comes after event 5"):
        state.apply(StoredEvent(5, "c", START, "", generated("q2")))
    with pytest.raises(JournalError, match="it belongs to 'd', the others to 'c'"):
        state.apply(StoredEvent(6, "d", START, "", generated("q2")))
    assert state.revision == 5


def test_a_dangling_reference_that_changes_no_state_is_no_contradiction() -> None:
    """The edit named by an answer may be withdrawn meanwhile; the query of an edit is only for the reader."""
    state = JournalState.of(stored([generated("q1", edit_id="nope"), edited("e1", query_id="nope")]))
    assert state.revision == 3
