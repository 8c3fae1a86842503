"""Fixtures that every test folder shares: tiny models built here, and the real one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tiny_models import save_tiny_gpt2, save_tiny_llama

if TYPE_CHECKING:
    from grace_core.models.load import LanguageModel

# Read when the libraries are imported; a test asks no server.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def tiny_llama_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 4-block Llama of width 48 with a chat template."""
    return save_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_gpt2_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 3-block GPT-2 of width 32 without a chat template."""
    return save_tiny_gpt2(tmp_path_factory.mktemp("models") / "tiny-gpt2")


@pytest.fixture(scope="session")
def taught_dir(tiny_llama_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama, taught: see `tests/grace_core/taught.py`."""
    from tests.grace_core.taught import teach

    return teach(tiny_llama_dir, tmp_path_factory.mktemp("models") / "taught-llama", steps=150)


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the tiny models: what is sampled from them is no business of the user's cache."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def taught(taught_dir: Path, cache_dir: Path) -> LanguageModel:
    from grace_core.models.load import load_model

    return load_model(str(taught_dir), device="cpu", cache_dir=cache_dir)


@pytest.fixture(scope="session")
def real_model_dir() -> Path:
    """SmolLM2-135M-Instruct from the user's cache, fetched where it is not there. Mark the test `real`."""
    from grace_core.models.sources.resolve import DEFAULT_MODEL, default_cache_dir, resolve_model

    return resolve_model(DEFAULT_MODEL, cache_dir=default_cache_dir(), progress=lambda text, fraction: None)
