"""Empty codebooks of tiny models, calibrated in a moment on prompts that are written here instead of sampled."""

from __future__ import annotations

from typing import Any

from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import TokenWeights
from grace_core.config import GraceConfig
from grace_core.editing.fitting import Calibration, encoder_of
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel
from grace_core.testing.taught import NAMES, PHRASES

BACKGROUND = tuple(phrase.format(name) for phrase in PHRASES for name in NAMES)


def calibrated(model: LanguageModel, **overrides: Any) -> Codebook:
    """An empty codebook of the robust preset, calibrated on BACKGROUND; by default it makes no siblings.

    Raises:
        InputError: an option that is unknown or out of range.
    """
    chosen: dict[str, Any] = {"siblings": 0, "contexts": 0, "directions": 16, "epsilon": 0.1} | overrides
    config = GraceConfig.robust(**chosen).resolved(len(model.blocks))
    step = first_step(model, config)
    return Codebook(config, encoder_of(model, config, [step]), fingerprint=model.fingerprint, template=model.template)


def first_step(model: LanguageModel, config: GraceConfig) -> Calibration:
    """What `first_calibration` makes, from BACKGROUND instead of sampled prompts."""
    prompts = [model.prompt(text) for text in BACKGROUND]
    weights = TokenWeights.from_prompts((p.ids[p.start : p.end] for p in prompts), config.token_weight)
    return Calibration(1, "background", BACKGROUND, activations_of(model, config, weights, prompts))
