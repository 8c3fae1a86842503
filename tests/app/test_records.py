"""Records that say something in words."""

from __future__ import annotations

import pytest

from app.records import Change


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
    assert Change("split", 0.4, None, shrunk).sentence() == (
        "Split: a key with another target is near, so the new ε is 0.40. It is the only key." + said
    )
