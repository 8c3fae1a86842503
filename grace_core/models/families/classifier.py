"""Text classifiers: an answer is one label, a target is a label, and a value stands for all tokens of the prompt.

A head reads one token or the mean of all. Which one it is makes no difference here: a value goes to all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from grace_core.config import GraceConfig
from grace_core.errors import InputError
from grace_core.models.batch import Batch
from grace_core.models.blocks import Blocks
from grace_core.models.families.encoder_check import checked
from grace_core.models.families.encoder_training import EncoderBatch, said
from grace_core.models.family import Asked, Decoding, Row, TrainingBatch, Traits, Ways
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

_DIRECTIONS, _EPSILON = 32, 0.2


class Classifier:
    """The family of text classifiers; holds nothing."""

    traits = Traits(
        name="a text classifier",
        model_types=frozenset(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES),
        heads=frozenset(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.values()),
        loader=AutoModelForSequenceClassification,
        side="right",
        encloses=True,
        everywhere=True,
        writes=False,
    )

    def config(self, model: LanguageModel) -> GraceConfig:
        """A whitened mean as in `early`, but where texts of one label lie together: after the last block, in few directions.

        Without siblings: a label is for all that is said alike, whoever it is about. (Measured: assets/docs/method.md.)
        """
        last = len(model.blocks)
        return GraceConfig.early(
            key_layer=last, value_layer=last, directions=_DIRECTIONS, epsilon=_EPSILON, siblings=0, contexts=0
        )

    def problem(self, config: Any) -> str | None:
        """It must choose one of several labels, and know where a filled up row ends."""
        kind = getattr(config, "problem_type", None)
        labels = list((config.id2label or {}).values())
        if getattr(config, "is_encoder_decoder", False):
            return "it has a decoder, too"
        if kind == "regression" or len(labels) < 2:
            return "it gives a number, no label"
        if kind == "multi_label_classification":
            return "it gives several labels at once"
        if len(set(labels)) < len(labels):
            return "two of its labels have one name"
        if getattr(config.get_text_config(), "pad_token_id", None) is None:
            return "its config names no padding token; set pad_token_id there"
        return None

    def blocks(self, module: PreTrainedModel) -> Blocks:
        """The encoder's."""
        return Blocks.found_in(module, "encoder")

    def labels(self, module: PreTrainedModel) -> tuple[str, ...]:
        """As the config names them, in the order of the head's outputs."""
        named: Any = module.config.id2label
        return tuple(str(named[i]) for i in range(len(named)))

    def checked(self, model: LanguageModel) -> Ways:
        """See `encoder_check`."""
        return checked(model, _passed, (0,))

    def target_ids(self, model: LanguageModel, prompt: str, target: str) -> tuple[int, ...]:
        """The label's number.

        Raises:
            InputError: a label that the model does not have.
        """
        wanted = target.strip()
        if not wanted:
            raise InputError(f"The label is empty; choose one of {', '.join(model.labels)}.")
        if wanted not in model.labels:
            raise InputError(f"{model.name} has no label {wanted!r:.80}. Its labels are {', '.join(model.labels)}.")
        return (model.labels.index(wanted),)

    def text(self, model: LanguageModel, ids: Sequence[int]) -> str:
        """The label's name."""
        return model.labels[ids[0]]

    def room(self, model: LanguageModel, prompt: Prompt) -> int:
        """One label."""
        return 1

    def decoding(self, model: LanguageModel, batch: Batch) -> Decoding:
        """One pass says it all."""
        return _Labelling(model, batch)

    def start_of(self, model: LanguageModel, ids: Sequence[int]) -> Any:
        """Nothing can be kept: what tokens begin with sees what follows."""
        raise NotImplementedError("an encoder keeps no start")

    def read(self, model: LanguageModel, batch: Batch, start: Any | None = None) -> None:
        """Run a batch, for hooks to read."""
        _logits(model, batch.ids, batch.mask)

    def training_batch(self, model: LanguageModel, layer: int, positions: int, rows: Sequence[Row]) -> TrainingBatch:
        """The short way where it is the long way on this model, else the long one."""
        return EncoderBatch(model, layer, rows, _passed, head=None, short=model.ways.truncated)

    def said(self, model: LanguageModel, layer: int, asked: Sequence[Asked]) -> list[list[int]]:
        """One pass over all prompts as one batch."""
        return said(model, layer, asked, _passed)


class _Labelling:
    """`family.Decoding` of one step: the logits of all labels."""

    cached = True

    def __init__(self, model: LanguageModel, batch: Batch) -> None:
        self._model, self._batch = model, batch

    def start(self) -> torch.Tensor:
        """(batch, labels) logits."""
        return _logits(self._model, self._batch.ids, self._batch.mask)

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """Nothing follows a label."""
        raise NotImplementedError("an answer is one label")


def _logits(model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(rows, labels) of one pass."""
    logits: torch.Tensor = model.module(input_ids=ids, attention_mask=mask).logits
    return logits


def _passed(model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(rows, 1, labels): a target is one label."""
    return _logits(model, ids, mask)[:, None]
