"""Each architecture that reads a prompt in an encoder is learned, answered and undone exactly; its padding changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from grace_core.answering.generate import decode, decode_bare
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder, Reader
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig
from grace_core.editing.training import Task, train_values
from grace_core.errors import InputError, ModelError
from grace_core.models.activations import activations_of, pooled_at
from grace_core.models.family import Row, Ways
from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model
from grace_core.testing import LABELS
from tests.grace_core.models.architectures import ENCODERS, save_encoder
from tests.grace_core.running import assert_not_rerouted, edit_for, hooks

PROMPTS = ("Who was Ada Lovelace?", "Hi", "Tell me about the river Rhine in one sentence, please.")


@pytest.mark.parametrize("name", list(ENCODERS))
def test_an_architecture_is_learned_answered_and_undone_exactly(name: str, tmp_path: Path) -> None:
    model = load_model(str(save_encoder(name, tmp_path)), device="cpu", cache_dir=tmp_path)
    assert model.ways == Ways(shared_start=False)
    assert_the_short_way_is_the_long_way(model)
    assert_reading_does_not_depend_on_padding(model)
    assert_an_edit_answers_its_prompt_alone(model)
    assert hooks(model) == 0
    assert_not_rerouted(model)


def target(model: LanguageModel) -> str:
    return LABELS[2] if model.labels else "Paris."


def assert_the_short_way_is_the_long_way(model: LanguageModel) -> None:
    ids = model.target_ids(PROMPTS[0], target(model))
    rows = [Row(model.prompt(text), ids, task) for task in range(2) for text in PROMPTS]
    for layer in (1, 3):
        short = model.family.training_batch(model, layer, 1, rows)
        model.ways = Ways(shared_start=False, truncated=False)
        long = model.family.training_batch(model, layer, 1, rows)
        model.ways = Ways(shared_start=False)
        values = torch.randn(2, 1, model.width, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            wanted = long.logits(values)
            torch.testing.assert_close(short.logits(values), wanted, atol=5e-4, rtol=2e-3)
            some = short.logits(values, torch.tensor([4]))
        torch.testing.assert_close(some[0], wanted[4], atol=5e-4, rtol=2e-3)
        torch.testing.assert_close(short.start(), long.start())
    config = GraceConfig.early(value_layer=3, span="all", max_steps=3, learning_rate=0.1)
    trained = train_values(model, config, [Task((rows[0].prompt, rows[1].prompt), ids)])[0]
    assert trained.value.shape == (1, model.width)
    assert trained.losses[-1] < trained.losses[0]


def assert_reading_does_not_depend_on_padding(model: LanguageModel) -> None:
    prompts, weights = [model.prompt(text) for text in PROMPTS], TokenWeights({})
    read = pooled_at(model, weights, prompts, [(1, "last"), (1, "mean"), (4, "last"), (4, "mean")])
    for (layer, pool), rows in read.items():
        config = GraceConfig.early(key_layer=layer, value_layer=4, pool=pool)
        alone = activations_of(model, Reader.of(config, weights), prompts, rows_at_once=1)
        np.testing.assert_allclose(rows, alone, atol=1e-4 * float(np.abs(alone).max()))


def assert_an_edit_answers_its_prompt_alone(model: LanguageModel) -> None:
    own = [model.prompt(text) for text in PROMPTS]
    bare = decode_bare(model, own, 6)
    assert [model.text(ids) for ids in bare] == [theirs(model, text, len(ids)) for text, ids in zip(PROMPTS, bare, strict=True)]
    config = model.resolved(GraceConfig.paper(pool="mean", epsilon=1e-2, key_layer=2, value_layer=3))
    assert config.span == "all"
    empty = Codebook(config, Encoder.raw(model.width))
    codebook = empty.with_edit(edit_for(model, empty, PROMPTS[0], target(model), edit_id="e"))
    found = decode(model, codebook, own, 6)
    assert [answer.edit_id for answer in found] == ["e", None, None]
    assert [answer.ids for answer in found[1:]] == [ids[: len(a.ids)] for ids, a in zip(bare[1:], found[1:], strict=True)]
    assert [answer.ids for answer in decode(model, codebook.without("e"), own, 6)] == bare


@torch.inference_mode()
def theirs(model: LanguageModel, text: str, tokens: int) -> str:
    """What transformers itself answers."""
    inputs = model.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    if model.labels:
        return LABELS[int(model.module(**inputs).logits.argmax())]
    # One token more: some configs demand that the last one ends the text.
    ids = model.module.generate(**inputs, max_new_tokens=tokens + 1, do_sample=False, num_beams=1)
    return model.text(ids[0, 1 : tokens + 1].tolist())


def test_a_label_that_a_model_does_not_have_lists_its_labels(bert: LanguageModel) -> None:
    with pytest.raises(InputError, match=r"has no label 'animal'. Its labels are person, place, time, other\."):
        bert.target_ids("Who was Ada Lovelace?", "animal")
    with pytest.raises(InputError, match="The label is empty; choose one of person, place, time, other"):
        bert.target_ids("Who was Ada Lovelace?", " ")
    assert bert.target_ids("Who was Ada Lovelace?", " time ") == (2,)


def test_labels_are_a_part_of_the_fingerprint(bert: LanguageModel) -> None:
    before = bert.fingerprint
    renamed = load_model(bert.module.name_or_path, device="cpu")
    assert renamed.fingerprint == before
    renamed.labels, renamed.found.fingerprint = ("a", "b", "c", "d"), None
    assert renamed.fingerprint != before


@pytest.mark.parametrize("wanted", [2, "2", "encoder 2", "encoder.block.1", "encoder.block[1]"])
def test_a_layer_has_a_stack_and_a_number_or_a_path(t5: LanguageModel, wanted: int | str) -> None:
    assert t5.layer(wanted) == 2


@pytest.mark.parametrize("wanted", ["decoder 2", "encoder 4", "encoder 0", "decoder.block[1]", "encoder.block[3]", "encoder"])
def test_an_unknown_layer_lists_the_real_ones(t5: LanguageModel, wanted: str) -> None:
    with pytest.raises(ModelError, match=r"1 to 3 of the encoder, named encoder\.block\.0 to encoder\.block\.2"):
        t5.layer(wanted)


def test_a_module_inside_a_block_names_the_block(t5: LanguageModel) -> None:
    with pytest.raises(ModelError, match="is a part of block 2; a value stands for what a whole block gives"):
        t5.layer("encoder.block[1].layer[1].DenseReluDense.wo")


def test_a_value_for_all_tokens_is_for_encoders_alone(llama: LanguageModel) -> None:
    with pytest.raises(InputError, match="span is 'all', but tiny-llama is a causal language model"):
        llama.resolved(GraceConfig.early(span="all"))


def test_a_prompt_may_be_as_long_as_the_model_reads(tmp_path: Path) -> None:
    model = load_model(str(save_encoder("roberta", tmp_path)), device="cpu")
    assert model.context == 127  # one position is for padding
    prompt = model.prompt("z" * 125)
    assert len(prompt.ids) == 127
    assert len(decode_bare(model, [prompt], 1)[0]) == 1
    with pytest.raises(InputError, match=r"is 129 tokens long; .* reads 127. Shorten it"):
        model.prompt("z" * 127)
