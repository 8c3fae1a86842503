"""Encoder-decoder models: a prompt is read in the encoder, where a value stands for all of its tokens; targets are decoded.

The encoder runs once for an answer. What it gives of a prompt with a value in it is the same whatever the prompt was, so the
answer is the value's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES

from grace_core.config import GraceConfig
from grace_core.errors import ModelError
from grace_core.models.batch import Batch
from grace_core.models.blocks import Blocks
from grace_core.models.families.encoder_check import checked
from grace_core.models.families.encoder_training import EncoderBatch, said
from grace_core.models.families.passes import cache_name, close
from grace_core.models.family import Asked, Decoding, Row, TrainingBatch, Traits, Ways
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

_CHECKED = 3
"""Tokens of the target that ways are compared on: the second step can be wrong where the first is right."""


class Seq2Seq:
    """The family of encoder-decoder models; holds nothing."""

    traits = Traits(
        name="an encoder-decoder model",
        model_types=frozenset(MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES),
        heads=frozenset(MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.values()),
        loader=AutoModelForSeq2SeqLM,
        side="right",
        encloses=True,
        everywhere=True,
        writes=True,
    )

    def config(self, model: LanguageModel) -> GraceConfig:
        """The preset `early`: its encoder needs no fitting. Contexts would teach a value nothing, as it answers alone."""
        return GraceConfig.early(contexts=0)

    def problem(self, config: Any) -> str | None:
        """Its decoder must know what to begin with."""
        if getattr(config, "decoder_start_token_id", None) is None and getattr(config, "bos_token_id", None) is None:
            return "its config names no token that its decoder begins with; set decoder_start_token_id there"
        return None

    def blocks(self, module: PreTrainedModel) -> Blocks:
        """The encoder's."""
        return Blocks.found_in(module, "encoder")

    def labels(self, module: PreTrainedModel) -> tuple[str, ...]:
        """None: an answer is text."""
        return ()

    @torch.no_grad()
    def checked(self, model: LanguageModel) -> Ways:
        """See `encoder_check`; and whether a token is decoded from the cache as all at once.

        Raises:
            ModelError: a model that cannot be edited, and why.
        """
        size = model.module.config.get_text_config().vocab_size
        target = tuple(torch.randint(size, (_CHECKED,), generator=torch.Generator().manual_seed(1)).tolist())
        ways = checked(model, _passed, target)
        prompt = Prompt("", (*model.template.head, *target, *model.template.tail), 0, len(target))
        batch = Batch.of(model, [prompt])
        wanted = _passed(model, batch.ids, batch.mask, torch.tensor([target], device=model.device))[0].float()
        for cached in (True, False):
            decoding = _Decoding(model, batch, cached=cached)
            steps = [decoding.start()]
            steps += [decoding.next(torch.tensor([token], device=model.device)) for token in target[:-1]]
            if close(torch.cat(steps).float()[1:], wanted[1:]):  # the first token may be one that the config demands
                return Ways(cached, ways.padded, ways.shared_start, ways.truncated)
        raise ModelError(f"{model.name} ({type(model.module).__name__}) cannot be edited: step by step it says something else.")

    def target_ids(self, model: LanguageModel, prompt: str, target: str) -> tuple[int, ...]:
        """Token ids of a target in what the tokenizer puts around a text, with the end-of-text token."""
        return model.prompts.target_ids(prompt, target)

    def text(self, model: LanguageModel, ids: Sequence[int]) -> str:
        """Text of generated token ids, special tokens left out."""
        return model.prompts.text(ids)

    def room(self, model: LanguageModel, prompt: Prompt) -> int:
        """An answer has the decoder's length to itself."""
        return model.context

    def decoding(self, model: LanguageModel, batch: Batch) -> Decoding:
        """Greedy steps of the decoder; the encoder runs with the first."""
        return _Decoding(model, batch, cached=model.ways.cached)

    def start_of(self, model: LanguageModel, ids: Sequence[int]) -> Any:
        """Nothing can be kept: what tokens begin with sees what follows."""
        raise NotImplementedError("an encoder keeps no start")

    def read(self, model: LanguageModel, batch: Batch, start: Any | None = None) -> None:
        """Run the encoder on a batch, for hooks to read."""
        _encoded(model, batch)

    def training_batch(self, model: LanguageModel, layer: int, positions: int, rows: Sequence[Row]) -> TrainingBatch:
        """The short way where it is the long way on this model, else the long one."""
        return EncoderBatch(model, layer, rows, _passed, head=_head(model), short=model.ways.truncated)

    def said(self, model: LanguageModel, layer: int, asked: Sequence[Asked]) -> list[list[int]]:
        """One pass over all prompts and targets as one batch."""
        return said(model, layer, asked, _passed)


class _Decoding:
    """`family.Decoding` of one batch. Later steps never see the encoder's blocks, so hooks there may go after the first."""

    cached = True

    def __init__(self, model: LanguageModel, batch: Batch, *, cached: bool) -> None:
        """Nothing runs yet. cached: the decoder keeps keys and values of what it has said."""
        self._model, self._batch, self._keeps = model, batch, cached
        self._encoded: Any = None
        self._cache: Any = None
        self._ids = torch.full((len(batch.ids), 1), _begin(model.module.config), device=batch.ids.device)

    def start(self) -> torch.Tensor:
        """(batch, vocabulary) logits of the first token; what the config demands there is the only one that can be it."""
        self._encoded = _encoded(self._model, self._batch)
        logits = self._step(self._ids)
        demanded = getattr(self._model.module.generation_config, "forced_bos_token_id", None)
        if demanded is not None:
            logits = torch.full_like(logits, -torch.inf).index_fill(1, torch.tensor([demanded], device=logits.device), 0.0)
        return logits

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, vocabulary) logits after one more token in each row."""
        self._ids = torch.cat([self._ids, tokens[:, None]], dim=1)
        return self._step(tokens[:, None] if self._keeps else self._ids)

    def _step(self, ids: torch.Tensor) -> torch.Tensor:
        found = self._model.module(
            encoder_outputs=self._encoded, attention_mask=self._batch.mask, decoder_input_ids=ids,
            use_cache=self._keeps, **{cache_name(self._model): self._cache},
        )  # fmt: skip
        if self._keeps:
            self._cache = getattr(found, cache_name(self._model))
        logits: torch.Tensor = found.logits[:, -1]
        return logits


def _encoded(model: LanguageModel, batch: Batch) -> Any:
    """What the encoder gives of a batch."""
    return model.module.get_encoder()(input_ids=batch.ids, attention_mask=batch.mask, return_dict=True)


def _passed(model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(rows, target, vocabulary) of the whole model, each target token after the true ones before it."""
    begin = labels.new_full((len(labels), 1), _begin(model.module.config))
    # Behind a shorter row's target any token will do: what follows is not looked at, and what comes before does not see it.
    decoded = torch.cat([begin, labels[:, :-1].clamp(min=0)], dim=1)
    logits: torch.Tensor = model.module(input_ids=ids, attention_mask=mask, decoder_input_ids=decoded, use_cache=False).logits
    return logits


def _begin(config: Any) -> int:
    """The token that the decoder begins with."""
    begin = getattr(config, "decoder_start_token_id", None)
    return int(begin if begin is not None else config.bos_token_id)


def _head(model: LanguageModel) -> nn.Module | None:
    """What makes logits of the decoder's hidden states; None where a bias is added behind it."""
    return None if hasattr(model.module, "final_logits_bias") else model.head
