"""Fixtures that every test folder shares: tiny models built here, and the real one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from grace_core.testing.tiny_models import save_tiny_gpt2, save_tiny_llama

if TYPE_CHECKING:
    from grace_core.models.language_model import LanguageModel

MakeOnce = Callable[[str, Callable[[Path], object]], Path]

# Read when the libraries are imported; a test asks no server.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    # Workers share the cores: two threads of one beside two of the other are up to ten times slower than one each.
    _each = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_variable, str(_each))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that drive a browser come first, then those that run the real model: the last ones that workers take are short."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = 0 if item.get_closest_marker("browser") else 1 if item.get_closest_marker("real") else 2
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for all workers of this run."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def make_once(shared_dir: Path) -> MakeOnce:
    """Make a folder that all workers of this run use: the first that asks makes it, the others wait for that."""

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        folder = shared_dir / name
        with FileLock(shared_dir / f"{name}.lock"):
            if not folder.exists():
                unfinished = shared_dir / f"{name}.unfinished"
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return make_once


@pytest.fixture(scope="session")
def tiny_llama_dir(make_once: MakeOnce) -> Path:
    """A 4-block Llama of width 48 with a chat template."""
    return make_once("tiny-llama", save_tiny_llama)


@pytest.fixture(scope="session")
def tiny_gpt2_dir(make_once: MakeOnce) -> Path:
    """A 3-block GPT-2 of width 32 without a chat template."""
    return make_once("tiny-gpt2", save_tiny_gpt2)


@pytest.fixture(scope="session")
def taught_dir(tiny_llama_dir: Path, make_once: MakeOnce) -> Path:
    """The tiny Llama, taught: see `grace_core/testing/taught.py`."""
    from grace_core.testing.taught import teach

    return make_once("taught-llama", lambda folder: teach(tiny_llama_dir, folder, steps=150))


@pytest.fixture(scope="session")
def cache_dir(shared_dir: Path) -> Path:
    """Of the tiny models: what is sampled from them is no business of the user's cache."""
    return shared_dir / "cache"


@pytest.fixture(scope="session")
def taught(taught_dir: Path, cache_dir: Path) -> LanguageModel:
    from grace_core.models.load import load_model
    from grace_core.testing.codebooks import keep_quick_encoder

    model = load_model(str(taught_dir), device="cpu", cache_dir=cache_dir)
    keep_quick_encoder(model)
    return model


@pytest.fixture(scope="session")
def real_model_dir() -> Path:
    """SmolLM2-135M-Instruct from the user's cache, fetched where it is not there. Mark the test `real`."""
    from grace_core.models.sources.resolve import default_cache_dir, resolve_model
    from grace_core.models.sources.types import DEFAULT_MODEL

    return resolve_model(DEFAULT_MODEL, cache_dir=default_cache_dir(), progress=lambda text, fraction: None)
