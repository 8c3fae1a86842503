"""A frozen model with its tokenizer, and the few facts about it that editing needs.

Knows how prompts and targets become token ids (by `prompts`) and what its family is; knows no codebook, installs no hook
and loads nothing.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self, get_args

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grace_core.codebook.template import Template
from grace_core.config import GraceConfig
from grace_core.errors import InputError, ModelError
from grace_core.models.batch import Side
from grace_core.models.family import Family, Ways
from grace_core.models.prompts import Prompt, Prompts

LearnIn = Literal["auto", "float32", "bfloat16"]
_CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "context_length", "max_sequence_length")
_WINDOW_NAMES = ("sliding_window", "attention_chunk_size", "window_size", "attention_window_size", "local_attention_window")
UNNAMED_CONTEXT = 1024
"""Tokens that a model whose config and tokenizer name no length reads, prompt and answer together."""


@dataclass
class _Found:
    """What is found out about one module and takes time. All copies of a `LanguageModel` share it."""

    fingerprint: str | None = None
    twin: PreTrainedModel | None = None


class LanguageModel:
    """A model whose weights never change. `module` is in eval mode with gradients off."""

    def __init__(
        self,
        name: str,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        family: Family[LanguageModel],
        cache_dir: Path | None = None,
        learn_in: LearnIn = "auto",
    ) -> None:
        """Wrap a loaded model; mutates `module` only by eval() and requires_grad_(False).

        family: how it is run. cache_dir: where to keep what is found out about it and takes minutes; None: nowhere.
        learn_in: the kind of number that values are learned in; see `precision`.

        Raises:
            InputError: an unknown `learn_in`.
            ModelError: a module whose blocks cannot be found, one without an end-of-text token, or a chat template that
                cannot be rendered.
        """
        if learn_in not in get_args(LearnIn):
            raise InputError(f"learn_in is {learn_in!r}; use one of {', '.join(get_args(LearnIn))}.")
        self.name, self.cache_dir, self.learn_in = name, cache_dir, learn_in
        self.family: Family[LanguageModel] = family
        self.ways = Ways()
        self._wrap(module)
        self.found = _Found()
        self.labels = family.labels(module)
        """What an answer is one of; () where it is text."""
        self.eos_ids, self.end_id = _ends(name, module, tokenizer) if family.traits.writes else ((), _filling(module, tokenizer))
        config = module.config.get_text_config()
        named = next((length for word in _CONTEXT_NAMES if (length := getattr(config, word, None))), None)
        said = tokenizer.model_max_length if tokenizer.model_max_length < 10**6 else None
        self.names_context = bool(named or said)
        lengths = [length for length in (named, said, _places(module)) if length]
        self.context = int((min(lengths) if family.traits.encloses else lengths[0]) if lengths else UNNAMED_CONTEXT)
        """How many tokens fit; prompt and answer together, where the answer follows the prompt."""
        windows = [length for word in _WINDOW_NAMES if isinstance(length := getattr(config, word, None), int) and length > 0]
        self.window = min(windows) if windows else None
        """How far back some blocks look, in tokens; None: all of them look back to the first token."""
        self.prompts = Prompts(name, tokenizer, context=self.context, end_id=self.end_id, encloses=family.traits.encloses)

    def _wrap(self, module: PreTrainedModel) -> None:
        self.module = module.eval().requires_grad_(False)
        found = self.family.blocks(module)
        self.block_names, self.blocks, self.stack = found.names, found.modules, found.stack
        self.accepts = frozenset(inspect.signature(module.forward).parameters)

    def with_module(self, module: PreTrainedModel) -> Self:
        """The same model in another kind of number."""
        other = copy.copy(self)
        other._wrap(module)
        other.found = _Found()
        return other

    def with_template(self, template: Template) -> Self:
        """The same model with a chat template as it was rendered for a codebook, whatever it would be today.

        Raises:
            ModelError: the template was made with another tokenizer.
        """
        if template == self.template:
            return self
        other = copy.copy(self)
        other.prompts = self.prompts.with_template(template)
        return other

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Special tokens in a text are special to it; what a user types goes through `prompt` and `plain_ids`."""
        return self.prompts.tokenizer

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return int(self.module.config.get_text_config().hidden_size)

    @property
    def parameters(self) -> int:
        """How many numbers its weights are."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def side(self) -> Side:
        """Where prompts are filled up when they are answered."""
        return self.family.traits.side

    def resolved(self, config: GraceConfig) -> GraceConfig:
        """These choices for this model: each layer a number, and a value where the family's values go.

        Raises:
            InputError: a layer that the model does not have, or a span that its family does not have.
        """
        if self.family.traits.everywhere:
            config = replace(config, span="all")
        elif config.span == "all":
            raise InputError(f"span is 'all', but {self.name} is {self.family.traits.name}; use 'last' or 'tail'.")
        return config.resolved(len(self.blocks))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def head(self) -> nn.Module | None:
        """What makes logits of the last hidden states."""
        return self.module.get_output_embeddings()

    @property
    def has_chat_template(self) -> bool:
        """Whether a prompt is put into a chat template, or continued as it is."""
        return self.prompts.has_chat_template

    @property
    def template(self) -> Template:
        """The tokenizer's fingerprint and what the chat template puts around the user's text, as tokens.

        It is kept with a codebook, and given to `with_template` when that is opened.
        """
        return self.prompts.template

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the labels, and over names, shapes, types and bytes of all weights: another model has another one."""
        if self.found.fingerprint is None:
            digest = hashlib.sha256("\n".join((type(self.module).__name__, *self.labels)).encode())
            for name, tensor in sorted(self.module.state_dict().items()):
                digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
                digest.update(memoryview(flat.numpy()))
            self.found.fingerprint = digest.hexdigest()
        return self.found.fingerprint

    @property
    def tail(self) -> int:
        """How many tokens the chat template puts behind the user's text; 0 for a model without a template."""
        return len(self.template.tail)

    def layer(self, wanted: int | str) -> int:
        """A block's number from its number, its stack and number or its module name.

        "12", "decoder 12", "model.layers.11" and "model.layers[11]" are block 12 of a model whose blocks decode.

        Raises:
            ModelError: no such block; the message lists the real ones.
        """
        path = re.sub(r"\[(\d+)\]", r".\1", str(wanted))
        if path in self.block_names:
            return self.block_names.index(path) + 1
        number = path.removeprefix(f"{self.stack} ")
        if number.isdecimal() and 1 <= int(number) <= len(self.blocks):
            return int(number)
        inside = next((i for i, name in enumerate(self.block_names, 1) if path.startswith(f"{name}.")), None)
        where = f" That module is a part of block {inside}; a value stands for what a whole block gives." if inside else ""
        raise ModelError(
            f"{self.name} has no layer {wanted!r}. Its blocks are 1 to {len(self.blocks)} of the {self.stack}, "
            f"named {self.block_names[0]} to {self.block_names[-1]}.{where}"
        )

    def prompt(self, text: str) -> Prompt:
        """`Prompts.prompt`: token ids of a prompt, in the chat template where there is one."""
        return self.prompts.prompt(text)

    def target_ids(self, prompt: str, target: str) -> tuple[int, ...]:
        """What answers exactly with this target: token ids with the end-of-text token, or a label's number."""
        return self.family.target_ids(self, prompt, target)

    def text(self, ids: Sequence[int]) -> str:
        """The text of an answer that is these ids, special tokens left out; or the label that it is."""
        return self.family.text(self, ids)

    def room(self, prompt: Prompt) -> int:
        """How many tokens an answer to this prompt may have."""
        return self.family.room(self, prompt)

    def plain_ids(self, text: str) -> list[int]:
        """`Prompts.plain_ids`: token ids of a text by itself, special tokens in it taken for plain text."""
        return self.prompts.plain_ids(text)


def _ends(name: str, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], int]:
    """The token ids that end a text, and the one of them that ends a target.

    Raises:
        ModelError: there is none.
    """
    generation = getattr(module, "generation_config", None)
    eos = generation.eos_token_id if generation is not None else None
    eos = eos if eos is not None else tokenizer.eos_token_id
    if eos is None:
        raise ModelError(f"{name} has no end-of-text token, so an answer would never end; set eos_token_id in its config.")
    ids: tuple[int, ...] = tuple(eos) if isinstance(eos, Sequence) else (int(eos),)
    own = tokenizer.eos_token_id
    return ids, int(own) if own in ids else ids[0]


def _places(module: PreTrainedModel) -> int | None:
    """How many tokens have a position of their own, where the first of them are kept for padding (RoBERTa); None elsewhere."""
    tables = [child for name, child in module.named_modules() if name.endswith("position_embeddings")]
    kept = next((table for table in tables if isinstance(table, nn.Embedding) and table.padding_idx is not None), None)
    return kept.num_embeddings - kept.padding_idx - 1 if kept is not None and kept.padding_idx is not None else None


def _filling(module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """The token id that fills a row up, where no text ever ends."""
    config = module.config.get_text_config()
    found = (getattr(config, "pad_token_id", None), tokenizer.pad_token_id, tokenizer.eos_token_id)
    return int(next((token for token in found if token is not None), 0))
