"""The short way to a value's logits is the long way's, and learning leaves the model as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from grace_core.config import GraceConfig
from grace_core.editing.training import Task, Trained, _Bench, _starting_after, train_values, value_positions
from grace_core.errors import Cancelled
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.load import LanguageModel
from tests.grace_core.running import batch_of, hooks, logits
from tests.grace_core.taught import ANSWERS

PROMPTS = ("Who was Ada Lovelace?", "Hi", "Tell me about the river Rhine in one sentence, please.")
TARGETS = ("Paris.", "a mathematician.", "x")


def task_of(model: LanguageModel, prompts: Sequence[str], target: str) -> Task:
    return Task(tuple(model.prompt(text) for text in prompts), model.target_ids(prompts[0], target))


def config(**overrides: Any) -> GraceConfig:
    chosen: dict[str, Any] = {"value_layer": 2, "max_steps": 100} | overrides
    return GraceConfig.robust(**chosen)


@torch.inference_mode()
def full_logits(model: LanguageModel, layer: int, task: Task, row: int, value: torch.Tensor) -> torch.Tensor:
    """(target, vocabulary) by one ordinary pass over prompt and target, the value put in by a hook."""
    prompt = task.prompts[row]
    ids = torch.tensor([[*prompt.ids, *task.target_ids[:-1]]])
    last = [len(prompt.ids) - 1]
    with block_hooks(model, [(layer, lambda h: replaced(h, {0: value.numpy()}, last))], tokens=1):
        found: torch.Tensor = model.module(input_ids=ids).logits
    return found[0, last[0] :]


def assert_the_short_way_is_the_long_way(model: LanguageModel, layer: int, tasks: Sequence[Task]) -> None:
    for span in ("last", "tail"):
        assert_so_at(value_positions(model, GraceConfig.robust(span=span)), model, layer, tasks)


def assert_so_at(positions: int, model: LanguageModel, layer: int, tasks: Sequence[Task]) -> None:
    values = 2 * torch.randn(len(tasks), positions, model.width, generator=torch.Generator().manual_seed(0))
    bench = _Bench(model, layer, positions, tasks)
    with torch.no_grad():
        short = bench.logits(values)
        some = torch.tensor([len(short) - 1])
        torch.testing.assert_close(bench.logits(values, some)[0], short[-1], atol=3e-4, rtol=1e-3)
    row = 0
    for t, task in enumerate(tasks):
        for own in range(len(task.prompts)):
            long = full_logits(model, layer, task, own, values[t])
            torch.testing.assert_close(short[row, : len(task.target_ids)], long, atol=3e-4, rtol=1e-3)
            row += 1
    assert row == len(short)


# The truncated forward


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_truncated_logits_are_those_of_a_full_pass_with_the_value_put_in(tiny: LanguageModel, layer: int) -> None:
    assert_the_short_way_is_the_long_way(tiny, layer, [task_of(tiny, PROMPTS[:1], TARGETS[0])])


@pytest.mark.parametrize("layer", [1, 3])
def test_so_they_are_with_several_rows_and_tasks_of_different_lengths(tiny: LanguageModel, layer: int) -> None:
    tasks = [
        task_of(tiny, PROMPTS, TARGETS[1]),
        task_of(tiny, PROMPTS[1:2], TARGETS[2]),
        task_of(tiny, PROMPTS[::-1], TARGETS[0]),
    ]
    assert_the_short_way_is_the_long_way(tiny, layer, tasks)


def test_so_they_are_with_a_prompt_of_one_token_alone_and_beside_longer_ones(gpt2: LanguageModel) -> None:
    assert len(gpt2.prompt("a").ids) == 1
    assert_the_short_way_is_the_long_way(gpt2, 2, [task_of(gpt2, ["a"], "Paris.")])
    assert_the_short_way_is_the_long_way(gpt2, 2, [task_of(gpt2, ["a", PROMPTS[0]], "Paris."), task_of(gpt2, ["b"], "x")])


def test_the_last_block_can_be_adapted_too(tiny: LanguageModel) -> None:
    assert_the_short_way_is_the_long_way(tiny, len(tiny.blocks), [task_of(tiny, PROMPTS, TARGETS[0])])


def test_the_start_is_the_mean_of_the_prompts_own_states(tiny: LanguageModel) -> None:
    start = _Bench(tiny, 2, 1, [task_of(tiny, PROMPTS, "x"), task_of(tiny, PROMPTS[:1], "x")]).start()
    states = []
    for text in PROMPTS:
        batch = batch_of(tiny, [text])
        with block_hooks(tiny, [(2, lambda h: states.append(h[0, -1].clone()))], tokens=1):
            logits(tiny, batch)
    torch.testing.assert_close(start[0, 0], torch.stack(states).mean(0), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(start[1, 0], states[0], atol=1e-4, rtol=1e-3)


# Learning


def says(model: LanguageModel, layer: int, prompt: str, trained: Trained, target_ids: tuple[int, ...]) -> bool:
    """Whether greedy decoding, token by token and without a cache, gives the target."""
    ids = list(model.prompt(prompt).ids)
    last = [len(ids) - 1]
    for token in target_ids:
        with torch.inference_mode(), block_hooks(model, [(layer, lambda h: replaced(h, {0: trained.value}, last))], tokens=1):
            best = int(model.module(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if best != token:
            return False
        ids.append(best)
    return True


@pytest.mark.parametrize("layer", [1, 2, 4])
@pytest.mark.parametrize("target", [ANSWERS[0], ANSWERS[3]])
def test_a_learned_value_makes_the_exact_target_come_out(taught: LanguageModel, layer: int, target: str) -> None:
    task = task_of(taught, PROMPTS[:1], target)
    trained = train_values(taught, config(value_layer=layer), [task])[0]
    assert trained.exact == (True,)
    assert trained.losses[-1] <= 0.05
    assert trained.value.dtype == np.float32
    assert says(taught, layer, PROMPTS[0], trained, task.target_ids)


def test_a_value_is_learned_without_a_chat_template_too(taught_gpt2: LanguageModel) -> None:
    task = task_of(taught_gpt2, PROMPTS[:1], ANSWERS[4])
    trained = train_values(taught_gpt2, config(), [task])[0]
    assert trained.exact == (True,)
    assert says(taught_gpt2, 2, PROMPTS[0], trained, task.target_ids)


def test_one_value_answers_all_prompts_of_its_task(taught: LanguageModel) -> None:
    prompts = ("Who was Ada Lovelace?", "What is Paris?", "Tell me about the Rhine.")
    task = task_of(taught, prompts, ANSWERS[5])
    trained = train_values(taught, config(), [task])[0]
    assert trained.exact == (True, True, True)
    assert all(says(taught, 2, prompt, trained, task.target_ids) for prompt in prompts)


def test_tasks_in_one_batch_learn_what_they_learn_alone(taught: LanguageModel) -> None:
    tasks = [
        task_of(taught, PROMPTS[:2], ANSWERS[0]),
        task_of(taught, PROMPTS[2:], ANSWERS[3]),
        task_of(taught, PROMPTS[:1], ANSWERS[5]),
    ]
    for stop in (0.05, 0.0):
        chosen = config(stop_loss=stop, max_steps=30)
        for task, together in zip(tasks, train_values(taught, chosen, tasks), strict=True):
            alone = train_values(taught, chosen, [task])[0]
            assert together.steps == alone.steps
            assert together.exact == alone.exact
            assert together.losses == pytest.approx(alone.losses, abs=1e-3)
            assert together.value == pytest.approx(alone.value, abs=2e-2)


def test_training_stops_once_it_is_confident(taught: LanguageModel) -> None:
    trained = train_values(taught, config(stop_loss=0.1), [task_of(taught, PROMPTS[:1], ANSWERS[0])])[0]
    assert trained.losses[-1] <= 0.1 < trained.losses[0]
    assert trained.steps == len(trained.losses) - 1 < 100


def test_without_a_stop_all_steps_are_taken(taught: LanguageModel) -> None:
    trained = train_values(taught, config(stop_loss=0.0, max_steps=12), [task_of(taught, PROMPTS[:1], ANSWERS[0])])[0]
    assert trained.steps == 12


def test_a_target_that_was_not_reached_is_not_exact(llama: LanguageModel) -> None:
    trained = train_values(llama, config(max_steps=2), [task_of(llama, PROMPTS[:1], "born in London in 1815.")])[0]
    assert trained.exact == (False,)
    assert trained.steps == 2


def test_steps_are_reported_as_they_are_taken(taught: LanguageModel) -> None:
    seen: list[tuple[int, float]] = []
    task = task_of(taught, PROMPTS[:1], ANSWERS[0])
    trained = train_values(taught, config(), [task], on_step=lambda step, loss: seen.append((step, loss)))[0]
    assert [step for step, _ in seen] == list(range(trained.steps + 1))
    assert [loss for _, loss in seen] == pytest.approx(trained.losses)


# What stays


def test_the_weights_and_the_hooks_are_as_they_were(taught: LanguageModel) -> None:
    before = {name: tensor.clone() for name, tensor in taught.module.state_dict().items()}
    batch = batch_of(taught, PROMPTS)
    own, count = logits(taught, batch), hooks(taught)
    train_values(taught, config(), [task_of(taught, PROMPTS, ANSWERS[0])])
    assert all(torch.equal(tensor, before[name]) for name, tensor in taught.module.state_dict().items())
    assert all(parameter.grad is None for parameter in taught.module.parameters())
    assert torch.equal(logits(taught, batch), own)
    assert hooks(taught) == count
    assert_not_rerouted(taught)


def assert_not_rerouted(model: LanguageModel) -> None:
    assert all("forward" not in vars(module) for module in model.module.modules())


def test_blocks_are_restored_when_a_step_fails(tiny: LanguageModel) -> None:
    with _starting_after(tiny, 2, torch.zeros(1, 1, tiny.width)):
        assert "forward" in vars(tiny.blocks[0])
        assert "forward" not in vars(tiny.blocks[2])
    assert_not_rerouted(tiny)
    with pytest.raises(IndexError), _starting_after(tiny, 2, torch.zeros(1, 1, tiny.width)):
        tiny.module(input_ids=torch.tensor([[10**6]]))
    assert_not_rerouted(tiny)


def test_blocks_are_restored_when_the_model_fails_in_the_middle(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = _Bench(tiny, 2, 1, [task_of(tiny, PROMPTS, "x")])

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("in a block")

    batch = batch_of(tiny, PROMPTS)
    own = logits(tiny, batch)
    with monkeypatch.context() as patched:
        patched.setattr(tiny.blocks[2], "forward", fail)
        with pytest.raises(RuntimeError, match="in a block"):
            bench.logits(torch.zeros(1, 1, tiny.width))
    for block in tiny.blocks:  # what monkeypatch put back
        vars(block).pop("forward", None)
    assert torch.equal(logits(tiny, batch), own)


def test_cancelling_stops_before_the_next_step_and_restores_everything(taught: LanguageModel) -> None:
    batch = batch_of(taught, PROMPTS)
    own = logits(taught, batch)
    seen: list[int] = []
    with pytest.raises(Cancelled, match="nothing was kept"):
        train_values(
            taught,
            config(stop_loss=0.0),
            [task_of(taught, PROMPTS, ANSWERS[0])],
            on_step=lambda step, loss: seen.append(step),
            cancelled=lambda: len(seen) >= 3,
        )
    assert seen == [0, 1, 2]
    assert torch.equal(logits(taught, batch), own)
    assert_not_rerouted(taught)


# The real model


@pytest.mark.real
def test_the_short_way_is_the_long_way_on_the_real_model(real: LanguageModel) -> None:
    assert_the_short_way_is_the_long_way(real, 18, [task_of(real, PROMPTS, TARGETS[1]), task_of(real, PROMPTS[:1], TARGETS[0])])
