from __future__ import annotations

import pytest
import torch

from grace_core.config import GraceConfig
from grace_core.measuring import benchmark
from grace_core.measuring.benchmark import Ratio, busiest, random_edits
from grace_core.measuring.published import published_edit
from grace_core.models.language_model import LanguageModel
from tests.grace_core.builders import line_codebook, made_edit


def test_a_ratio_knows_on_which_side_its_goal_is() -> None:
    assert Ratio("faster", 20.0, 20.0, at_least=True).met
    assert not Ratio("faster", 19.9, 20.0, at_least=True).met
    assert Ratio("slower", 1.03, 1.03, at_least=False).met
    assert not Ratio("slower", 1.04, 1.03, at_least=False).met


def test_the_published_recipe_leaves_the_model_as_it_was(taught: LanguageModel) -> None:
    before = {name: tensor.clone() for name, tensor in taught.module.state_dict().items()}
    assert published_edit(taught, 2, "Who was Ada Lovelace?", "London") in (True, False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in taught.module.state_dict().items())
    assert not any(module._forward_hooks for module in taught.module.modules())


def test_random_edits_are_as_many_as_asked_and_all_different(taught: LanguageModel) -> None:
    edits = random_edits(taught, 20)
    assert len({edit.edit_id for edit in edits}) == 20
    assert all(edit.activation.shape == (taught.width,) for edit in edits)


def test_the_busiest_edit_is_the_rival_of_most() -> None:
    codebook = line_codebook(*(made_edit(f"e{x}", [x], "same") for x in (0, 1, 9, 10)), made_edit("hub", [5], "other"))
    assert busiest(codebook) == "hub"


def test_the_table_is_whole_on_a_tiny_model(taught: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "random_edits", lambda model, count: random_edits(model, 40))
    unit = benchmark._unit
    monkeypatch.setattr(benchmark, "_unit", lambda count, width: unit(2_000, width))
    monkeypatch.setattr(benchmark, "_UNDONE", (0, 7))
    stages: list[float] = []
    config = GraceConfig.early(contexts=2, siblings=2, max_steps=3)
    ratios = benchmark.run(taught, config, lambda stage, fraction: stages.append(fraction), rounds=1)
    assert stages == sorted(stages)
    assert len({ratio.name for ratio in ratios}) == len(ratios) == 13
    assert all(ratio.figure > 0 for ratio in ratios)
    assert sum("exact: published" in ratio.note for ratio in ratios) == 7
