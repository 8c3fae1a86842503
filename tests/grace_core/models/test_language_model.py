"""The facts about a model that editing needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from grace_core.errors import ModelError
from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model


def test_blocks_are_found_and_named(llama: LanguageModel, gpt2: LanguageModel) -> None:
    assert llama.block_names == tuple(f"model.layers.{i}" for i in range(4))
    assert gpt2.block_names == tuple(f"transformer.h.{i}" for i in range(3))
    assert (llama.width, gpt2.width) == (48, 32)
    assert (llama.context, gpt2.context) == (256, 256)


@pytest.mark.parametrize(("wanted", "number"), [(1, 1), (4, 4), ("3", 3), ("model.layers.1", 2)])
def test_a_layer_is_known_by_number_and_by_name(llama: LanguageModel, wanted: int | str, number: int) -> None:
    assert llama.layer(wanted) == number


@pytest.mark.parametrize("wanted", [0, 5, -1, "5", "model.layers.4", "layers.1", "", "two", "²"])
def test_an_unknown_layer_lists_the_real_ones(llama: LanguageModel, wanted: int | str) -> None:
    with pytest.raises(ModelError, match=r"1 to 4.*model\.layers\.0 to model\.layers\.3"):
        llama.layer(wanted)


def test_the_model_is_frozen(tiny: LanguageModel) -> None:
    assert not tiny.module.training
    assert not any(p.requires_grad for p in tiny.module.parameters())


def test_a_loaded_model_knows_the_cache_it_may_use(tiny_llama_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_model(str(tiny_llama_dir), device="cpu", cache_dir=tmp_path / "a").cache_dir == tmp_path / "a"
    monkeypatch.setenv("GRACE_STUDIO_CACHE", str(tmp_path / "b"))
    assert load_model(str(tiny_llama_dir), device="cpu").cache_dir == tmp_path / "b"
    assert list(tmp_path.iterdir()) == []  # nothing was found out about it yet


def test_a_fingerprint_is_of_the_weights(tiny_llama_dir: Path, llama: LanguageModel, gpt2: LanguageModel) -> None:
    again = load_model(str(tiny_llama_dir), device="cpu")
    assert again.fingerprint == llama.fingerprint
    assert again.fingerprint != gpt2.fingerprint
    other = load_model(str(tiny_llama_dir), device="cpu")
    with torch.no_grad():
        other.module.get_parameter("model.layers.3.mlp.down_proj.weight")[0, 0] += 1e-6
    assert other.fingerprint != llama.fingerprint
