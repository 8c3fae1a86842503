"""Values are learned until the exact target comes out, and learning leaves the model as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from grace_core.config import GraceConfig
from grace_core.editing.training import Task, Trained, train_values
from grace_core.errors import Cancelled
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from grace_core.testing.taught import ANSWERS
from tests.grace_core.running import assert_not_rerouted, batch_of, hooks, logits

PROMPTS = ("Who was Ada Lovelace?", "Hi", "Tell me about the river Rhine in one sentence, please.")


def task_of(model: LanguageModel, prompts: Sequence[str], target: str) -> Task:
    return Task(tuple(model.prompt(text) for text in prompts), model.target_ids(prompts[0], target))


def config(**overrides: Any) -> GraceConfig:
    chosen: dict[str, Any] = {"value_layer": 2, "max_steps": 100} | overrides
    return GraceConfig.early(**chosen)


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
