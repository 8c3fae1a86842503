"""Prompts that a model made up for its background, kept beside its weights: sampling them takes minutes, on any machine.

A cache and no more: what cannot be read for certain is sampled again, and what cannot be written is lost. Plain JSON.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)


def background_file(cache_dir: Path, key: str) -> Path:
    """Where the prompts of this key are. key: hexadecimal; says which model they are of and how they were sampled."""
    return cache_dir.expanduser() / "backgrounds" / f"{key[:32]}.json"


def read_background(file: Path, key: str) -> tuple[str, ...] | None:
    """The prompts that were kept, or None where there are none or they are not those that were written."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        log.warning("The background prompts kept in %s cannot be read (%s); they are sampled again.", file, error)
        return None
    try:
        kept = json.loads(text)
        prompts, whole = kept["prompts"], kept["key"] == key and kept["sha256"] == _digest(kept["prompts"])
    except (ValueError, TypeError, KeyError, RecursionError):
        prompts, whole = (), False
    if not whole or not prompts:
        log.warning("The background prompts kept in %s are damaged; they are sampled again.", file)
        return None
    return tuple(prompts)


def keep_background(file: Path, key: str, prompts: Sequence[str], *, model: str) -> None:
    """Keep prompts for the next time. model: its name, for whoever opens the file."""
    new = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    kept = {"model": model, "key": key, "sha256": _digest(prompts), "prompts": list(prompts)}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with new.open("w", encoding="utf-8") as stream:
                json.dump(kept, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(file)  # whole or not at all, also where two processes sampled at once: they found the same
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        log.warning("The background prompts cannot be kept in %s (%s); the next codebook samples them again.", file, error)


def _digest(prompts: Sequence[str]) -> str:
    """SHA-256 of the texts in their order.

    Raises:
        TypeError: something else than texts.
    """
    if not isinstance(prompts, list | tuple) or not all(isinstance(text, str) for text in prompts):
        raise TypeError("not a list of texts")
    return hashlib.sha256(json.dumps(list(prompts)).encode()).hexdigest()
