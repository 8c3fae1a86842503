"""Empty codebooks of tiny models, calibrated in a moment on prompts that are written here instead of sampled."""

from __future__ import annotations

from typing import Any

from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder, Reader
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig
from grace_core.editing.fitting import Calibration, encoder_of
from grace_core.editing.learned_encoders import keep_encoder, known_encoder
from grace_core.editing.learning import KeyPlan, fit_encoder
from grace_core.editing.phrasebook import Phrase
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel
from grace_core.testing.taught import NAMES, PHRASES

BOOK = tuple(
    Phrase(form(phrase.format(name)), name, phrase)
    for phrase in PHRASES
    for name in NAMES
    for form in (str, str.lower, str.upper, "Please, {}".format)
)
"""A small phrasebook."""
QUICK_PLANS = (
    KeyPlan(((0.0, "weighted", 32), (0.5, "mean", 32)), 0.1, 80, 0.5, 256, members=1),
    KeyPlan(((0.0, "mean", 32), (1.0, "last", 32)), 0.1, 80, 0.5, 256, members=1),
)
"""Two keys that are learned in a second."""
BACKGROUND = tuple(phrase.format(name) for phrase in PHRASES for name in NAMES)


def calibrated(model: LanguageModel, **overrides: Any) -> Codebook:
    """An empty codebook of the preset `early`, calibrated on BACKGROUND; by default it makes no siblings.

    Raises:
        InputError: an option that is unknown or out of range.
    """
    chosen: dict[str, Any] = {"siblings": 0, "contexts": 0, "directions": 16, "epsilon": 0.1} | overrides
    config = model.resolved(GraceConfig.early(**chosen))
    step = first_step(model, config)
    return Codebook(config, encoder_of(model, config, [step]), fingerprint=model.fingerprint, template=model.template)


def learned(model: LanguageModel, **overrides: Any) -> Codebook:
    """An empty codebook of the robust preset, with an encoder that is fitted on BOOK; by default it makes no siblings.

    Raises:
        InputError: an option that is unknown or out of range.
    """
    config = model.resolved(GraceConfig.robust(**({"siblings": 0, "contexts": 0} | overrides)))
    encoder = Encoder.fixed(fit_encoder(model, config, BOOK, plans=QUICK_PLANS))
    return Codebook(config, encoder, fingerprint=model.fingerprint, template=model.template)


def keep_quick_encoder(model: LanguageModel) -> None:
    """Put an encoder that is fitted on BOOK, in a second, into the model's cache, where there is one without it."""
    config = model.resolved(GraceConfig.robust())
    if model.cache_dir is not None and known_encoder(model, config) is None:
        keep_encoder(model, config, fit_encoder(model, config, BOOK, plans=QUICK_PLANS))


def first_step(model: LanguageModel, config: GraceConfig) -> Calibration:
    """What `first_calibration` makes, from BACKGROUND instead of sampled prompts."""
    prompts = [model.prompt(text) for text in BACKGROUND]
    weights = TokenWeights.from_prompts((p.ids[p.start : p.end] for p in prompts), config.token_weight)
    return Calibration(1, "background", BACKGROUND, activations_of(model, Reader.of(config, weights), prompts))
