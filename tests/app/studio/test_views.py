"""Records that say something in words."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from app.studio.views import ChangeShown, Neighbor


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
        "Split: a key with another target was near, so the new key got ε 0.40. There was no other key yet." + said
    )


@pytest.mark.parametrize("nearest", [None, Neighbor("e2", "Who was Emmy?", "T", 0.5, 0.4, -0.3)])
def test_a_change_is_what_the_journal_keeps_of_it(nearest: Neighbor | None) -> None:
    change = ChangeShown("split", 0.4, nearest, (cut("Ada", 0.45, 0.41),), "e3")
    kept = json.loads(json.dumps(asdict(change) | {"sentence": "In the words of that day."}))
    assert ChangeShown.of(kept) == change
    assert ChangeShown.of({"kind": "added", "sentence": "Added."}) is None
    assert ChangeShown.of(kept | {"nearest": {"edit_id": "e2"}}) is None
