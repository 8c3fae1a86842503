"""What one edit did to a codebook, in the words of a reviewer: added, expanded, split or superseded."""

from __future__ import annotations

import pytest

from grace_core.codebook.change import Change, Cut, describe_change
from grace_core.codebook.codebook import Codebook, Edit, Rival
from grace_core.codebook.encoder import Encoder
from grace_core.config import Rule
from tests.grace_core.builders import line_codebook, made_edit


def changed(*edits: Edit, rule: Rule = "published") -> Change:
    """What the last edit did to the codebook of the others."""
    config, encoder = line_codebook(rule=rule).config, Encoder.raw(len(edits[-1].activation))
    before = Codebook(config, encoder, edits[:-1])
    return describe_change(before, before.with_edit(edits[-1]), edits[-1])


def change_of(*edits: Edit, rule: Rule = "published") -> tuple[str, float | None, list[tuple[str, float, float]], str | None]:
    change = changed(*edits, rule=rule)
    return (
        change.kind,
        change.nearest.distance,
        [(s.edit_id, s.before, s.after) for s in change.shrunk],
        change.superseded,
    )


def test_a_change_says_added_expanded_split_or_superseded() -> None:
    first = made_edit("a", [0.0], "x")
    assert change_of(first) == ("added", None, [], None)
    assert change_of(first, made_edit("b", [5.0], "y")) == ("added", 5.0, [], None)
    assert change_of(first, made_edit("b", [1.5], "x")) == ("expanded", 1.5, [], None)
    assert change_of(first, made_edit("b", [1.5], "y")) == ("split", 1.5, [("a", 1.0, 0.75)], None)
    assert change_of(first, made_edit("b", [0.0], "y", prompt="prompt of a"))[0] == "superseded"
    assert change_of(first, made_edit("b", [0.0], "y", prompt="prompt of a"))[3] == "a"


def test_a_superseded_key_is_not_its_own_nearest_neighbour() -> None:
    near = made_edit("n", [3.0], "z", epsilon=0.5)
    change = change_of(made_edit("a", [0.0], "x"), near, made_edit("b", [0.0], "y", prompt="prompt of a"))
    assert change[1] == 3.0


def test_a_value_that_was_reused_expands_under_the_separated_rule() -> None:
    first = made_edit("a", [0.0], "x", value=1)
    second = made_edit("b", [0.5], "x", value=1)
    codebook, change = line_codebook(first, second), changed(first, second, rule="separated")
    assert change.kind == "expanded"
    assert change.entry.edit_ids == ("a", "b")
    assert codebook.entry_of("b") is codebook.entry_of("a")
    # Undoing the owner leaves the other with a key of its own.
    assert [(e.edit_ids, float(e.key[0])) for e in codebook.without("a").entries] == [(("b",), 0.5)]


def test_a_change_says_who_cut_whom_and_by_how_much() -> None:
    # Under either rule the nearest key with another target cuts, and half of the distance is left to each.
    rivals = [made_edit("far", [-3.0], "y", epsilon=0.5), made_edit("near", [1.5], "z")]
    for rule in ("published", "separated"):
        change = changed(*rivals, made_edit("new", [0.0], "x"), rule=rule)
        assert change.kind == "split"
        assert change.cut == Cut(asked=1.0, given=0.75, by="near", distance=1.5)
        assert change_of(*rivals, made_edit("new", [0.0], "x"), rule=rule)[2] == [("near", 1.0, 0.75)]


@pytest.mark.parametrize("rule", ["published", "separated"])
def test_nobody_split_what_got_the_radius_that_it_asked_for(rule: Rule) -> None:
    # An edit asks for what its siblings left; a key with another target that is farther than that took nothing away.
    change = changed(made_edit("a", [0.0], "x", epsilon=0.2), made_edit("b", [0.8], "y", epsilon=0.3), rule=rule)
    assert (change.kind, change.cut, change.shrunk) == ("added", None, ())
    # A hair's breadth is in the figures, but is no split.
    change = changed(made_edit("a", [0.0], "x", epsilon=0.4), made_edit("b", [0.799], "y", epsilon=0.4), rule=rule)
    assert change.kind == "added"
    assert change.cut is not None
    assert not change.cut.felt
    assert [s.edit_id for s in change.shrunk] == ["a"]


def test_an_edit_with_the_activation_of_another_prompt_supersedes_it() -> None:
    for rule in ("published", "separated"):
        change = changed(made_edit("a", [0.0], "x"), made_edit("b", [0.0], "y", prompt="in other letters"), rule=rule)
        assert (change.kind, change.superseded, change.nearest.entry) == ("superseded", "a", None)


def test_a_rival_is_the_same_whether_an_edit_came_first_or_was_undone_and_redone() -> None:
    edits = [made_edit("a", [0.0], "x"), made_edit("b", [-1.0], "y"), made_edit("c", [1.0], "y")]
    codebook = line_codebook(*edits)
    again = codebook.without("b").with_edits(edits)
    assert codebook.rival_of("a") == again.rival_of("a") == Rival("b", 1.0)
