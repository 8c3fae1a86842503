"""A cache reaches a module under the name that the module has for it, with a mask that fits what it holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, MambaConfig
from transformers.cache_utils import DynamicCache

from grace_core.models.families.passes import run


def inputs_of(*accepts: str, cache: DynamicCache) -> dict[str, Any]:
    """What a module that accepts these names is called with for two tokens behind three that are in the cache."""
    called: dict[str, Any] = {}

    def module(**inputs: Any) -> Any:
        called.update(inputs)
        return SimpleNamespace(logits=torch.zeros(1, 2, 4))

    model: Any = SimpleNamespace(module=module, accepts=frozenset(accepts))
    run(model, torch.tensor([[7, 8]]), torch.ones(1, 5), torch.tensor([[3, 4]]), cache=cache)
    return called


@pytest.mark.parametrize(
    ("accepts", "name"),
    [
        (("past_key_values",), "past_key_values"),
        (("cache",), "cache"),
        # The old name stays for a while, and warns.
        (("cache", "past_key_values"), "cache"),
    ],
)
def test_a_cache_of_tokens_goes_under_the_modules_name_and_the_mask_covers_it(accepts: tuple[str, ...], name: str) -> None:
    cache = DynamicCache(config=LlamaConfig(num_hidden_layers=2))
    inputs = inputs_of(*accepts, cache=cache)
    assert inputs[name] is cache
    assert [other for other in ("cache", "cache_params", "past_key_values") if other in inputs] == [name]
    assert inputs["attention_mask"].shape == (1, 5)


@pytest.mark.parametrize("name", ["cache_params", "cache"])
def test_a_recurrent_state_goes_with_the_mask_of_the_tokens_that_pass(name: str) -> None:
    cache = DynamicCache(config=MambaConfig(num_hidden_layers=2))
    inputs = inputs_of(name, cache=cache)
    assert inputs[name] is cache
    assert inputs["attention_mask"].shape == (1, 2)
