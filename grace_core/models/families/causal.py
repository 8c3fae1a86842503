"""Causal language models: a token is told from those before it, so a value changes nothing before its own place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from grace_core.config import GraceConfig
from grace_core.models.batch import Batch
from grace_core.models.blocks import Blocks
from grace_core.models.families.causal_check import checked
from grace_core.models.families.causal_training import LongBatch, ShortBatch
from grace_core.models.families.passes import Past, cache_of, kept, run
from grace_core.models.family import Asked, Decoding, Row, TrainingBatch, Traits, Ways
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt


class Causal:
    """The family of causal language models; holds nothing."""

    traits = Traits(
        name="a causal language model",
        model_types=frozenset(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
        heads=frozenset(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()),
        loader=AutoModelForCausalLM,
        side="left",
        encloses=False,
        everywhere=False,
        writes=True,
    )

    def config(self, model: LanguageModel) -> GraceConfig:
        """The preset `robust`."""
        return GraceConfig.robust()

    def problem(self, config: Any) -> str | None:
        """One that encodes and decodes has a class of this family for its decoder alone, and is no causal model for that."""
        return "it has an encoder, too" if getattr(config, "is_encoder_decoder", False) else None

    def blocks(self, module: PreTrainedModel) -> Blocks:
        """The decoder's; there is nothing else."""
        return Blocks.found_in(module)

    def labels(self, module: PreTrainedModel) -> tuple[str, ...]:
        """None: an answer is text."""
        return ()

    def checked(self, model: LanguageModel) -> Ways:
        """See `causal_check`."""
        return checked(model)

    def target_ids(self, model: LanguageModel, prompt: str, target: str) -> tuple[int, ...]:
        """Token ids of a target, with the end-of-text token."""
        return model.prompts.target_ids(prompt, target)

    def text(self, model: LanguageModel, ids: Sequence[int]) -> str:
        """Text of generated token ids, special tokens left out."""
        return model.prompts.text(ids)

    def room(self, model: LanguageModel, prompt: Prompt) -> int:
        """What the prompt leaves of the context."""
        return model.context - len(prompt.ids)

    def decoding(self, model: LanguageModel, batch: Batch) -> Decoding:
        """Answer a batch that is padded on the left, from a cache where that may be trusted."""
        return CausalDecoding(model, batch)

    @torch.inference_mode()
    def start_of(self, model: LanguageModel, ids: Sequence[int]) -> Past:
        """Keys and values of tokens that prompts begin with."""
        row = torch.tensor([list(ids)], device=model.device)
        return kept(model, row, torch.ones_like(row), torch.arange(len(ids), device=model.device)[None], [])

    def read(self, model: LanguageModel, batch: Batch, start: Past | None = None) -> None:
        """Run a batch that is padded on the right, for hooks to read; behind `start`, where its rows begin with that."""
        if not start:
            run(model, batch.ids, batch.mask, batch.positions, keep=1)
            return
        rows, begun = len(batch.ids), start[0][0].shape[-2]
        mask = torch.cat([batch.mask.new_ones(rows, begun), batch.mask], dim=1)
        past = [(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)) for keys, values in start]
        run(model, batch.ids, mask, batch.positions + begun, cache=cache_of(past), keep=1)

    def training_batch(self, model: LanguageModel, layer: int, positions: int, rows: Sequence[Row]) -> TrainingBatch:
        """The short way where it is the long way on this model, else the long one."""
        return (ShortBatch if model.ways.truncated else LongBatch)(model, layer, positions, rows)

    def said(self, model: LanguageModel, layer: int, asked: Sequence[Asked]) -> list[list[int]]:
        """One pass over prompts and targets as one batch."""
        rows = [Prompt(a.prompt.text, (*a.prompt.ids, *a.target_ids[:-1]), a.prompt.start, a.prompt.end) for a in asked]
        batch = Batch.of(model, rows, side="right")
        last = [len(a.prompt.ids) - 1 for a in asked]
        values = {row: a.value for row, a in enumerate(asked) if a.value is not None}
        with block_hooks(model, [(layer, lambda hidden: replaced(hidden, values, last))]):
            best = run(model, batch.ids, batch.mask, batch.positions).argmax(-1).tolist()
        return [best[row][at : at + len(a.target_ids)] for row, (at, a) in enumerate(zip(last, asked, strict=True))]


class CausalDecoding:
    """Greedy steps of one batch; see `family.Decoding`."""

    def __init__(self, model: LanguageModel, batch: Batch) -> None:
        """Nothing runs yet."""
        self.cached = model.ways.cached
        self._model, self._ids, self._mask, self._positions = model, batch.ids, batch.mask, batch.positions
        self._cache: Any = DynamicCache(config=model.module.config) if self.cached else None

    def start(self) -> torch.Tensor:
        """(batch, vocabulary) logits after the prompts."""
        return self._logits(self._ids, self._positions)

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, vocabulary) logits after one more token in each row."""
        self._ids = torch.cat([self._ids, tokens[:, None]], dim=1)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        # A row that is finished goes along with the others; its place must not leave what the model has positions for.
        last = (self._positions[:, -1:] + 1).clamp(max=self._model.context - 1)
        self._positions = torch.cat([self._positions, last], dim=1)
        if self.cached:
            return self._logits(tokens[:, None], last)
        return self._logits(self._ids, self._positions)

    def _logits(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return run(self._model, ids, self._mask, positions, cache=self._cache, keep=1)[:, -1]
