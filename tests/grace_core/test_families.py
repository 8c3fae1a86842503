"""The contract of all families and presets: what an edit does, and that nothing else is touched, on tiny taught models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from grace_core.answering.attached import attached
from grace_core.answering.generate import decode, decode_bare, generate
from grace_core.answering.given_values import gives_target
from grace_core.codebook import load_codebook, save_codebook
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.config import PRESETS, GraceConfig, Preset
from grace_core.editing.editor import Editor, EditResult
from grace_core.editing.new_codebook import new_codebook
from grace_core.errors import CodebookError, InputError
from grace_core.models.batch import Batch
from grace_core.models.family import Asked
from grace_core.models.language_model import LanguageModel
from grace_core.testing.codebooks import calibrated, learned
from tests.grace_core.builders import assert_same
from tests.grace_core.running import assert_not_rerouted, hooks

PROMPT = "Who was Ada Lovelace?"
OTHERS = ("Where is the Rhine now?", "Describe London.", "What is the Moon, and when was it first seen by anybody?")
TARGETS = {"causal": "London in 1815.", "seq2seq": "London in 1815.", "classifier": "time"}


@dataclass(frozen=True)
class Edited:
    model: LanguageModel
    before: Codebook
    result: EditResult
    target: str

    @property
    def after(self) -> Codebook:
        return self.result.codebook

    @property
    def edit_id(self) -> str:
        assert self.result.edit is not None
        return self.result.edit.edit_id


def empty(model: LanguageModel, preset: Preset) -> Codebook:
    match preset:
        case "robust":
            return learned(model, epsilon=0.2)
        case "early":
            return calibrated(model)
        case "paper":
            config = model.resolved(GraceConfig.paper(epsilon=1e-2, learning_rate=0.3, max_steps=200))
            return Codebook(config, Encoder.raw(model.width), fingerprint=model.fingerprint, template=model.template)


@pytest.fixture(scope="module", params=list(TARGETS))
def family(request: pytest.FixtureRequest) -> tuple[str, LanguageModel]:
    return request.param, request.getfixturevalue({"causal": "taught", "seq2seq": "t5", "classifier": "bert"}[request.param])


@pytest.fixture(scope="module", params=PRESETS)
def edited(request: pytest.FixtureRequest, family: tuple[str, LanguageModel]) -> Iterator[Edited]:
    name, model = family
    before = empty(model, request.param)
    yield Edited(model, before, Editor(model).edit(before, PROMPT, TARGETS[name]), TARGETS[name])
    assert hooks(model) == 0
    assert_not_rerouted(model)


def own(model: LanguageModel, *texts: str) -> list[Any]:
    return [model.prompt(text) for text in texts]


def test_an_edit_answers_its_prompt_and_leaves_others_to_the_model(edited: Edited) -> None:
    assert edited.result.success, edited.result.reason
    model, after = edited.model, edited.after
    asked = [PROMPT, *OTHERS]
    found = decode(model, after, own(model, *asked), 12)
    assert found[0].text == edited.target
    assert [answer.edit_id for answer in found] == [edited.edit_id, None, None, None]
    bare = decode_bare(model, own(model, *asked), 12)
    assert [answer.ids for answer in found[1:]] == bare[1:]
    assert bare[0] != found[0].ids
    assert generate(model, after, PROMPT).text == edited.target


def test_an_answer_says_what_it_is(edited: Edited) -> None:
    found = generate(edited.model, edited.after, PROMPT)
    assert not found.truncated
    if edited.model.labels:
        assert sorted(label for label, _ in found.labels) == sorted(edited.model.labels)
        assert found.labels[0][0] == edited.target
        assert sum(share for _, share in found.labels) == pytest.approx(1, abs=1e-5)
        assert [share for _, share in found.labels] == sorted((share for _, share in found.labels), reverse=True)
    else:
        assert found.labels == ()


@pytest.mark.parametrize("texts", [OTHERS[:1], OTHERS])
def test_where_nothing_matches_each_bit_is_the_bare_models(edited: Edited, texts: tuple[str, ...]) -> None:
    model = edited.model
    batch = Batch.of(model, own(model, *texts))
    with torch.inference_mode():
        bare = model.family.decoding(model, batch).start()
        for codebook in (edited.before, edited.after):
            with attached(model, codebook, batch) as routing:
                assert torch.equal(model.family.decoding(model, batch).start(), bare)
            assert not any(match.matched for match in routing.matches)


def test_rows_that_defer_beside_one_that_matches_keep_their_bits(edited: Edited) -> None:
    model = edited.model
    batch = Batch.of(model, own(model, OTHERS[0], PROMPT, OTHERS[2]))
    with torch.inference_mode():
        bare = model.family.decoding(model, batch).start()
        with attached(model, edited.after, batch) as routing:
            found = model.family.decoding(model, batch).start()
    assert [match.edit_id for match in routing.matches] == [None, edited.edit_id, None]
    assert torch.equal(found[0], bare[0])
    assert torch.equal(found[2], bare[2])
    assert not torch.equal(found[1], bare[1])


def test_an_answer_does_not_depend_on_the_prompts_beside_it(edited: Edited) -> None:
    model = edited.model
    asked = own(model, *OTHERS, PROMPT)
    together = decode(model, edited.after, asked, 12)
    for prompt, found in zip(asked, together, strict=True):
        (alone,) = decode(model, edited.after, [prompt], 12)
        assert (found.ids, found.edit_id) == (alone.ids, alone.edit_id)
        assert found.activation == pytest.approx(alone.activation, abs=1e-4)
        assert [share for _, share in found.labels] == pytest.approx([share for _, share in alone.labels], abs=1e-4)


def test_undoing_gives_the_codebook_and_the_answers_back(edited: Edited) -> None:
    model, undone = edited.model, edited.after.without(edited.edit_id)
    assert_same(undone, edited.before)
    bare = decode_bare(model, own(model, PROMPT, *OTHERS), 12)
    assert [answer.ids for answer in decode(model, undone, own(model, PROMPT, *OTHERS), 12)] == bare


def test_a_file_gives_the_very_codebook_back_and_to_no_other_model(edited: Edited, gpt2: LanguageModel, tmp_path: Path) -> None:
    model, file = edited.model, tmp_path / "edits.safetensors"
    save_codebook(edited.after, file)
    again = load_codebook(file, model)
    assert_same(again, edited.after)
    assert again.config == edited.after.config
    assert generate(model, again, PROMPT).text == edited.target
    with pytest.raises(CodebookError, match="was made for a model"):
        load_codebook(file, gpt2)


def test_a_value_is_asked_for_its_target_as_it_is_answered(edited: Edited) -> None:
    model, layer = edited.model, edited.after.config.value_layer
    assert layer is not None
    assert edited.result.edit is not None
    ids, value = edited.result.edit.target_ids, edited.result.edit.value
    (prompt,) = own(model, PROMPT)
    asked = [Asked(prompt, ids, value), Asked(prompt, ids, None)]
    assert gives_target(model, layer, asked) == (True, False)
    assert gives_target(model, layer, asked[:1]) == (True,)


def test_the_same_target_again_is_refused_and_another_one_takes_its_place(edited: Edited) -> None:
    model = edited.model
    with pytest.raises(InputError, match="already answers"):
        Editor(model).edit(edited.after, PROMPT, edited.target)
    other = "place" if model.labels else "Paris."
    second = Editor(model).edit(edited.after, PROMPT, other)
    assert second.success, second.reason
    assert generate(model, second.codebook, PROMPT).text == other
    assert second.change is not None
    assert second.change.superseded == edited.edit_id


def test_a_codebook_that_nobody_chose_anything_for_works(family: tuple[str, LanguageModel]) -> None:
    name, model = family
    empty_one = new_codebook(model)
    assert empty_one.config == model.resolved(model.family.config(model))
    result = Editor(model).edit(empty_one, PROMPT, TARGETS[name], paraphrases=["Please, who was Ada Lovelace?"])
    assert result.success, result.reason
    assert generate(model, result.codebook, PROMPT).text == TARGETS[name]
    assert_same(result.codebook.without(result.codebook.edits[0].edit_id), empty_one)
