"""Codebook to file and back: safetensors, never a pickle.

The file holds the edits, the encoder with its statistics, the choices behind them and the model's fingerprint; loading
it into another model is refused. Vectors come back bit for bit.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from grace_core.codebook.codebook import Codebook, Edit
from grace_core.codebook.encoder import Background, Encoder, TokenWeights
from grace_core.config import GraceConfig
from grace_core.errors import CodebookError, GraceError
from grace_core.models.load import LanguageModel

FORMAT = "grace-codebook-1"


def save_codebook(codebook: Codebook, path: str | Path) -> None:
    """Write a codebook; the file is whole or not there (it replaces an old one by one rename).

    Raises:
        CodebookError: the file cannot be written.
    """
    encoder, path = codebook.encoder, Path(path)
    tensors: dict[str, np.ndarray] = {
        "activations": _stacked([edit.activation for edit in codebook.edits]),
        "values": _stacked([edit.value for edit in codebook.edits]),
    }
    if encoder.mean is not None and encoder.projection is not None:
        tensors |= {"mean": encoder.mean, "projection": encoder.projection}
    if encoder.background is not None:
        tensors |= {"background.total": encoder.background.total, "background.outer": encoder.background.outer}
    header = {
        "format": FORMAT,
        "fingerprint": codebook.fingerprint,
        "config": json.dumps(codebook.config.to_dict()),
        "encoder": json.dumps(
            {
                "dimensions": encoder.dimensions,
                "version": encoder.version,
                "background": encoder.background.count if encoder.background is not None else 0,
                "weights": {str(token): weight for token, weight in encoder.weights.by_id.items()},
            }
        ),
        "edits": json.dumps([_plain(edit) for edit in codebook.edits], ensure_ascii=False),
    }
    data = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, metadata=header)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CodebookError(f"{path} cannot be written ({error.strerror}); choose another place.") from error


def load_codebook(path: str | Path, model: LanguageModel) -> Codebook:
    """Read a codebook that was made for this very model.

    Raises:
        CodebookError: no such file, no codebook, a damaged one, or one for another model.
    """
    path = Path(path)
    if not path.is_file():
        raise CodebookError(f"There is no file {path}; save a codebook first, or check the path.")
    try:
        with safe_open(path, framework="numpy") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CodebookError(f"{path} is not a codebook file, or it is damaged: {error}") from error
    if header.get("format") != FORMAT:
        raise CodebookError(f"{path} says it is {header.get('format')!r}; this version reads {FORMAT!r}.")
    if header.get("fingerprint") != model.fingerprint:
        raise CodebookError(
            f"{path} was made for a model with the fingerprint {header.get('fingerprint', '')[:12]}…, and {model.name} has "
            f"{model.fingerprint[:12]}…. Keys and values mean nothing in another model; load the one it was made for."
        )
    try:
        return _codebook(header, tensors, model)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, GraceError) as error:
        raise CodebookError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _codebook(header: dict[str, str], tensors: dict[str, Any], model: LanguageModel) -> Codebook:
    config = GraceConfig.from_dict(json.loads(header["config"])).resolved(len(model.blocks))
    facts = json.loads(header["encoder"])
    background = None
    if facts["background"]:
        background = Background(int(facts["background"]), tensors["background.total"], tensors["background.outer"])
    encoder = Encoder(
        dimensions=int(facts["dimensions"]),
        version=int(facts["version"]),
        weights=TokenWeights({int(token): float(weight) for token, weight in facts["weights"].items()}),
        background=background,
        mean=tensors.get("mean"),
        projection=tensors.get("projection"),
    )
    rows = json.loads(header["edits"])
    activations, values = tensors["activations"], tensors["values"]
    if not len(rows) == len(activations) == len(values):
        raise ValueError(f"{len(rows)} edits, {len(activations)} activations and {len(values)} values")
    edits = [
        Edit(
            row["edit_id"], row["prompt"], row["target"], tuple(int(token) for token in row["target_ids"]),
            activation, value, float(row["epsilon"]), tuple(row["paraphrases"]),
        )
        for row, activation, value in zip(rows, activations, values, strict=True)
    ]  # fmt: skip
    return Codebook(config, encoder, edits, fingerprint=header["fingerprint"])


def _plain(edit: Edit) -> dict[str, Any]:
    names = ("edit_id", "prompt", "target", "target_ids", "epsilon", "paraphrases")
    return {name: getattr(edit, name) for name in names}


def _stacked(vectors: list[Any]) -> Any:
    return np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, 0), dtype=np.float32)
