"""Tiny models, loaded once: random ones for what holds of any model, taught ones for what needs learning."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model
from grace_core.testing.taught import teach
from grace_core.testing.tiny_models import save_tiny_bert, save_tiny_t5
from tests.conftest import MakeOnce


@pytest.fixture(scope="session")
def llama(tiny_llama_dir: Path, cache_dir: Path) -> LanguageModel:
    return load_model(str(tiny_llama_dir), device="cpu", cache_dir=cache_dir)


@pytest.fixture(scope="session")
def gpt2(tiny_gpt2_dir: Path, cache_dir: Path) -> LanguageModel:
    return load_model(str(tiny_gpt2_dir), device="cpu", cache_dir=cache_dir)


@pytest.fixture(scope="session", params=["llama", "gpt2"])
def tiny(request: pytest.FixtureRequest) -> LanguageModel:
    """Both random models, one after the other."""
    model: LanguageModel = request.getfixturevalue(request.param)
    return model


@pytest.fixture(scope="session")
def taught_gpt2(tiny_gpt2_dir: Path, cache_dir: Path, make_once: MakeOnce) -> LanguageModel:
    folder = make_once("taught-gpt2", lambda folder: teach(tiny_gpt2_dir, folder, steps=250))
    return load_model(str(folder), device="cpu", cache_dir=cache_dir)


@pytest.fixture(scope="session")
def real(real_model_dir: Path) -> LanguageModel:
    """SmolLM2-135M-Instruct on a CPU. Mark the test `real`."""
    return load_model(str(real_model_dir), device="cpu")


@pytest.fixture(scope="session")
def bert(make_once: MakeOnce, cache_dir: Path) -> LanguageModel:
    """A tiny classifier of texts, taught."""
    plain = make_once("tiny-bert", save_tiny_bert)
    return load_model(
        str(make_once("taught-bert", lambda folder: teach(plain, folder, steps=60))), device="cpu", cache_dir=cache_dir
    )


@pytest.fixture(scope="session")
def t5(make_once: MakeOnce, cache_dir: Path) -> LanguageModel:
    """A tiny encoder-decoder model, taught."""
    plain = make_once("tiny-t5", save_tiny_t5)
    return load_model(
        str(make_once("taught-t5", lambda folder: teach(plain, folder, steps=150))), device="cpu", cache_dir=cache_dir
    )
