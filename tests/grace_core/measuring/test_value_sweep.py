"""The same edits at several layers, on a model that was taught a few answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from grace_core.answering.generate import decode
from grace_core.answering.given_values import gives_target
from grace_core.config import GraceConfig
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.value_sweep import (
    LayerResult,
    Sweep,
    default_epsilons,
    default_value_layers,
    sweep_layers,
)
from grace_core.models.family import Asked
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from tests.grace_core.running import edit_for, hooks

PROMPT = "Who was Ada Lovelace?"


def test_a_sweep(taught: LanguageModel) -> None:
    book = calibrated(taught)
    edits = [
        replace(edit_for(taught, book, PROMPT, "I do not know.", edit_id="a"), paraphrases=("Tell me about Ada Lovelace.",)),
        edit_for(taught, book, "Describe the Moon.", "Paris.", edit_id="b"),
    ]
    told: list[float] = []
    seen = sweep_layers(taught, book.with_edits(edits), [3, 2], max_steps=30, progress=lambda _, done: told.append(done))
    assert [result.layer for result in seen.layers] == [2, 3]
    assert seen.made > 0
    assert len(seen.distances) == len(seen.own) == len(seen.phrasings) == len(seen.layers[0].answered)
    assert max(seen.success(result) for result in seen.layers) > 0
    assert told == sorted(told)
    assert Sweep.from_dict(json.loads(json.dumps(seen.to_dict()))) == seen
    assert hooks(taught) == 0


def test_gives_target_is_the_greedy_answer(tiny: LanguageModel) -> None:
    book = calibrated(tiny)
    book = book.with_edit(edit_for(tiny, book, PROMPT, "x", edit_id="a", seed=5))
    own, layer = tiny.prompt(PROMPT), book.config.value_layer
    assert layer is not None
    said = decode(tiny, book, [own], 4)[0].ids
    value = book.entries[0].value
    other = tiny.prompt("Describe the Moon, please.")
    wrong = (*said[:-1], (said[-1] + 1) % tiny.module.config.vocab_size)
    assert gives_target(tiny, layer, [Asked(own, said, value), Asked(own, wrong, value), Asked(other, wrong, value)])[:2] == (
        True,
        False,
    )
    assert gives_target(tiny, layer, []) == ()


def putting(value: Any, last: int) -> Any:
    return lambda hidden: replaced(hidden, {0: value}, [last])


def test_many_rows_are_asked_some_at_a_time_and_keep_their_order(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, random = calibrated(tiny).config.value_layer, np.random.default_rng(0)
    assert layer is not None
    widths: list[int] = []
    forward = tiny.module.forward

    def counted(*args: Any, **inputs: Any) -> Any:
        widths.append(len(inputs["input_ids"]))
        return forward(*args, **inputs)

    prompts = [tiny.prompt("Describe the Moon" + ", please" * (i * 7 % 5) + ".") for i in range(21)]
    values = random.normal(size=(21, 1, tiny.width)).astype(np.float32)
    targets: list[tuple[int, ...]] = []
    for i, (prompt, value) in enumerate(zip(prompts, values, strict=True)):
        with torch.inference_mode(), block_hooks(tiny, [(layer, putting(value, len(prompt.ids) - 1))]):
            target = int(tiny.module(input_ids=torch.tensor([prompt.ids])).logits[0, -1].argmax())
        targets.append((target,) if i % 3 else ((target + 1) % tiny.module.config.vocab_size,))
    monkeypatch.setattr(tiny.module, "forward", counted)
    given = gives_target(tiny, layer, [Asked(*row) for row in zip(prompts, targets, values, strict=True)])
    assert given == tuple(bool(i % 3) for i in range(21))
    assert widths == [8, 8, 5]
    with pytest.raises(Cancelled):
        gives_target(tiny, layer, [Asked(prompts[0], targets[0], values[0])], lambda: True)


def test_refusals(tiny: LanguageModel) -> None:
    book = calibrated(tiny)
    with pytest.raises(InputError, match="no edits"):
        sweep_layers(tiny, book, [2])
    book = book.with_edit(edit_for(tiny, book, PROMPT, "x", edit_id="a"))
    with pytest.raises(InputError, match="block 99"):
        sweep_layers(tiny, book, [99])
    with pytest.raises(Cancelled):
        sweep_layers(tiny, book, [2], cancelled=lambda: True)


def test_shares_by_hand() -> None:
    layer = LayerResult(4, (3, 9), (0.0, 1.0), (True, False), (True, True, False, True), 1.0)
    sweep = Sweep(
        ("p", "q"), ("a", "b", "c", "d"), 0, (0.1, 0.5, 0.1, 0.1), (True, True, True, False), (0.2,), 4, 0.2, 60, (layer,)
    )
    assert sweep.success(layer) == 0.5
    assert sweep.reached(0.2) == 0.5
    assert sweep.phrasing_success(layer, 0.2) == 0.25  # only “a” is near its own key and gives the target
    assert sweep.phrasing_success(layer, 0.6) == 0.5


def test_defaults() -> None:
    assert default_value_layers(30, GraceConfig.early().resolved(30)) == (3, 9, 15, 21, 27)
    assert min(default_value_layers(30, GraceConfig.paper().resolved(30))) == 20
    assert default_epsilons(0.4) == (0.2, 0.3, 0.4, 0.6)


def test_a_prompt_that_leaves_no_room_for_other_words_is_swept_without_them(taught: LanguageModel) -> None:
    book, text = calibrated(taught), PROMPT
    while len(taught.prompt(text).ids) < taught.context - 3:
        text += " a"
    book = book.with_edit(edit_for(taught, book, text, "x", edit_id="long"))
    seen = sweep_layers(taught, book, [3], max_steps=1)
    assert (seen.phrasings, seen.made, len(seen.layers)) == ((), 0, 1)
