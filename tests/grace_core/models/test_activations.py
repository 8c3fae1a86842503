"""One pass for all layers gives what one pass each gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grace_core.editing.fitting import background_prompts, weights_of
from grace_core.models.activations import activations_of, pooled_at
from grace_core.models.language_model import LanguageModel
from tests.grace_core.builders import calibrated
from tests.grace_core.running import hooks

PROMPTS = ("Who was Ada Lovelace?", "Describe the Moon.", "What is the capital of France and why was it chosen?")


def test_all_layers_in_one_pass_are_the_layers_one_by_one(tiny: LanguageModel) -> None:
    before = hooks(tiny)
    base = calibrated(tiny).config
    weights = weights_of(tiny, base, background_prompts(tiny))
    prompts = [tiny.prompt(text) for text in PROMPTS]
    read = pooled_at(tiny, weights, prompts, [1, 3], ["last", "mean", "weighted"])
    for (layer, pool), rows in read.items():
        alone = activations_of(tiny, replace(base, key_layer=layer, value_layer=3, pool=pool), weights, prompts, rows_at_once=1)
        np.testing.assert_allclose(rows, alone, atol=1e-4)
    assert hooks(tiny) == before


def test_one_prompt_alone_and_prompts_that_begin_alike(tiny: LanguageModel) -> None:
    base = calibrated(tiny).config
    weights = weights_of(tiny, base, background_prompts(tiny))
    for texts in (PROMPTS[:1], (PROMPTS[0], PROMPTS[0] + " And why?"), (PROMPTS[0], PROMPTS[0])):
        prompts = [tiny.prompt(text) for text in texts]
        read = pooled_at(tiny, weights, prompts, [2], ["last", "weighted"])
        for (layer, pool), rows in read.items():
            config = replace(base, key_layer=layer, value_layer=3, pool=pool)
            alone = activations_of(tiny, config, weights, prompts, rows_at_once=1)
            np.testing.assert_allclose(rows, alone, atol=1e-4)
