"""Records that say something in words."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from app.studio.changes import ChangeShown, CutShown, Neighbor


def cut(name: str, before: float, after: float) -> tuple[str, str, float, float]:
    return name, f"Who was {name}?", before, after


@pytest.mark.parametrize(
    ("shrunk", "said"),
    [
        ((), ""),
        ((cut("Ada", 0.45, 0.41),), " ε of “Who was Ada?” went from 0.45 to 0.41."),
        ((cut("Ada", 0.441, 0.439),), " ε of 1 key shrank by less than 0.01."),
        ((cut("Ada", 0.441, 0.439), cut("Emmy", 0.44, 0.436)), " ε of 2 keys shrank by less than 0.01."),
        (
            (cut("Ada", 0.441, 0.439), cut("Emmy", 0.45, 0.2)),
            " ε of “Who was Emmy?” went from 0.45 to 0.20. ε of 1 other key shrank too.",
        ),
        (
            tuple(cut(name, 0.45, 0.1 * at) for at, name in enumerate(("Eve", "Dan", "Cy", "Bo", "Al"))),
            " ε of “Who was Eve?” went from 0.45 to 0.00. ε of “Who was Dan?” went from 0.45 to 0.10."
            " ε of “Who was Cy?” went from 0.45 to 0.20. ε of 2 other keys shrank too.",
        ),
    ],
)
def test_a_change_names_the_largest_cuts_that_can_be_seen(shrunk: tuple[tuple[str, str, float, float], ...], said: str) -> None:
    assert ChangeShown("split", 0.4, None, shrunk).sentence() == (
        "Split: a new key with ε 0.40 beside one with another target. There was no other key yet." + said
    )


def test_a_split_says_by_whom_and_by_how_much() -> None:
    near = Neighbor("e2", "Who was Emmy?", "T", 0.4, 0.2, 0.0)
    change = ChangeShown("split", 0.2, near, (), None, CutShown(0.45, 0.2, "e2", "Who was Emmy?", 0.4))
    assert change.sentence() == (
        "Split: a new key with ε 0.20 beside one with another target. “Who was Emmy?”, which wants another answer, is at "
        "distance 0.40: that cut its ε from 0.45 to 0.20."
    )


CUT = CutShown(0.8, 0.4, "e2", "Who was Emmy?", 0.8)


@pytest.mark.parametrize("own_cut", [None, CUT])
@pytest.mark.parametrize("nearest", [None, Neighbor("e2", "Who was Emmy?", "T", 0.5, 0.4, -0.3)])
def test_a_change_is_what_the_journal_keeps_of_it(nearest: Neighbor | None, own_cut: CutShown | None) -> None:
    change = ChangeShown("split", 0.4, nearest, (cut("Ada", 0.45, 0.41),), "e3", own_cut)
    kept = json.loads(json.dumps(asdict(change) | {"sentence": "In the words of that day.", "arithmetic": "float32"}))
    assert ChangeShown.of(kept, asked=0.8, target="T") == change
    assert ChangeShown.of({"kind": "added", "sentence": "Added."}, asked=0.8, target="T") is None
    assert ChangeShown.of(kept | {"nearest": {"edit_id": "e2"}}, asked=0.8, target="T") is None


@pytest.mark.parametrize(
    ("distance", "target", "asked", "shrunk", "kind"),
    [
        (0.8, "other", 0.8, (), "split"),  # half the distance to the nearest key, which wants another answer
        (0.8, "own", 0.8, (), "added"),  # that key wants the same
        (0.9, "other", 0.8, (), "added"),  # siblings made it small: nobody's key did
        (0.8, "other", 0.4, (), "added"),  # it got what it asked for
        (0.9, "other", 0.4, (("e2", "p", 0.5, 0.499),), "added"),  # nobody feels that
        (0.9, "other", 0.4, (("e2", "p", 0.5, 0.4),), "split"),
    ],
)
def test_what_a_former_version_called_a_split_is_one_only_where_a_key_was_cut_by_another(
    distance: float, target: str, asked: float, shrunk: tuple[tuple[str, str, float, float], ...], kind: str
) -> None:
    change = ChangeShown("split", 0.4, Neighbor("e2", "Who?", target, distance, 0.4, 0.0), shrunk)
    old = {name: value for name, value in asdict(change).items() if name != "cut"}
    told = ChangeShown.of(json.loads(json.dumps(old)), asked=asked, target="own")
    assert told is not None
    assert told.kind == kind
    assert (told.cut is not None) == (kind == "split" and not shrunk)
