"""What every family of models says of itself and what the rest of the library asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch

from grace_core.models.batch import Batch
from grace_core.models.prompts import Prompt

Model = TypeVar("Model", contravariant=True)
"""`LanguageModel`, which holds a family and so stands above this module."""


@dataclass(frozen=True)
class Traits:
    """What a family is.

    name: in messages, with its article. model_types, heads: which configs and which classes belong to it.
    """

    name: str
    model_types: frozenset[str]
    heads: frozenset[str]


@dataclass(frozen=True)
class Ways:
    """Which short ways give what the long way gives on this model; `self_check` finds it out when it is loaded.

    The long way is an ordinary pass over all tokens of one prompt, unpadded and without a cache.
    """

    cached: bool = True
    """A token is decoded from the cache that the tokens before it left; else all tokens pass again."""
    padded: bool = True
    """Prompts of different lengths are decoded as one batch; else one by one."""
    shared_start: bool = True
    """What several prompts begin with is run once and its keys and values kept; else each prompt is run whole."""
    truncated: bool = True
    """A value is learned with the blocks above it alone, on kept keys and values; else by whole passes."""


@dataclass(frozen=True)
class Row:
    """A prompt that a value is trained on. task: the number of its value, 0 for the first."""

    prompt: Prompt
    target_ids: tuple[int, ...]
    task: int


class TrainingBatch(Protocol):
    """Prompts with their targets, ready for as many steps as training needs.

    task_of: (rows,) the task of each row. labels: (rows, target) token ids, -100 behind a row's target.
    """

    task_of: torch.Tensor
    labels: torch.Tensor

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

    def logits(self, model: Model, batch: Batch) -> torch.Tensor:
        """(batch, tokens, vocabulary) of one whole pass without a cache."""
        ...

    def decoding(self, model: Model, batch: Batch) -> Decoding:
        """Answer a batch that is padded on the left."""
        ...

    def start_of(self, model: Model, ids: Sequence[int]) -> Any:
        """What is kept of tokens that prompts begin with, for `read`."""
        ...

    def read(self, model: Model, batch: Batch, start: Any | None = None) -> None:
        """Run a batch that is padded on the right, for hooks to read; behind `start`, where its rows begin with that."""
        ...

    def training_batch(self, model: Model, layer: int, positions: int, rows: Sequence[Row]) -> TrainingBatch:
        """What training a value after block `layer` at the last `positions` prompt tokens needs."""
        ...
