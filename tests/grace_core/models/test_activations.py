"""Hidden states are those of the whole model, and one pass for all layers gives what one pass each gives."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from grace_core.codebook.encoder import Reader
from grace_core.codebook.learned import Read
from grace_core.config import Pool
from grace_core.editing.fitting import background_prompts, weights_of
from grace_core.models.activations import activations_of, hidden_after, pooled_at
from grace_core.models.language_model import LanguageModel
from grace_core.models.pooling import pooled
from grace_core.testing import calibrated
from tests.grace_core.running import batch_of, hooks, own_weights

PROMPTS = ("Who was Ada Lovelace?", "Describe the Moon.", "What is the capital of France and why was it chosen?")


def test_all_layers_in_one_pass_are_the_layers_one_by_one(tiny: LanguageModel) -> None:
    before = hooks(tiny)
    base = calibrated(tiny).config
    weights = weights_of(tiny, base, background_prompts(tiny))
    prompts = [tiny.prompt(text) for text in PROMPTS]
    places: list[Read] = [(layer, pool) for layer in (1, 3) for pool in get_args(Pool)]
    read = pooled_at(tiny, weights, prompts, places)
    for (layer, pool), rows in read.items():
        reader = Reader.of(replace(base, key_layer=layer, value_layer=3, pool=pool), weights)
        alone = activations_of(tiny, reader, prompts, rows_at_once=1)
        np.testing.assert_allclose(rows, alone, atol=1e-4)
    assert hooks(tiny) == before


def test_one_prompt_alone_and_prompts_that_begin_alike(tiny: LanguageModel) -> None:
    base = calibrated(tiny).config
    weights = weights_of(tiny, base, background_prompts(tiny))
    for texts in (PROMPTS[:1], (PROMPTS[0], PROMPTS[0] + " And why?"), (PROMPTS[0], PROMPTS[0])):
        prompts = [tiny.prompt(text) for text in texts]
        read = pooled_at(tiny, weights, prompts, [(2, "last"), (2, "weighted")])
        for (layer, pool), rows in read.items():
            config = replace(base, key_layer=layer, value_layer=3, pool=pool)
            alone = activations_of(tiny, Reader.of(config, weights), prompts, rows_at_once=1)
            np.testing.assert_allclose(rows, alone, atol=1e-4)


def test_reading_an_activation_leaves_no_hook(tiny: LanguageModel) -> None:
    before = hooks(tiny)
    hidden_after(tiny, 1, batch_of(tiny, PROMPTS))
    assert hooks(tiny) == before


@torch.inference_mode()
def test_hidden_states_are_those_of_the_whole_model(tiny: LanguageModel) -> None:
    batch = batch_of(tiny, PROMPTS[:1])
    every = tiny.module(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True).hidden_states
    for layer in range(1, len(tiny.blocks)):  # the last one of these is normed
        assert torch.equal(hidden_after(tiny, layer, batch), every[layer])


def test_activations_are_pooled_over_own_tokens_one_by_one_or_together(tiny: LanguageModel) -> None:
    codebook = calibrated(tiny)
    weights, prompts = codebook.encoder.weights, [tiny.prompt(text) for text in PROMPTS]
    alone = activations_of(tiny, Reader.of(codebook.config, weights), prompts, rows_at_once=1)
    together = activations_of(tiny, Reader.of(codebook.config, weights), prompts)
    assert alone == pytest.approx(together, abs=1e-4)
    assert alone.shape == (3, tiny.width)
    assert alone.dtype == np.float32
    for row, text in enumerate(PROMPTS):
        batch = batch_of(tiny, [text])
        want = pooled(hidden_after(tiny, 1, batch), [own_weights(tiny, codebook, text)], [0])[0]
        assert alone[row].tobytes() == want.tobytes()
    assert activations_of(tiny, Reader.of(codebook.config, weights), []).shape == (0, tiny.width)
