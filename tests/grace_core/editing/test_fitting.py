"""The encoder is the fold of its calibrations, and the background comes from the package or from the model."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grace_core.codebook.encoder import Encoder, Reader
from grace_core.config import GraceConfig
from grace_core.editing import fitting as calibration
from grace_core.editing.fitting import (
    Calibration,
    Sampling,
    background_prompts,
    encoder_after,
    encoder_of,
    first_calibration,
    sample_background,
    shipped_background,
    sibling_activations,
    unquantised,
)
from grace_core.editing.new_codebook import new_codebook
from grace_core.errors import InputError, ModelError
from grace_core.models.activations import activations_of
from grace_core.models.families.causal import Causal
from grace_core.models.language_model import LanguageModel
from grace_core.models.sources.types import DEFAULT_MODEL
from grace_core.testing import BACKGROUND, calibrated, first_step


def assert_same_encoder(one: Encoder, other: Encoder) -> None:
    assert (one.dimensions, one.version, one.weights) == (other.dimensions, other.version, other.weights)
    for a, b in ((one.mean, other.mean), (one.projection, other.projection)):
        assert a is not None
        assert b is not None
        assert a.tobytes() == b.tobytes()


def config_of(model: LanguageModel, **overrides: object) -> GraceConfig:
    return GraceConfig.early(**overrides).resolved(len(model.blocks))


# Backgrounds


def test_a_model_is_known_by_its_weights_not_by_what_its_folder_is_called(tiny: LanguageModel) -> None:
    called = LanguageModel(DEFAULT_MODEL.rsplit("/", 1)[-1], tiny.module, tiny.tokenizer, family=Causal())
    assert shipped_background(called) == ()
    prompts = background_prompts(called)
    assert len(prompts) > 300
    assert len(set(prompts)) == len(prompts)
    assert all(text.strip() for text in prompts)


@pytest.mark.real
def test_the_default_model_has_its_background_in_the_package_under_any_name(real: LanguageModel) -> None:
    called = LanguageModel("HuggingFaceTB--SmolLM2-135M-Instruct", real.module, real.tokenizer, family=Causal())
    assert shipped_background(called) == shipped_background(real) == background_prompts(real)


def test_quantising_leaves_a_models_kind_and_further_training_does_not(tiny: LanguageModel) -> None:
    other = LanguageModel(tiny.name, copy.deepcopy(tiny.module), tiny.tokenizer, family=Causal())
    for weight in other.module.parameters():
        if weight.ndim > 1:
            weight.data = (weight.data * 8).round() / 8
    assert unquantised(other) == unquantised(tiny)
    next(weight for weight in other.module.parameters() if weight.ndim == 1).data[0] += 1e-3
    assert unquantised(other) != unquantised(tiny)


QUICK = Sampling(("Who", "What is", "Tell me about"), per_starter=6)
"""A background in a moment instead of some seconds."""


def test_another_models_background_is_sampled_from_itself_the_same_every_time(tiny: LanguageModel) -> None:
    seen: list[float] = []
    prompts = sample_background(tiny, lambda stage, done: seen.append(done), sampling=QUICK)
    assert prompts == sample_background(tiny, sampling=QUICK)
    assert 3 < len(prompts) <= 18
    assert len(set(prompts)) == len(prompts)
    assert all(text == text.strip() and "\n" not in text for text in prompts)
    assert all(text.startswith(QUICK.starters) for text in prompts)
    assert seen == sorted(seen)
    assert sample_background(tiny, seed=1, sampling=QUICK) != prompts


@pytest.mark.parametrize(
    ("sampled", "tidy"),
    [
        (" Who was Ada? She was", "Who was Ada?"),
        ("Tell me.\nNow", "Tell me."),
        ("no end", "no end"),
        ("\nlater", "later"),
        ("", ""),
    ],
)
def test_a_sampled_prompt_is_one_sentence_of_one_line(sampled: str, tidy: str) -> None:
    assert calibration._tidied(sampled) == tidy


@pytest.fixture
def alone(tiny: LanguageModel, tmp_path: Path) -> LanguageModel:
    """The tiny model with an empty cache of its own."""
    return LanguageModel(tiny.name, tiny.module, tiny.tokenizer, cache_dir=tmp_path / "cache", family=Causal())


class Samplings:
    """First calibrations, and how many of them sampled the model."""

    def __init__(self) -> None:
        self.count = 0

    def first(self, model: LanguageModel, sampling: Sampling = QUICK, **overrides: object) -> Calibration:
        def heard(stage: str, fraction: float) -> None:
            self.count += stage.startswith("Sampling") and fraction == 0

        step = first_calibration(model, config_of(model, **overrides), heard, sampling=sampling)
        assert step is not None
        return step


def test_a_model_is_sampled_once_whatever_codebook_asks(alone: LanguageModel) -> None:
    samplings = Samplings()
    first = samplings.first(alone)
    again = LanguageModel(alone.name, alone.module, alone.tokenizer, cache_dir=alone.cache_dir, family=Causal())
    for step in (samplings.first(again), samplings.first(again, key_layer=2)):
        assert step.prompts == first.prompts
    assert samplings.count == 1


def test_other_weights_or_another_way_of_sampling_have_prompts_of_their_own(alone: LanguageModel) -> None:
    samplings = Samplings()
    samplings.first(alone)
    other = LanguageModel(alone.name, copy.deepcopy(alone.module), alone.tokenizer, cache_dir=alone.cache_dir, family=Causal())
    next(iter(other.module.parameters())).data[0] += 1
    samplings.first(other)
    assert samplings.count == 2
    for sampling in (replace(QUICK, version=2), replace(QUICK, per_starter=5), replace(QUICK, starters=("Who", "What is"))):
        samplings.first(alone, sampling)
    assert samplings.count == 5


def test_damaged_prompts_are_sampled_again_and_replaced(alone: LanguageModel) -> None:
    assert alone.cache_dir is not None
    samplings = Samplings()
    first = samplings.first(alone)
    (file,) = (alone.cache_dir / "backgrounds").iterdir()
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole[:-20], encoding="utf-8")
    assert (samplings.first(alone).prompts, samplings.count) == (first.prompts, 2)
    assert file.read_text(encoding="utf-8") == whole


def test_a_model_without_a_cache_folder_is_sampled_every_time(alone: LanguageModel) -> None:
    bare = LanguageModel(alone.name, alone.module, alone.tokenizer, family=Causal())
    samplings = Samplings()
    for _ in range(2):
        samplings.first(bare)
    assert samplings.count == 2


# Steps and their fold


def test_a_first_calibration_holds_the_background_and_its_activations(tiny: LanguageModel) -> None:
    step = first_calibration(tiny, config_of(tiny), sampling=QUICK)
    assert step is not None
    assert (step.version, step.reason) == (1, "background")
    assert step.prompts == sample_background(tiny, sampling=QUICK)
    assert step.activations.shape == (len(step.prompts), tiny.width)
    assert np.isfinite(step.activations).all()


def test_a_raw_encoding_needs_no_calibration(tiny: LanguageModel) -> None:
    config = GraceConfig.paper().resolved(len(tiny.blocks))
    assert first_calibration(tiny, config) is None
    assert encoder_of(tiny, config, []).mean is None


def test_a_whitened_encoding_without_one_says_what_to_do(tiny: LanguageModel) -> None:
    with pytest.raises(ModelError, match="first_calibration"):
        encoder_of(tiny, config_of(tiny), [])


def test_the_fold_of_all_steps_is_bit_for_bit_the_encoder_that_grew(tiny: LanguageModel) -> None:
    codebook = calibrated(tiny)
    steps = [first_step(tiny, codebook.config)]
    grown = codebook.encoder
    for version in (2, 3):
        texts = tuple(f"Who was {name} {version}?" for name in ("Ada", "Grace", "Alan"))
        rows = activations_of(tiny, Reader.of(codebook.config, grown.weights), [tiny.prompt(text) for text in texts])
        steps.append(Calibration(version, "siblings", texts, rows))
        grown = grown.joined(rows, codebook.config.directions)
        assert_same_encoder(encoder_of(tiny, codebook.config, steps), grown)
    assert grown.version == 3
    assert_same_encoder(encoder_after(encoder_of(tiny, codebook.config, steps[:1]), codebook.config, steps[1:]), grown)


def test_token_weights_are_fixed_by_the_first_step(tiny: LanguageModel) -> None:
    config = config_of(tiny)
    first = first_step(tiny, config)
    later = Calibration(2, "x", ("zzz zzz",), first.activations[:1])
    assert encoder_of(tiny, config, [first, later]).weights == encoder_of(tiny, config, [first]).weights


def test_a_raw_encoder_keeps_token_weights_and_version(tiny: LanguageModel) -> None:
    """Token weights are counted on the first prompts that a step says; another reading has no activations to calibrate."""
    whitened = first_step(tiny, config_of(tiny))
    config = config_of(tiny, encoding="raw", distance="euclidean")
    step = Calibration(7, "reread", (*BACKGROUND, "Who else?"), whitened.activations[:0], len(BACKGROUND))
    encoder = encoder_of(tiny, config, [step])
    assert (encoder.version, encoder.mean, encoder.width) == (7, None, tiny.width)
    assert encoder.weights == encoder_of(tiny, config_of(tiny), [whitened]).weights


# New codebooks and siblings


@pytest.mark.parametrize("preset", ["early", "paper"])
def test_a_new_codebook_is_empty_resolved_and_of_this_model(tiny: LanguageModel, preset: str) -> None:
    codebook = new_codebook(tiny, GraceConfig.named(preset))
    assert len(codebook) == 0
    assert codebook.fingerprint == tiny.fingerprint
    assert codebook.config == GraceConfig.named(preset).resolved(len(tiny.blocks))
    assert (codebook.encoder.mean is None) == (preset == "paper")


def test_a_new_codebook_refuses_a_layer_that_is_not_there(tiny: LanguageModel) -> None:
    with pytest.raises(InputError, match=f"1 to {len(tiny.blocks)}"):
        new_codebook(tiny, GraceConfig.early(value_layer=12))


def test_siblings_are_read_like_any_prompt(tiny: LanguageModel) -> None:
    codebook = calibrated(tiny, siblings=5)
    texts, rows = sibling_activations(tiny, codebook, "Who was Ada Lovelace?")
    assert len(texts) == 5
    assert all(text.startswith("Who was ") and "Ada" not in text for text in texts)
    for text, row in zip(texts, rows, strict=True):
        alone = activations_of(tiny, codebook.reader, [tiny.prompt(text)])[0]
        assert row == pytest.approx(alone, abs=1e-4)
    assert sibling_activations(tiny, calibrated(tiny, siblings=0), "Who was Ada Lovelace?")[0] == ()


def test_a_model_that_writes_nothing_on_takes_the_prompts_that_are_shipped_or_given(bert: LanguageModel) -> None:
    config = bert.resolved(GraceConfig.early(siblings=0))
    shipped = first_calibration(bert, config)
    assert shipped is not None
    assert shipped.prompts == background_prompts(bert)
    given = new_codebook(bert, background=("Who was Ada Lovelace?", "Describe London.", "Who was Ada Lovelace?"))
    assert given.encoder.background is not None
    assert given.encoder.background.count == 2
