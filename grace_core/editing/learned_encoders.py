"""The learned encoder of a model: shipped with the package for the default one, else fitted once and kept in the cache.

A file is safetensors, never a pickle. What cannot be read for certain is fitted again; what cannot be written is lost.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from grace_core.codebook.learned import LearnedEncoder, encoder_of_tensors, tensors_of
from grace_core.config import GraceConfig
from grace_core.editing.fitting import unquantised
from grace_core.editing.learning import QUESTION, SUBJECT, Progress, fit_encoder
from grace_core.editing.phrasebook import phrases
from grace_core.models.language_model import LanguageModel

log = logging.getLogger(__name__)

VERSION = 1
"""Of how an encoder is fitted, to be raised with it: those that were kept before are fitted anew."""
SHIPPED = "encoder_smollm2_135m_instruct.safetensors"


def learned_encoder(
    model: LanguageModel,
    config: GraceConfig,
    *,
    progress: Progress = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> LearnedEncoder:
    """The encoder of this model for values after this layer. config: resolved.

    Raises:
        Cancelled: while it was fitted, as soon as `cancelled` says so.
    """
    kept = known_encoder(model, config)
    if kept is not None:
        return kept
    fitted = fit_encoder(model, config, progress=progress, cancelled=cancelled)
    keep_encoder(model, config, fitted)
    return fitted


def known_encoder(model: LanguageModel, config: GraceConfig) -> LearnedEncoder | None:
    """The encoder of this model where it is shipped or in the cache; None where it would have to be fitted."""
    shipped = _shipped_for(model, config)
    if shipped is not None or model.cache_dir is None:
        return shipped
    key = _key(model, config)
    return _read(_kept_in(model.cache_dir, key), key)


def keep_encoder(model: LanguageModel, config: GraceConfig, encoder: LearnedEncoder) -> None:
    """Put an encoder into the model's cache, where there is one, for `learned_encoder` to find."""
    if model.cache_dir is None:
        return
    key = _key(model, config)
    file = _kept_in(model.cache_dir, key)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_encoder(encoder, file, {"key": key})
    except OSError as error:
        log.warning("The encoder cannot be kept in %s (%s); the next codebook fits it again.", file, error)


def save_encoder(encoder: LearnedEncoder, path: Path, about: dict[str, str], *, half: bool = False) -> None:
    """Write an encoder; the file is whole or not there. about: goes into its header. half: matrices in float16.

    Raises:
        OSError: a place that cannot be written.
    """
    tensors = {
        name: np.ascontiguousarray(tensor.astype(np.float16) if half and tensor.ndim == 2 else tensor)
        for name, tensor in tensors_of(encoder).items()
    }
    name = encoder_of_tensors({name: tensor.astype(np.float32) for name, tensor in tensors.items()}).name
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("xb") as stream:
            stream.write(save(tensors, metadata=about | {"name": name}))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _shipped_for(model: LanguageModel, config: GraceConfig) -> LearnedEncoder | None:
    with resources.as_file(resources.files("grace_core") / "data" / SHIPPED) as file:
        header, encoder = _parts(file)
    return encoder if (header["model"], header["value_layer"]) == (unquantised(model), str(config.value_layer)) else None


def _key(model: LanguageModel, config: GraceConfig) -> str:
    """SHA-256 of what an encoder depends on: the weights, the template, the phrasebook and how it is fitted."""
    texts = [(row.text, row.subject, row.question) for row in phrases()]
    how: list[Any] = [VERSION, config.value_layer, config.token_weight, repr((SUBJECT, QUESTION)), texts]
    template = model.template
    facts = [model.fingerprint, template.tokenizer, template.head, template.tail, how]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _kept_in(cache_dir: Path, key: str) -> Path:
    return cache_dir.expanduser() / "encoders" / f"{key[:32]}.safetensors"


def _read(file: Path, key: str) -> LearnedEncoder | None:
    """The encoder that was kept; None where there is none, or not the one that was written."""
    if not file.is_file():
        return None
    try:
        header, encoder = _parts(file)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        log.warning("The encoder kept in %s cannot be read (%s); it is fitted again.", file, error)
        return None
    if header.get("key") != key or header.get("name") != encoder.name:
        log.warning("The encoder kept in %s is damaged; it is fitted again.", file)
        return None
    return encoder


def _parts(file: Path) -> tuple[dict[str, str], LearnedEncoder]:
    with safe_open(file, framework="numpy") as stored:
        header: dict[str, str] = stored.metadata() or {}
        tensors = {name: stored.get_tensor(name).astype(np.float32) for name in stored.keys()}  # noqa: SIM118 (no mapping)
    return header, encoder_of_tensors(tensors)
