"""The Map page's own bookkeeping: the prompts that a person tries."""

from __future__ import annotations

import numpy as np

from app.records import Probe
from app.ui.map import MOST_PROBES, with_probe


def probe(prompt: str) -> Probe:
    return Probe(prompt, np.zeros(3, np.float32))


def prompts(probes: tuple[Probe, ...]) -> list[str]:
    return [one.prompt for one in probes]


def test_prompts_tried_are_kept_in_order_and_the_oldest_leaves() -> None:
    probes: tuple[Probe, ...] = ()
    for number in range(MOST_PROBES + 2):
        probes = with_probe(probes, probe(str(number)))
    assert prompts(probes) == [str(number) for number in range(2, MOST_PROBES + 2)]


def test_a_prompt_tried_again_is_the_newest_and_there_once() -> None:
    again = probe("a")
    probes = with_probe((probe("a"), probe("b")), again)
    assert prompts(probes) == ["b", "a"]
    assert probes[-1] is again, "its activation is the one just read"
