"""The fold: what a history adds up to, against a model that anyone can read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.journal.events import (
    Calibrated,
    Edited,
    EpsilonChanged,
    EpsilonRedone,
    EpsilonUndone,
    EventData,
    Generated,
    Marked,
    Redone,
    Reread,
    Returned,
    StoredEvent,
    Undone,
    Unmarked,
)
from app.journal.state.answers import Mark
from app.journal.state.journal_state import JournalState
from grace_core.config import GraceConfig
from tests.app.journal.samples import WIDTH, edited, generated, histories, one_of_each, reread, vector
from tests.app.journal.states import START, reading_summary, stored, summary


def test_a_new_state_is_empty() -> None:
    state = JournalState()
    assert state.active_edits() == ()
    assert state.marks("q1") == ()
    assert (state.edits, state.queries, state.calibrations, state.revision) == ({}, {}, [], 0)


def test_one_of_each() -> None:
    events = stored(one_of_each())
    state = JournalState.of(events)
    assert list(state.queries) == ["q1"]
    assert state.queries["q1"].generated == generated("q1")
    assert state.queries["q1"].event is events[0]
    assert state.marks("q1") == ()
    assert list(state.edits) == ["e1"]
    assert state.edits["e1"].event is events[2]
    assert [calibrated.version for calibrated in state.calibrations] == [1]
    assert state.revision == events[-1].seq


def test_an_edit_is_what_was_learned() -> None:
    state = JournalState.of(stored([edited("e1")]))
    (edit,) = state.active_edits()
    source = edited("e1")
    assert (edit.edit_id, edit.prompt, edit.target) == (source.edit_id, source.prompt, source.target)
    assert (edit.target_ids, edit.paraphrases) == (source.target_ids, source.paraphrases)
    assert edit.epsilon == source.requested_epsilon
    assert edit.activation.tobytes() == vector(2).tobytes()
    assert edit.value.tobytes() == source.value.tobytes()


def test_a_mark_says_by_whom_and_when() -> None:
    events = stored([generated("q1"), Marked("m1", "q1", 0, 3, "Ada", "wrong"), Marked("m2", "q1", 4, 6, "is", "fine")])
    state = JournalState.of(events)
    assert state.marks("q1") == (
        Mark("m1", "q1", 0, 3, "Ada", "wrong", "author 1", events[1].at),
        Mark("m2", "q1", 4, 6, "is", "fine", "author 2", events[2].at),
    )
    state.apply(StoredEvent(99, "c", START, "", Unmarked("m1")))
    assert [mark.mark_id for mark in state.marks("q1")] == ["m2"]
    assert state.mark("m1") is None


def test_a_redo_returns_to_its_old_place() -> None:
    history: list[EventData] = [edited("a"), edited("b"), edited("c"), Undone("b")]
    state = JournalState.of(stored(history))
    assert [edit.edit_id for edit in state.active_edits()] == ["a", "c"]
    state.apply(StoredEvent(99, "c", START, "", Redone("b")))
    assert [edit.edit_id for edit in state.active_edits()] == ["a", "b", "c"]


def naive_reading(past: Sequence[EventData]) -> str:
    return next((data.reading_id for data in reversed(past) if isinstance(data, Reread | Returned)), "")


def naive_came(past: Sequence[EventData], made: Edited | Generated, reading: str) -> tuple[bytes, float]:
    """How something came into a reading: as it was made there, or with the first event that took it in."""
    if made.reading == reading:
        return made.activation.tobytes(), made.requested_epsilon if isinstance(made, Edited) else 0.0
    later = past[next(i for i, data in enumerate(past) if data is made) :]
    taken = next(data for data in later if isinstance(data, Reread | Returned) and data.reading_id == reading)
    return taken.activations[taken.prompts.index(made.prompt)].tobytes(), taken.epsilon


def naive_epsilon(past: Sequence[EventData], edited: Edited) -> float:
    """The last change of the present reading about this edit that was not withdrawn: as if no other had ever been made."""
    words = {data.change_id: type(data) for data in past if isinstance(data, EpsilonChanged | EpsilonUndone | EpsilonRedone)}
    later = past[next(i for i, data in enumerate(past) if data is edited) :]
    reading = naive_reading(past)
    asked = naive_came(past, edited, reading)[1]
    for data in later:
        if isinstance(data, EpsilonChanged) and data.reading == reading and words[data.change_id] is not EpsilonUndone:
            asked = data.epsilon if data.edit_ids is None or edited.edit_id in data.edit_ids else asked
    return asked


@given(histories(max_size=40))
def test_active_edits_are_those_of_the_naive_model(history: list[EventData]) -> None:
    """After every event: the edits so far, less those whose last word is an undo."""
    state = JournalState()
    for length, event in enumerate(stored(history), start=1):
        state.apply(event)
        past = history[:length]
        made = [data for data in past if isinstance(data, Edited)]
        words = {data.edit_id: type(data) for data in past if isinstance(data, Edited | Undone | Redone)}
        expected = [data for data in made if words[data.edit_id] is not Undone]
        active = state.active_edits()
        assert [edit.edit_id for edit in active] == [data.edit_id for data in expected]
        for edit, data in zip(active, expected, strict=True):
            assert edit.activation.tobytes() == naive_came(past, data, naive_reading(past))[0]
            assert edit.value.tobytes() == data.value.tobytes()
            assert (edit.prompt, edit.target, edit.epsilon) == (data.prompt, data.target, naive_epsilon(past, data))
        removed = {data.mark_id for data in past if isinstance(data, Unmarked)}
        kept = [data.mark_id for data in past if isinstance(data, Marked) and data.mark_id not in removed]
        assert sorted(mark.mark_id for query_id in state.queries for mark in state.marks(query_id)) == sorted(kept)
        asked = [data for data in past if isinstance(data, Generated)]
        assert list(state.queries) == [data.query_id for data in asked]
        for record, query in zip(state.queries.values(), asked, strict=True):
            assert record.activation.tobytes() == naive_came(past, query, naive_reading(past))[0]
        calibrated = [data for data in past if isinstance(data, Calibrated) and data.reading == naive_reading(past)]
        assert state.calibrations[len(state.calibrations) - len(calibrated) :] == calibrated
        assert state.revision == event.seq


@given(histories(), st.data())
def test_it_does_not_matter_where_the_first_load_ended(history: list[EventData], data: st.DataObject) -> None:
    events = stored(history)
    middle = data.draw(st.integers(0, len(events)))
    state = JournalState.of(events[:middle])
    for event in events[middle:]:
        state.apply(event)
    assert summary(state) == summary(JournalState.of(events))


@given(histories(max_size=30), st.data())
def test_a_reading_that_is_left_and_returned_to_is_as_it_was_left(history: list[EventData], data: st.DataObject) -> None:
    """Bit for bit, whatever was made in between: more edits and queries, undos, other calibrations and radii."""
    state = JournalState.of(stored(history))
    own = state.query_space.reading_id
    left = reading_summary(state.query_space)
    edits = {edit_id: (record.edit.epsilon, record.edit.activation.tobytes()) for edit_id, record in state.edits.items()}
    queries = {query_id: record.activation.tobytes() for query_id, record in state.queries.items()}

    def add(event: EventData) -> None:
        state.apply(StoredEvent(state.revision + 1, "c", START, "", event))

    def texts() -> tuple[str, ...]:
        return tuple(sorted(state.unread(None)))

    add(reread("elsewhere", texts(), version=state.next_version))
    add(edited("new", reading="elsewhere", requested_epsilon=0.7))
    add(generated("new", reading="elsewhere"))
    add(EpsilonChanged("new", None, data.draw(st.floats(0.1, 2)), "elsewhere"))
    add(Calibrated(state.next_version, "new", ("x",), vector(9)[None], "elsewhere"))
    lacking = tuple(sorted(state.unread(state.query_spaces[own])))
    assert lacking == ("Who was Ada Lovelace?",)
    add(Returned(own, 0.125, lacking, vector(10)[None]))
    assert {
        edit_id: (record.edit.epsilon, record.edit.activation.tobytes())
        for edit_id, record in state.edits.items()
        if edit_id != "new"
    } == edits
    assert {key: record.activation.tobytes() for key, record in state.queries.items() if key != "new"} == queries
    now = reading_summary(state.query_space)
    assert (now[0], now[1], now[4], now[5]) == (left[0], left[1], left[4], left[5])
    new = state.edits["new"].edit
    assert (new.epsilon, new.activation.tobytes()) == (0.125, vector(10).tobytes())
    assert state.queries["new"].activation.tobytes() == vector(10).tobytes()
    # Further on: the other reading is there as well, as it was left.
    add(Returned("elsewhere", 0.9, (), np.zeros((0, WIDTH), np.float32)))
    assert state.edits["new"].edit.epsilon == state.epsilon_changes["new"].changed.epsilon
    assert [step.reason for step in state.calibrations] == ["reread", "new"]


@given(histories(max_size=30), st.data())
def test_an_undone_edit_leaves_no_trace_in_whichever_reading(history: list[EventData], data: st.DataObject) -> None:
    """Undoing an edit gives the edits that would be in force had it never been made, in each reading."""
    made = [one.edit_id for one in history if isinstance(one, Edited)]
    gone = data.draw(st.sampled_from([*made, "none"]))
    without = [one for one in history if getattr(one, "edit_id", None) != gone or isinstance(one, Generated)]
    without = [one for one in without if not isinstance(one, EpsilonChanged) or gone not in (one.edit_ids or ())]
    kept = {one.change_id for one in without if isinstance(one, EpsilonChanged)}
    without = [one for one in without if not isinstance(one, EpsilonUndone | EpsilonRedone) or one.change_id in kept]
    state, never = JournalState.of(stored(history)), JournalState.of(stored(without))
    if gone in state.edits and not state.edits[gone].undone:
        state.apply(StoredEvent(state.revision + 1, "c", START, "", Undone(gone)))
    shared = {key for key in state.epsilon_changes if key not in never.epsilon_changes}
    if shared:  # a change that names it and others is another change without it
        return
    assert [(e.edit_id, e.epsilon, e.activation.tobytes()) for e in state.active_edits()] == [
        (e.edit_id, e.epsilon, e.activation.tobytes()) for e in never.active_edits()
    ]
    assert state.calibrations == never.calibrations
    assert state.query_space.reading_id == never.query_space.reading_id


@given(histories(max_size=20), st.data())
def test_a_copy_is_apart(history: list[EventData], data: st.DataObject) -> None:
    state = JournalState.of(stored(history))
    before = summary(state)
    copy = state.copied()
    assert summary(copy) == before
    later: list[EventData] = [
        reread("elsewhere", tuple(sorted(state.unread(None))), version=state.next_version),
        edited("new", reading="elsewhere"),
        EpsilonChanged("new", None, 0.3, "elsewhere"),
    ]
    for event in later[: data.draw(st.integers(1, 3))]:
        copy.apply(StoredEvent(copy.revision + 1, "c", START, "", event))
    assert summary(state) == before
    assert summary(copy) != before


def test_a_reading_has_its_own_radii_and_calibrations() -> None:
    """A change of ε counts where it was made, and waits there; so does a calibration. Versions rise over all readings."""
    text = "Who was Ada Lovelace?"
    state = JournalState.of(
        stored(
            [
                Calibrated(1, "background", ("x", "y"), np.stack([vector(1), vector(2)])),
                edited("e1"),
                EpsilonChanged("c1", None, 0.4),
                reread("r1", (text,), version=2),
                EpsilonChanged("c2", None, 0.8, "r1"),
                edited("e2", reading="r1"),
            ]
        )
    )
    assert [edit.epsilon for edit in state.active_edits()] == [0.8, 0.9]
    assert (list(state.epsilon_changes), state.query_space.version, state.next_version) == (["c2"], 2, 3)
    assert state.query_space.weighed == ("a", "b")
    assert state.query_space.background == ("a", "b", "c")
    state.apply(StoredEvent(50, "c", START, "", EpsilonUndone("c2")))
    assert [edit.epsilon for edit in state.active_edits()] == [0.25, 0.9]
    state.apply(StoredEvent(51, "c", START, "", Returned("", 0.3, (text,), vector(7)[None])))
    assert [edit.epsilon for edit in state.active_edits()] == [0.4, 0.3]
    assert (list(state.epsilon_changes), state.query_space.version, state.next_version) == (["c1"], 1, 3)
    assert state.query_space.weighed == ("x", "y")
    state.apply(StoredEvent(52, "c", START, "", EpsilonUndone("c1")))
    assert [edit.epsilon for edit in state.active_edits()] == [0.9, 0.3]


def test_a_reading_changes_the_configuration_and_nothing_else_of_it() -> None:
    base = GraceConfig.early(key_layer=1, value_layer=5)
    state = JournalState.of(stored([reread("r1")]))
    expected = GraceConfig.early(key_layer=2, value_layer=5, pool="last", epsilon=0.25)
    assert (state.query_space.config(base), state.query_spaces[""].config(base)) == (expected, base)


@given(histories(max_size=30), st.data())
def test_undoing_all_changes_of_epsilon_in_any_order_leaves_what_was_asked_for_and_redoing_restores_all(
    history: list[EventData], data: st.DataObject
) -> None:
    state = JournalState.of(stored(history))
    before = {edit_id: record.edit.epsilon for edit_id, record in state.edits.items()}
    order = data.draw(st.permutations([change_id for change_id, one in state.epsilon_changes.items() if not one.undone]))
    for change_id in order:
        state.apply(StoredEvent(state.revision + 1, "c", START, "", EpsilonUndone(change_id)))
    for record in state.edits.values():
        assert record.edit.epsilon == naive_came(history, record.edited, naive_reading(history))[1]
    for change_id in data.draw(st.permutations(order)):
        state.apply(StoredEvent(state.revision + 1, "c", START, "", EpsilonRedone(change_id)))
    assert {edit_id: record.edit.epsilon for edit_id, record in state.edits.items()} == before


def test_a_change_for_all_is_about_the_edits_of_its_time_and_survives_their_undo() -> None:
    first: list[EventData] = [edited("a"), edited("b"), Undone("b"), EpsilonChanged("all", None, 0.2), edited("c"), Redone("b")]
    state = JournalState.of(stored(first))
    assert [edit.epsilon for edit in state.active_edits()] == [0.2, 0.2, 0.9]
    assert state.epsilon_changes["all"].edit_ids == {"a", "b"}
    later: list[EventData] = [EpsilonChanged("one", ("a",), 0.4), EpsilonUndone("all")]
    for seq, data in enumerate(later, start=50):
        state.apply(StoredEvent(seq, "c", START, "", data))
    assert [edit.epsilon for edit in state.active_edits()] == [0.4, 0.9, 0.9]


@given(histories(), st.data())
def test_undoing_everything_in_any_order_leaves_no_edit_and_redoing_restores_all(
    history: list[EventData], data: st.DataObject
) -> None:
    state = JournalState.of(stored(history))
    before = [edit.edit_id for edit in state.active_edits()]
    order = data.draw(st.permutations(before))
    for edit_id in order:
        state.apply(StoredEvent(state.revision + 1, state.stream or "c", START, "", Undone(edit_id)))
    assert state.active_edits() == ()
    for edit_id in data.draw(st.permutations(before)):
        state.apply(StoredEvent(state.revision + 1, state.stream or "c", START, "", Redone(edit_id)))
    assert [edit.edit_id for edit in state.active_edits()] == before
