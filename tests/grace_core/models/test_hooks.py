"""Batches keep their rows apart; hooks do not stay behind."""

from __future__ import annotations

import pytest
import torch

from grace_core.models.hooks import block_hooks
from grace_core.models.language_model import LanguageModel
from tests.grace_core.running import batch_of, hooks, logits

PROMPTS = ("Who was Ada Lovelace?", "Hi", "Tell me about the river Rhine in one sentence, please.")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_keeps_each_rows_tokens_and_positions(tiny: LanguageModel, side: str) -> None:
    batch = batch_of(tiny, PROMPTS, side)
    for row, prompt in enumerate(batch.prompts):
        at = slice(batch.offsets[row], batch.offsets[row] + len(prompt.ids))
        assert batch.ids[row, at].tolist() == list(prompt.ids)
        assert batch.positions[row, at].tolist() == list(range(len(prompt.ids)))
        assert int(batch.mask[row].sum()) == int(batch.mask[row, at].sum()) == len(prompt.ids)
        assert batch.last[row] == at.stop - 1
    if side == "left":
        assert set(batch.last) == {batch.ids.shape[1] - 1}


def test_a_failing_hook_is_removed_too(tiny: LanguageModel) -> None:
    def fail(hidden: torch.Tensor) -> None:
        raise RuntimeError("in a hook")

    before = hooks(tiny)
    with pytest.raises(RuntimeError, match="in a hook"), block_hooks(tiny, [(1, fail), (2, fail)]):
        logits(tiny, batch_of(tiny, PROMPTS))
    assert hooks(tiny) == before
