"""The short way to a value's logits is the long way's, and neither leaves anything behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from grace_core.models.families.causal_training import LongBatch, ShortBatch
from grace_core.models.family import Row
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from tests.grace_core.running import assert_not_rerouted, batch_of, logits

PROMPTS = ("Who was Ada Lovelace?", "Hi", "Tell me about the river Rhine in one sentence, please.")
TARGETS = ("Paris.", "a mathematician.", "x")
Tasks = Sequence[tuple[Sequence[str], str]]


def rows_of(model: LanguageModel, tasks: Tasks) -> list[Row]:
    """A row for each prompt of each task (prompts, target)."""
    return [
        Row(model.prompt(text), model.target_ids(prompts[0], target), t)
        for t, (prompts, target) in enumerate(tasks)
        for text in prompts
    ]


@torch.inference_mode()
def full_logits(model: LanguageModel, layer: int, row: Row, value: torch.Tensor) -> torch.Tensor:
    """(target, vocabulary) by one ordinary pass over prompt and target, the value put in by a hook."""
    ids = torch.tensor([[*row.prompt.ids, *row.target_ids[:-1]]])
    last = [len(row.prompt.ids) - 1]
    with block_hooks(model, [(layer, lambda h: replaced(h, {0: value.numpy()}, last))], tokens=1):
        found: torch.Tensor = model.module(input_ids=ids).logits
    return found[0, last[0] :]


def assert_the_short_way_is_the_long_way(model: LanguageModel, layer: int, tasks: Tasks) -> None:
    rows = rows_of(model, tasks)
    for positions in sorted({1, max(1, model.tail)}):
        values = 2 * torch.randn(len(tasks), positions, model.width, generator=torch.Generator().manual_seed(0))
        for kind in (ShortBatch, LongBatch):
            batch = kind(model, layer, positions, rows)
            with torch.no_grad():
                found = batch.logits(values)
                some = batch.logits(values, torch.tensor([len(rows) - 1]))
            torch.testing.assert_close(some[0], found[-1], atol=3e-4, rtol=1e-3)
            for own, row in zip(found, rows, strict=True):
                long = full_logits(model, layer, row, values[row.task])
                torch.testing.assert_close(own[: len(row.target_ids)], long, atol=3e-4, rtol=1e-3)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_truncated_logits_are_those_of_a_full_pass_with_the_value_put_in(tiny: LanguageModel, layer: int) -> None:
    assert_the_short_way_is_the_long_way(tiny, layer, [(PROMPTS[:1], TARGETS[0])])


@pytest.mark.parametrize("layer", [1, 3])
def test_so_they_are_with_several_rows_and_tasks_of_different_lengths(tiny: LanguageModel, layer: int) -> None:
    tasks = [(PROMPTS, TARGETS[1]), (PROMPTS[1:2], TARGETS[2]), (PROMPTS[::-1], TARGETS[0])]
    assert_the_short_way_is_the_long_way(tiny, layer, tasks)


def test_so_they_are_with_a_prompt_of_one_token_alone_and_beside_longer_ones(gpt2: LanguageModel) -> None:
    assert len(gpt2.prompt("a").ids) == 1
    assert_the_short_way_is_the_long_way(gpt2, 2, [(["a"], "Paris.")])
    assert_the_short_way_is_the_long_way(gpt2, 2, [(["a", PROMPTS[0]], "Paris."), (["b"], "x")])


def test_the_last_block_can_be_adapted_too(tiny: LanguageModel) -> None:
    assert_the_short_way_is_the_long_way(tiny, len(tiny.blocks), [(PROMPTS, TARGETS[0])])


@pytest.mark.parametrize("kind", [ShortBatch, LongBatch])
def test_the_start_is_the_mean_of_the_prompts_own_states(tiny: LanguageModel, kind: type[ShortBatch | LongBatch]) -> None:
    start = kind(tiny, 2, 1, rows_of(tiny, [(PROMPTS, "x"), (PROMPTS[:1], "x")])).start()
    states = []
    for text in PROMPTS:
        batch = batch_of(tiny, [text])
        with block_hooks(tiny, [(2, lambda h: states.append(h[0, -1].clone()))], tokens=1):
            logits(tiny, batch)
    torch.testing.assert_close(start[0, 0], torch.stack(states).mean(0), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(start[1, 0], states[0], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", [ShortBatch, LongBatch])
def test_a_value_gets_the_same_gradient_either_way(tiny: LanguageModel, kind: type[ShortBatch | LongBatch]) -> None:
    rows = rows_of(tiny, [(PROMPTS, TARGETS[0])])
    found = []
    for way in (LongBatch, kind):
        batch = way(tiny, 2, 1, rows)
        value = batch.start().requires_grad_(True)
        torch.nn.functional.cross_entropy(batch.logits(value).transpose(1, 2), batch.labels).backward()
        assert value.grad is not None
        found.append(value.grad)
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-3)


def test_blocks_are_restored_when_the_model_fails_in_the_middle(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    short = ShortBatch(tiny, 2, 1, rows_of(tiny, [(PROMPTS, "x")]))

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("in a block")

    batch = batch_of(tiny, PROMPTS)
    own = logits(tiny, batch)
    with monkeypatch.context() as patched:
        patched.setattr(tiny.blocks[2], "forward", fail)
        with pytest.raises(RuntimeError, match="in a block"):
            short.logits(torch.zeros(1, 1, tiny.width))
    for block in tiny.blocks:  # what monkeypatch put back
        vars(block).pop("forward", None)
    assert_not_rerouted(tiny)
    assert torch.equal(logits(tiny, batch), own)


# The real model


@pytest.mark.real
def test_the_short_way_is_the_long_way_on_the_real_model(real: LanguageModel) -> None:
    assert_the_short_way_is_the_long_way(real, 18, [(PROMPTS, TARGETS[1]), (PROMPTS[:1], TARGETS[0])])
