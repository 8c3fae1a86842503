"""Each architecture works on the ways that its self-check left open, or is refused in words when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grace_core.answering.attached import attached
from grace_core.answering.generate import decode, decode_bare
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder, Reader
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig
from grace_core.editing.training import Task, train_values
from grace_core.errors import ModelError
from grace_core.models.activations import activations_of, pooled_at
from grace_core.models.families.causal_training import LongBatch
from grace_core.models.family import Row, Ways
from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model
from tests.grace_core.models.architectures import ARCHITECTURES, SHARED, save, save_as
from tests.grace_core.running import batch_of, continued, edit_for, hooks

PROMPTS = ("Who was Ada Lovelace?", "Hi", "Tell me about the river Rhine in one sentence, please.")
LONG_WAYS = {
    "qwen3-next": {"shared_start", "truncated"},
    "lfm2": {"shared_start", "truncated"},
    "mpt": {"truncated"},
    "mamba": {"shared_start", "truncated"},
    "mamba2": {"shared_start", "truncated"},
    "recurrent-gemma": {"padded", "shared_start", "truncated"},
    "rwkv": {"cached", "padded", "shared_start", "truncated"},
}
"""What is run the long way, of those that do not go the short way in everything."""
REFUSED = {"gemma3n": r"block 1 gives \(4, 1, \d+, \d+\), where hidden states"}


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in REFUSED])
def test_an_architecture_is_learned_answered_and_undone_exactly(name: str, tmp_path: Path) -> None:
    model = load_model(str(save(name, tmp_path)), device="cpu", cache_dir=tmp_path)
    assert {way for way, open_ in vars(model.ways).items() if not open_} == LONG_WAYS.get(name, set())
    assert_learning_sees_the_true_logits(model)
    assert_reading_agrees(model)
    assert_answers_are_the_models_own_and_edits_route(model)
    assert hooks(model) == 0


@pytest.mark.parametrize("name", list(REFUSED))
def test_an_architecture_that_fits_neither_way_is_refused_in_words(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=REFUSED[name]):
        load_model(str(save(name, tmp_path)), device="cpu")


def assert_learning_sees_the_true_logits(model: LanguageModel) -> None:
    """Beyond small windows too: the template alone is longer than they are."""
    targets = [model.target_ids(PROMPTS[0], target) for target in ("Paris.", "a mathematician.")]
    rows = [Row(model.prompt(text), ids, t) for t, ids in enumerate(targets) for text in PROMPTS]
    for layer in (1, 3):
        batch = model.family.training_batch(model, layer, 2, rows)
        values = 2 * torch.randn(2, 2, model.width, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            found = batch.logits(values)
            for row, own in zip(rows, found, strict=True):
                alone = LongBatch(model, layer, 2, [Row(row.prompt, row.target_ids, 0)]).logits(values[row.task][None])[0]
                torch.testing.assert_close(own[: len(alone)], alone, atol=5e-4, rtol=2e-3)
    config = GraceConfig.early(value_layer=3, max_steps=2, learning_rate=0.1)
    trained = train_values(model, config, [Task((rows[0].prompt, rows[1].prompt), targets[0])])[0]
    assert trained.losses[-1] < trained.losses[0]


def assert_reading_agrees(model: LanguageModel) -> None:
    prompts, weights = [model.prompt(text) for text in PROMPTS], TokenWeights({})
    read = pooled_at(model, weights, prompts, [(1, "last"), (1, "mean"), (4, "last"), (4, "mean")])
    for (layer, pool), rows in read.items():
        config = GraceConfig.early(key_layer=layer, value_layer=4, pool=pool)
        alone = activations_of(model, Reader.of(config, weights), prompts, rows_at_once=1)
        np.testing.assert_allclose(rows, alone, atol=1e-4 * float(np.abs(alone).max()))


def assert_answers_are_the_models_own_and_edits_route(model: LanguageModel) -> None:
    own = [model.prompt(text) for text in PROMPTS]
    bare = decode_bare(model, own, 6)
    for text, ids in zip(PROMPTS, bare, strict=True):
        theirs = continued(model, batch_of(model, [text]), use_cache=model.ways.cached)[0][:6]
        assert [token for token in ids if token not in model.eos_ids] == theirs
    config = GraceConfig.paper(pool="mean", epsilon=1e-2, key_layer=2, value_layer=3)
    empty = Codebook(config, Encoder.raw(model.width))
    codebook = empty.with_edit(edit_for(model, empty, PROMPTS[0], "Paris.", edit_id="e"))
    found = decode(model, codebook, own, 6)
    assert [answer.edit_id for answer in found] == ["e", None, None]
    assert [answer.ids for answer in found[1:]] == [ids[: len(a.ids)] for ids, a in zip(bare[1:], found[1:], strict=True)]
    batch = batch_of(model, PROMPTS[:1])
    with attached(model, codebook, batch):
        edited = continued(model, batch, use_cache=False)[0]
    assert [token for token in found[0].ids if token not in model.eos_ids] == edited[: len(found[0].ids)]
    undone = decode(model, codebook.without("e"), own, 6)
    assert [answer.ids for answer in undone] == bare


# What belongs to no family

ENCODER = {name: SHARED[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")}
OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "bert-masked": ("BertForMaskedLM", ENCODER, r"BertForMaskedLM \(it fills gaps.*; this version edits causal"),
    "roberta-masked": ("RobertaForMaskedLM", ENCODER, r"RobertaForMaskedLM \(it fills gaps.*; this version edits causal"),
    "bert-without-head": ("BertModel", ENCODER, "BertModel; it names no head, so it reads texts and gives no answer"),
    "bert-that-tags": ("BertForTokenClassification", ENCODER, "BertForTokenClassification; this version edits causal"),
    "bert-that-looks-ahead": ("BertLMHeadModel", ENCODER, "depends on later ones, so it is not a causal"),
    "llama-without-head": ("LlamaModel", SHARED, r"lacks 1 of its weights, such as lm_head\.weight"),
}


@pytest.mark.parametrize("name", list(OTHERS))
def test_what_belongs_to_no_family_is_refused_in_words(name: str, tmp_path: Path) -> None:
    kind, options, words = OTHERS[name]
    with pytest.raises(ModelError, match=words):
        load_model(str(save_as(kind, options, tmp_path)), device="cpu")


def test_a_model_without_blocks_is_refused(tmp_path: Path) -> None:
    folder = save_as("LlamaForCausalLM", SHARED | {"num_hidden_layers": 0}, tmp_path)
    with pytest.raises(ModelError, match="it has 0 blocks; editing needs at least one"):
        load_model(str(folder), device="cpu")


def test_the_check_leaves_a_model_as_it_was(llama: LanguageModel) -> None:
    before, state, count = llama.fingerprint, torch.get_rng_state(), hooks(llama)
    assert llama.family.checked(llama) == Ways()
    assert torch.equal(torch.get_rng_state(), state)
    assert hooks(llama) == count
    again = LanguageModel(llama.name, llama.module, llama.tokenizer, family=llama.family)
    assert again.fingerprint == before
