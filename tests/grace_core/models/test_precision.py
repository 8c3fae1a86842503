"""The bfloat16 twin: made where it pays, close to its model, and never in its way."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from grace_core.config import GraceConfig
from grace_core.editing.training import Task, train_values
from grace_core.errors import InputError
from grace_core.models.language_model import LanguageModel
from grace_core.models.precision import arithmetic_of, quicker
from grace_core.testing.taught import ANSWERS
from tests.grace_core.running import batch_of

QUESTION = "Who was Ada Lovelace?"


def in_bfloat16(model: LanguageModel) -> LanguageModel:
    return LanguageModel(model.name, model.module, model.tokenizer, family=model.family, learn_in="bfloat16")


def test_a_small_model_is_its_own_twin(tiny: LanguageModel) -> None:
    assert arithmetic_of(tiny) == "float32"
    assert quicker(tiny) is tiny


def test_the_choice_is_the_same_whatever_else_the_machine_does(tiny: LanguageModel) -> None:
    class Large(LanguageModel):
        @property
        def parameters(self) -> int:
            return 10**9

    large = Large(tiny.name, tiny.module, tiny.tokenizer, family=tiny.family)
    has = torch.cpu.get_capabilities()
    wanted = "bfloat16" if has.get("avx512_bf16") or has.get("amx_bf16") else "float32"
    assert {arithmetic_of(large) for _ in range(20)} == {wanted}


@pytest.mark.parametrize("chosen", ["float32", "bfloat16"])
def test_a_person_may_choose_and_what_was_chosen_is_told(taught: LanguageModel, chosen: Any) -> None:
    model = LanguageModel(taught.name, taught.module, taught.tokenizer, family=taught.family, learn_in=chosen)
    task = Task((model.prompt(QUESTION),), model.target_ids(QUESTION, ANSWERS[0]))
    trained = train_values(model, GraceConfig.early(value_layer=2), [task])[0]
    assert trained.arithmetic == chosen
    assert trained.exact == (True,)
    assert trained.value.dtype == "float32"


def test_an_unknown_choice_is_refused(tiny: LanguageModel) -> None:
    with pytest.raises(InputError, match=r"learn_in is 'int8'; use one of auto, float32, bfloat16"):
        LanguageModel(tiny.name, tiny.module, tiny.tokenizer, family=tiny.family, learn_in="int8")  # type: ignore[arg-type]


def test_a_twin_is_made_once_and_leaves_the_model_as_it_was(tiny: LanguageModel) -> None:
    before = tiny.fingerprint
    model = in_bfloat16(tiny)
    twin = quicker(model)
    assert quicker(model).module is twin.module is not tiny.module
    assert {p.dtype for p in twin.blocks[0].parameters()} == {torch.bfloat16}
    assert {p.dtype for p in tiny.module.parameters()} == {torch.float32}
    assert in_bfloat16(tiny).fingerprint == before


def test_a_twin_says_nearly_the_same_with_a_head_in_full_precision(tiny: LanguageModel) -> None:
    batch = batch_of(tiny, [QUESTION])
    with torch.inference_mode():
        logits = [m.module(input_ids=batch.ids, attention_mask=batch.mask).logits for m in (tiny, quicker(in_bfloat16(tiny)))]
    assert logits[1].dtype == torch.float32
    torch.testing.assert_close(logits[1], logits[0], atol=0.3, rtol=0.05)
