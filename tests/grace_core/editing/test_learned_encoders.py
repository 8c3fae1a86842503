"""Where a model's learned encoder comes from: the package, the cache, or a fit."""

from __future__ import annotations

import copy
import logging
from importlib import resources
from pathlib import Path

import pytest
from safetensors import safe_open

from grace_core.codebook.learned import LearnedEncoder
from grace_core.config import GraceConfig
from grace_core.editing.learned_encoders import SHIPPED, keep_encoder, known_encoder, learned_encoder
from grace_core.editing.learning import fit_encoder
from grace_core.editing.new_codebook import new_codebook
from grace_core.models.language_model import LanguageModel
from grace_core.testing.codebooks import BOOK, QUICK_PLANS


@pytest.fixture
def cached(tiny: LanguageModel, tmp_path: Path) -> LanguageModel:
    model = copy.copy(tiny)
    model.cache_dir = tmp_path
    return model


@pytest.fixture(scope="module")
def fitted(tiny: LanguageModel) -> LearnedEncoder:
    return fit_encoder(tiny, config_of(tiny), BOOK, plans=QUICK_PLANS)


def config_of(model: LanguageModel) -> GraceConfig:
    return GraceConfig.robust().resolved(len(model.blocks))


def test_an_encoder_is_fitted_once_and_kept_for_this_model_and_this_layer(cached: LanguageModel, fitted: LearnedEncoder) -> None:
    config = config_of(cached)
    assert known_encoder(cached, config) is None
    keep_encoder(cached, config, fitted)
    assert learned_encoder(cached, config).name == fitted.name
    codebook = new_codebook(cached, config)
    assert codebook.encoder.learned is not None
    assert codebook.encoder.learned.name == fitted.name
    assert config.value_layer is not None
    lower = GraceConfig.robust(value_layer=config.value_layer - 1).resolved(len(cached.blocks))
    assert known_encoder(cached, lower) is None


@pytest.mark.parametrize("harm", [lambda data: data[: len(data) // 2], lambda data: data[:-8] + b"\0\0\x80?\0\0\x80?"])
def test_a_damaged_encoder_is_not_taken(
    cached: LanguageModel, fitted: LearnedEncoder, tmp_path: Path, harm: object, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(cached)
    keep_encoder(cached, config, fitted)
    (file,) = (tmp_path / "encoders").iterdir()
    file.write_bytes(harm(file.read_bytes()))  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        assert known_encoder(cached, config) is None
    assert "it is fitted again" in caplog.text


def test_a_model_without_a_cache_keeps_nothing(tiny: LanguageModel, fitted: LearnedEncoder) -> None:
    model = copy.copy(tiny)
    model.cache_dir = None
    keep_encoder(model, config_of(model), fitted)
    assert known_encoder(model, config_of(model)) is None


@pytest.mark.real
def test_the_default_models_encoder_is_shipped_and_is_the_one_that_was_written(real: LanguageModel) -> None:
    found = known_encoder(real, config_of(real))
    assert found is not None
    with (
        resources.as_file(resources.files("grace_core") / "data" / SHIPPED) as file,
        safe_open(file, framework="numpy") as stored,
    ):
        assert stored.metadata()["name"] == found.name
    assert known_encoder(real, GraceConfig.robust(value_layer=20).resolved(30)) is None
