"""What every family of models says of itself and what the rest of the library asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel

from grace_core.config import GraceConfig
from grace_core.models.batch import Batch, Side
from grace_core.models.blocks import Blocks
from grace_core.models.prompts import Prompt

Model = TypeVar("Model", contravariant=True)
"""`LanguageModel`, which holds a family and so stands above this module."""


@dataclass(frozen=True)
class Traits:
    """What a family is.

    name: in messages, with its article. model_types, heads: which configs and which classes belong to it. loader: the class of
    transformers that loads it.
    side: where prompts of different lengths are filled up when they are answered.
    encloses: what the tokenizer puts behind a text belongs to the prompt, and nothing is written on behind it.
    everywhere: a value goes to every token of the prompt (span `all`); else to the last ones (`last` or `tail`).
    writes: an answer is text, token by token up to an end-of-text token; else it is one label.
    """

    name: str
    model_types: frozenset[str]
    heads: frozenset[str]
    loader: Any
    side: Side
    encloses: bool
    everywhere: bool
    writes: bool


@dataclass(frozen=True)
class Ways:
    """Which short ways give what the long way gives on this model; `Family.checked` finds it out when it is loaded.

    The long way is an ordinary pass over all tokens of one prompt, unpadded and without a cache.
    """

    cached: bool = True
    """A token is decoded from the cache that the tokens before it left; else all tokens pass again."""
    padded: bool = True
    """Prompts of different lengths are decoded as one batch; else one by one."""
    shared_start: bool = True
    """What several prompts begin with is run once and its keys and values kept; else each prompt is run whole."""
    truncated: bool = True
    """A value is learned by less than whole passes: with the blocks above it alone, on kept keys and values, or, where it
    stands for every token of the prompt, on a prompt of one token; else by whole passes."""


@dataclass(frozen=True)
class Row:
    """A prompt that a value is trained on. task: the number of its value, 0 for the first."""

    prompt: Prompt
    target_ids: tuple[int, ...]
    task: int


@dataclass(frozen=True, eq=False)
class Asked:
    """A prompt, the target to compare with, and the value (positions, width) to put in; None: the model as it is."""

    prompt: Prompt
    target_ids: tuple[int, ...]
    value: NDArray[np.float32] | None = field(repr=False)


class TrainingBatch(Protocol):
    """Prompts with their targets, ready for as many steps as training needs.

    task_of: (rows,) the task of each row. labels: (rows, target) token ids, -100 behind a row's target.
    head: what makes logits of hidden states and nothing more happens to them; None: there is no such thing.
    """

    task_of: torch.Tensor
    labels: torch.Tensor
    head: nn.Module | None

    def start(self) -> torch.Tensor:
        """(tasks, positions, width) the prompts' own hidden states, averaged over each task's rows."""
        ...

    def logits(self, values: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """(rows, target, vocabulary) with values (tasks, positions, width) put in; for all rows or for some."""
        ...


class Decoding(Protocol):
    """One batch of prompts being answered. cached: whether steps after the first see the new token only."""

    cached: bool

    def start(self) -> torch.Tensor:
        """(batch, vocabulary) logits after the prompts."""
        ...

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, vocabulary) logits after one more token in each row. tokens: (batch,)."""
        ...


class Family(Protocol[Model]):
    """How the models of one family are run; each family is a file in `families`."""

    @property
    def traits(self) -> Traits:
        """What this family is."""
        ...

    def config(self, model: Model) -> GraceConfig:
        """The choices of a new codebook where nobody makes any."""
        ...

    def problem(self, config: Any) -> str | None:
        """Why a model of this family with such a config cannot be edited, in words; None where nothing is known to say so."""
        ...

    def blocks(self, module: PreTrainedModel) -> Blocks:
        """Where queries are read and values written.

        Raises:
            ModelError: there is no such place.
        """
        ...

    def labels(self, module: PreTrainedModel) -> tuple[str, ...]:
        """The labels that an answer is one of; () where it is text."""
        ...

    def checked(self, model: Model) -> Ways:
        """The ways that hold on this model, on which all short ways are still allowed.

        Raises:
            ModelError: a model that cannot be edited, and why.
        """
        ...

    def target_ids(self, model: Model, prompt: str, target: str) -> tuple[int, ...]:
        """What answers exactly with this target.

        Raises:
            InputError: a target that cannot be an answer.
        """
        ...

    def text(self, model: Model, ids: Sequence[int]) -> str:
        """The text of an answer."""
        ...

    def room(self, model: Model, prompt: Prompt) -> int:
        """How many tokens an answer to this prompt may have."""
        ...

    def decoding(self, model: Model, batch: Batch) -> Decoding:
        """Answer a batch that is padded on the family's side."""
        ...

    def start_of(self, model: Model, ids: Sequence[int]) -> Any:
        """What is kept of tokens that prompts begin with, for `read`."""
        ...

    def read(self, model: Model, batch: Batch, start: Any | None = None) -> None:
        """Run a batch that is padded on the right, for hooks to read; behind `start`, where its rows begin with that."""
        ...

    def training_batch(self, model: Model, layer: int, positions: int, rows: Sequence[Row]) -> TrainingBatch:
        """What training a value after block `layer` needs; where it does not go everywhere, at the last `positions` tokens."""
        ...

    def said(self, model: Model, layer: int, asked: Sequence[Asked]) -> list[list[int]]:
        """The most likely token at each place of each row's target, after the true ones before it, the value after `layer`."""
        ...
