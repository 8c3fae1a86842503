"""What another ε would do, on lines that one can check by eye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_core.codebook.codebook import Codebook
from grace_core.errors import InputError
from grace_core.measuring.what_if import (
    LoggedQuery,
    Moment,
    asked_epsilon,
    present_radii,
    slider_end,
    turn_of,
    what_if,
)
from tests.grace_core.builders import line_codebook, made_edit


def view_of(codebook: Codebook, *at: float, fine: bool = False) -> Moment:
    """Logged queries at points of a line, named by where they are."""
    vectors = np.array(at, dtype=np.float32).reshape(-1, 1)
    matches = codebook.match(vectors)
    queries = tuple(LoggedQuery(f"q{x:g}", f"at {x:g}", "said", m.edit_id, fine) for x, m in zip(at, matches, strict=True))
    return Moment(codebook, queries, vectors, matches, 1)


def two() -> Codebook:
    return line_codebook(made_edit("a", [0], "x", epsilon=1), made_edit("b", [4], "y", epsilon=1))


def test_a_larger_radius_gains_and_a_smaller_one_loses() -> None:
    view = view_of(two(), 0, 0.8, 1.5, 3.5, 9)
    wide = what_if(view, 1.75, "a")
    assert [(c.query.query_id, c.kind, c.before, c.after, c.target_after) for c in wide.changed] == [
        ("q1.5", "gained", None, "a", "x")
    ]
    assert (wide.queries, wide.moved, wide.counts) == (5, 1, {"gained": 1, "lost": 0, "switched": 0})
    assert (wide.changed[0].distance, wide.changed[0].epsilon_before, wide.changed[0].epsilon_after) == (1.5, 1.0, 1.75)
    narrow = what_if(view, 0.2, None)
    assert [(c.query.query_id, c.kind, c.before, c.after) for c in narrow.changed] == [
        ("q3.5", "lost", "b", None),
        ("q0.8", "lost", "a", None),
    ]
    assert narrow.moved == 2
    assert what_if(view, 1.0, None).changed == ()


def test_keys_that_asked_for_less_than_new_edits_do_are_counted_where_that_is_lifted() -> None:
    codebook = line_codebook(made_edit("a", [0], "x", epsilon=0.3), made_edit("b", [4], "y", epsilon=1))
    assert codebook.config.epsilon == 1
    view = view_of(codebook)
    assert [what_if(view, epsilon, None).lifted for epsilon in (0.2, 0.3, 0.5, 1.5)] == [0, 0, 1, 1]
    assert [what_if(view, 1.5, edit_id).lifted for edit_id in ("a", "b")] == [1, 0]


def test_a_radius_ends_half_way_to_the_nearest_other_target_and_says_which() -> None:
    view = view_of(two(), 1.9, 2.1)
    found = what_if(view, 3.0, None)
    assert [(cap.kind, cap.edit_id, cap.asked, cap.epsilon, cap.other_id, cap.distance) for cap in found.caps] == [
        ("rival", "a", 3.0, 2.0, "b", 4.0),
        ("rival", "b", 3.0, 2.0, "a", 4.0),
    ]
    assert [change.after for change in found.changed] == ["a", "b"]
    one = what_if(view, 0.5, "a")
    assert one.caps == ()
    assert one.room is not None
    assert (one.room.other_id, one.room.other_prompt, one.room.distance) == ("b", "prompt of b", 4.0)
    assert what_if(view_of(line_codebook(made_edit("a", [0], "x"))), 5, "a").room is None


def test_a_key_that_serves_another_edit_keeps_it_until_both_shrink() -> None:
    """The chosen radius is asked for by every edit of the key, so it can always be reached; the guest gets a key of its own."""
    shared = line_codebook(made_edit("a", [0], "x"), made_edit("b", [0.5], "x", epsilon=0.1))
    assert shared.entries[0].edit_ids == ("a", "b")
    found = what_if(view_of(shared, 0.5, 0.2, -0.3), 0.25, "a")
    assert [entry.edit_ids for entry in found.after.entries] == [("a",), ("b",)]
    assert [entry.epsilon for entry in found.after.entries] == [0.25, 0.25]
    # The query at 0.5 is answered by another key, with the very same value: its answer is the same.
    assert [(change.query.query_id, change.kind) for change in found.changed] == [("q-0.3", "lost")]


def test_a_key_that_grew_for_another_edit_says_for_which() -> None:
    """The published rule expands a key to a near edit with the same target."""
    shared = line_codebook(made_edit("a", [0], "x"), made_edit("b", [1.5], "x"), rule="published")
    (cap,) = what_if(view_of(shared), 0.9, None).caps
    assert (cap.kind, cap.edit_id, cap.asked, cap.epsilon) == ("serves", "a", 0.9, 1.5)
    assert (cap.other_id, cap.other_prompt, cap.distance) == ("b", "prompt of b", 1.5)


def test_a_query_may_switch_to_another_edit() -> None:
    """Under the published rule a wider first key takes in the second, with its answers."""
    codebook = line_codebook(
        made_edit("a", [0], "x", value=1), made_edit("b", [1.5], "x", epsilon=0.2, value=2), rule="published"
    )
    assert len(codebook) == 2
    found = what_if(view_of(codebook, 1.5), 1.6, "a")
    assert [(change.kind, change.before, change.after) for change in found.changed] == [("switched", "b", "a")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from("xyz"), st.sampled_from([0.2, 1.0, 3.0])), min_size=1, max_size=7),
    st.lists(st.floats(-5, 15, width=32), max_size=12),
    st.sampled_from([0.1, 0.6, 2.5]),
    st.integers(-1, 6),
    st.sampled_from(["separated", "published"]),
)
def test_the_prediction_is_what_the_changed_codebook_says(
    edits: list[tuple[int, str, float]], at: list[float], epsilon: float, chosen: int, rule: str
) -> None:
    made = [made_edit(f"e{i}", [x / 4], t, epsilon=e, value=ord(t)) for i, (x, t, e) in enumerate(edits)]
    codebook = line_codebook(*made, rule=rule)
    entry = codebook.entries[chosen % len(codebook)].edit_id if chosen >= 0 else None
    view = view_of(codebook, *at)
    found = what_if(view, epsilon, entry)
    ids = [edit.edit_id for edit in made] if entry is None else list((codebook.entry_of(entry) or codebook.entries[0]).edit_ids)
    asked = [replace(edit, epsilon=epsilon) if edit.edit_id in ids else edit for edit in made]
    fresh = line_codebook(*asked, rule=rule).match(view.vectors)
    values = [(m.entry.target if m.matched and m.entry else None) for m in fresh]
    before = [(m.entry.target if m.matched and m.entry else None) for m in view.matches]
    told = {change.query.query_id: change.target_after for change in found.changed}
    assert [told.get(query.query_id, old) for query, old in zip(view.queries, before, strict=True)] == values


def test_what_cannot_be_is_refused() -> None:
    view = view_of(two(), 1)
    with pytest.raises(InputError, match="no key in force"):
        what_if(view, 1, "gone")
    with pytest.raises(InputError, match="above 0"):
        what_if(view, 0, None)
    with pytest.raises(InputError, match="No edit is in force"):
        asked_epsilon(line_codebook(), None)


def test_what_is_asked_for_now_and_how_far_a_slider_goes() -> None:
    codebook = line_codebook(made_edit("a", [0], "x", epsilon=0.5), made_edit("b", [4], "y", epsilon=1), made_edit("c", [9], "z"))
    assert asked_epsilon(codebook, None) == (0.5, 1.0, 1.0)
    assert asked_epsilon(codebook, "a") == (0.5, 0.5, 0.5)
    assert slider_end(codebook) >= 5
    assert slider_end(line_codebook()) == 2.0


def test_where_every_key_has_its_cap_it_says_how_far_they_go_and_what_is_kept_out() -> None:
    view = view_of(two().with_epsilons({"a": 2.0, "b": 2.0}), 0.5, -2.5, 7)
    wide = what_if(view, 3.0, None)
    assert (wide.moved, wide.keys, wide.ceiling) == (0, 2, 2.0)
    assert [query.query_id for query in wide.beyond] == ["q-2.5", "q7"]
    assert [query.query_id for query in what_if(view, 3.0, "a").beyond] == ["q-2.5"]
    below = what_if(view, 1.9, None)
    assert (below.ceiling, below.beyond) == (None, ())


def test_the_present_radii_are_those_that_the_keys_have() -> None:
    codebook = line_codebook(*(made_edit(name, [at], name, epsilon=1.8) for name, at in (("a", 0), ("b", 2), ("c", 5), ("d", 9))))
    assert present_radii(codebook, None) == (1.0, 1.25, 1.8)
    assert asked_epsilon(codebook, None) == (1.8, 1.8, 1.8)
    assert present_radii(codebook, "c") == (1.5, 1.5, 1.5)
    with pytest.raises(InputError):
        present_radii(line_codebook(), None)


def test_which_epsilon_would_have_answered_otherwise() -> None:
    view = view_of(two(), 0.5, 1.7, -2.5, 0, 9.123)
    told = [turn_of(view, query.query_id) for query in view.queries]
    turns = [turn for turn in told if turn is not None]
    assert len(turns) == 5
    assert [(turn.edit_id, turn.answered) for turn in turns] == [
        ("a", True), ("a", False), ("a", False), ("a", True), ("b", False)
    ]  # fmt: skip
    below, above, capped, own, far = (turn.other for turn in turns)
    assert below is not None
    assert above is not None
    assert 0.49 < below < 0.5
    assert 1.7 <= above < 1.71
    for other, query in ((below, "q0.5"), (above, "q1.7")):
        assert query in [change.query.query_id for change in what_if(view, other, "a").changed]
    assert (capped, far) == (None, None)  # beyond half way to the other key
    assert own is None  # at distance 0 it is within any ε
    assert turn_of(view, "none") is None
    assert turn_of(view_of(line_codebook(), 1), "q1") is None
