from __future__ import annotations

import torch

from grace_core.benchmark import Ratio, published_edit, random_edits
from grace_core.models import LanguageModel


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
