"""The bfloat16 twin: made where it pays, close to its model, and never in its way."""

from __future__ import annotations

import pytest
import torch

from grace_core.config import GraceConfig
from grace_core.editing.training import Task, train_values
from grace_core.models import precision
from grace_core.models.load import LanguageModel
from grace_core.models.precision import quicker
from tests.grace_core.running import batch_of
from tests.grace_core.taught import ANSWERS

QUESTION = "Who was Ada Lovelace?"


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models count as large, and this processor as one that multiplies bfloat16 fast."""
    monkeypatch.setattr(precision, "_SMALL", 0)
    monkeypatch.setattr(precision, "_bfloat16_pays", lambda: True)


def test_a_small_model_is_its_own_twin(tiny: LanguageModel) -> None:
    assert quicker(tiny) is tiny


@pytest.mark.usefixtures("any_size")
def test_a_twin_is_made_once_and_leaves_the_model_as_it_was(tiny: LanguageModel) -> None:
    before = tiny.fingerprint
    twin = quicker(tiny)
    assert twin is quicker(tiny) is not tiny
    assert {p.dtype for p in twin.blocks[0].parameters()} == {torch.bfloat16}
    assert {p.dtype for p in tiny.module.parameters()} == {torch.float32}
    assert LanguageModel(tiny.name, tiny.module, tiny.tokenizer).fingerprint == before


@pytest.mark.usefixtures("any_size")
def test_a_twin_says_nearly_the_same_with_a_head_in_full_precision(tiny: LanguageModel) -> None:
    batch = batch_of(tiny, [QUESTION])
    with torch.inference_mode():
        logits = [m.module(input_ids=batch.ids, attention_mask=batch.mask).logits for m in (tiny, quicker(tiny))]
    assert logits[1].dtype == torch.float32
    torch.testing.assert_close(logits[1], logits[0], atol=0.3, rtol=0.05)


@pytest.mark.usefixtures("any_size")
def test_a_value_learned_on_the_twin_works_in_the_model(taught: LanguageModel) -> None:
    task = Task((taught.prompt(QUESTION),), taught.target_ids(QUESTION, ANSWERS[0]))
    trained = train_values(taught, GraceConfig.robust(value_layer=2), [task])[0]
    assert trained.exact == (True,)
    assert trained.value.dtype == "float32"
