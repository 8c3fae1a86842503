"""Codebook to file and back: safetensors, never a pickle; needs no model and no torch.

The file holds the edits, the encoder with its statistics, the choices behind them and the fingerprints of the model and
its template. Vectors come back bit for bit: everything in the file has a checksum, and damage is refused with its place.
Files that an earlier version wrote (`FORMATS[0]`) have no checksums; they still open.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sized
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from grace_core.codebook.codebook import Codebook, Edit, checked_epsilon
from grace_core.codebook.encoder import Background, Encoder
from grace_core.codebook.learned import encoder_of_tensors, tensors_of
from grace_core.codebook.template import Template
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig
from grace_core.errors import CodebookError, GraceError

FORMATS = ("grace-codebook-1", "grace-codebook-2", "grace-codebook-3")
"""Those that this version reads, oldest first; it writes the last one."""

_FLOAT64 = ("background.total", "background.outer")
_LEARNED = "learned."
"""How the names of a learned encoder's tensors begin."""
_TEXTS = ("edit_id", "prompt", "target")


class Model(Protocol):
    """What a codebook file is compared with; `LanguageModel` is one."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def fingerprint(self) -> str:
        """Of its weights."""

    @property
    def blocks(self) -> Sized:
        """As many as it has."""

    @property
    def template(self) -> Template:
        """How it puts a prompt before its blocks."""


def save_codebook(codebook: Codebook, path: str | Path) -> None:
    """Write a codebook; the file is whole or not there (it replaces an old one by one rename).

    Raises:
        CodebookError: a text that cannot be encoded, or a place that cannot be written.
    """
    path = Path(path)
    tensors = _tensors(codebook)
    header = _header(codebook)
    header["checksums"] = json.dumps({name: _checksum(name, tensor) for name, tensor in tensors.items()})
    header["checksum"] = _header_checksum(header)
    data = save(tensors, metadata=header)
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


def load_codebook(path: str | Path, model: Model) -> Codebook:
    """Read a codebook that was made for this very model.

    Raises:
        CodebookError: no such file, no codebook, a damaged one, or one for another model or template.
    """
    path = Path(path)
    header, tensors = _parts(path)
    if header.get("fingerprint") != model.fingerprint:
        raise CodebookError(
            f"{path} was made for a model with the fingerprint {header.get('fingerprint', '')[:12]}…, and {model.name} has "
            f"{model.fingerprint[:12]}…. Keys and values mean nothing in another model; load the one it was made for."
        )
    codebook = _read(path, header, tensors, blocks=len(model.blocks), tail=len(model.template.tail))
    if codebook.template is not None and (differs := model.template.difference(codebook.template)):
        raise CodebookError(
            f"{path} was made for {model.name} with the same weights, but the model has {differs}. The same text would give "
            "another query; give it `model.with_template(read_codebook(path).template)`, which goes on with the template of "
            "that time where the tokenizer is the same."
        )
    return codebook


def read_codebook(path: str | Path) -> Codebook:
    """Read a codebook without its model: to look at it, or to match vectors that the model gave elsewhere.

    Raises:
        CodebookError: no such file, no codebook, or a damaged one.
    """
    path = Path(path)
    header, tensors = _parts(path)
    return _read(path, header, tensors, blocks=None, tail=None)


def _tensors(codebook: Codebook) -> dict[str, np.ndarray]:
    encoder = codebook.encoder
    tensors = {
        "activations": _stacked([edit.activation for edit in codebook.edits]),
        "values": _stacked([edit.value for edit in codebook.edits]),
    }
    if encoder.mean is not None and encoder.projection is not None:
        tensors |= {"mean": encoder.mean, "projection": encoder.projection}
    if encoder.background is not None:
        tensors |= {"background.total": encoder.background.total, "background.outer": encoder.background.outer}
    if encoder.learned is not None:
        tensors |= {f"{_LEARNED}{name}": tensor for name, tensor in tensors_of(encoder.learned).items()}
    return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def _stacked(vectors: list[Any]) -> Any:
    return np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, 0), dtype=np.float32)


def _header(codebook: Codebook) -> dict[str, str]:
    encoder = codebook.encoder
    header = {
        "format": FORMATS[-1],
        "fingerprint": codebook.fingerprint,
        "config": json.dumps(codebook.config.to_dict()),
        "encoder": json.dumps(
            {
                "dimensions": encoder.dimensions,
                "version": encoder.version,
                "background": encoder.background.count if encoder.background is not None else 0,
                "weights": {} if encoder.learned else {str(token): weight for token, weight in encoder.weights.by_id.items()},
            }
        ),
        "edits": json.dumps([_plain(edit) for edit in codebook.edits], ensure_ascii=False),
    }
    return header if codebook.template is None else header | {"template": json.dumps(asdict(codebook.template))}


def _plain(edit: Edit) -> dict[str, Any]:
    for name, text in (*((name, getattr(edit, name)) for name in _TEXTS), *(("paraphrases", text) for text in edit.paraphrases)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise CodebookError(
                f"Edit {edit.edit_id!a} cannot be written: its {name} has half a character at position {error.start}. "
                "Undo it and make it again without."
            ) from error
    names = (*_TEXTS, "target_ids", "epsilon", "paraphrases", "subject_epsilon")
    return {name: getattr(edit, name) for name in names}


def _checksum(name: str, tensor: np.ndarray) -> str:
    """Over name, type, shape and bytes."""
    digest = hashlib.sha256(f"{name} {tensor.dtype.str} {tensor.shape} ".encode())
    digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest()


def _header_checksum(header: Mapping[str, str]) -> str:
    """Over all of the header but this checksum."""
    return hashlib.sha256(json.dumps(sorted(item for item in header.items() if item[0] != "checksum")).encode()).hexdigest()


def _parts(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The header and the tensors of a codebook file, as they were written."""
    if not path.is_file():
        raise CodebookError(f"There is no file {path}; save a codebook first, or check the path.")
    try:
        with safe_open(path, framework="numpy") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CodebookError(f"{path} is not a codebook file, or it is damaged: {error}") from error
    if header.get("format") not in FORMATS:
        raise CodebookError(f"{path} says it is {header.get('format')!r}; this version reads {' and '.join(FORMATS)}.")
    if header["format"] != FORMATS[0] and (place := _damaged_place(header, tensors)):
        raise CodebookError(f"{path} is damaged: the checksum of its {place} differs. Take a copy that is whole.")
    return header, tensors


def _damaged_place(header: dict[str, str], tensors: dict[str, np.ndarray]) -> str | None:
    if header.get("checksum") != _header_checksum(header):
        return "header"
    checksums: dict[str, str] = json.loads(header["checksums"])
    places = sorted(checksums.keys() | tensors.keys())
    return next((f"tensor {n!r}" for n in places if n not in tensors or checksums.get(n) != _checksum(n, tensors[n])), None)


def _read(
    path: Path, header: dict[str, str], tensors: dict[str, np.ndarray], *, blocks: int | None, tail: int | None
) -> Codebook:
    try:
        return _codebook(header, tensors, blocks, tail)
    except RecursionError as error:
        raise CodebookError(f"{path} is damaged: its JSON is nested too deep.") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, GraceError) as error:
        raise CodebookError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _codebook(header: dict[str, str], tensors: dict[str, np.ndarray], blocks: int | None, tail: int | None) -> Codebook:
    for name, tensor in tensors.items():
        if tensor.dtype != (np.float64 if name in _FLOAT64 else np.float32):
            raise ValueError(f"the tensor {name!r} is of type {tensor.dtype}")
        if not np.isfinite(tensor).all():
            raise ValueError(f"the tensor {name!r} holds what is no finite number, first at {_first_bad(tensor)}")
    config = GraceConfig.from_dict(json.loads(header["config"]))
    if config.key_layer is None or config.value_layer is None:
        raise ValueError("its layers are no numbers")
    config = config.resolved(blocks if blocks is not None else config.value_layer)
    template = _template(json.loads(header["template"])) if "template" in header else None
    rows = json.loads(header["edits"])
    activations, values = tensors["activations"], tensors["values"]
    if not len(rows) == len(activations) == len(values):
        raise ValueError(f"{len(rows)} edits, {len(activations)} activations and {len(values)} values")
    tail = len(template.tail) if template is not None else tail
    most = 1 if config.span != "tail" else None if tail is None else max(1, tail)
    if len(rows) and (values.ndim != 3 or not values.shape[1] or (most is not None and values.shape[1] > most)):
        raise ValueError(f"values of shape {values.shape}, where (edits, positions, width) with at most {most} positions can be")
    edits = [
        _edit(row, f"edit {i} of {len(rows)}", activation, value, config)
        for i, (row, activation, value) in enumerate(zip(rows, activations, values, strict=True), 1)
    ]
    encoder = _encoder(json.loads(header["encoder"]), tensors)
    return Codebook(config, encoder, edits, fingerprint=header["fingerprint"], template=template)


def _first_bad(tensor: np.ndarray) -> tuple[int, ...]:
    return tuple(int(at[0]) for at in np.nonzero(~np.isfinite(tensor)))


def _template(facts: dict[str, Any]) -> Template:
    return Template(_text(facts, "tokenizer", "the template"), tuple(map(int, facts["head"])), tuple(map(int, facts["tail"])))


def _encoder(facts: dict[str, Any], tensors: dict[str, np.ndarray]) -> Encoder:
    learned = {name.removeprefix(_LEARNED): tensor for name, tensor in tensors.items() if name.startswith(_LEARNED)}
    if learned:
        return Encoder.fixed(encoder_of_tensors(learned))
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
    width, dimensions = encoder.width, encoder.dimensions
    wanted = {"mean": (width,), "projection": (width, dimensions)}
    wanted |= {"background.total": (width,), "background.outer": (width, width)}
    for name, shape in wanted.items():
        if name in tensors and tensors[name].shape != shape:
            raise ValueError(f"the tensor {name!r} has the shape {tensors[name].shape} instead of {shape}")
    if not all(np.isfinite(weight) and weight > 0 for weight in encoder.weights.by_id.values()):
        raise ValueError("a token weight is not above 0")
    return encoder


def _edit(row: dict[str, Any], place: str, activation: Any, value: Any, config: GraceConfig) -> Edit:
    try:
        epsilon = checked_epsilon(float(row["epsilon"]), config)
        edit_id, prompt, target = (_text(row, name, place) for name in _TEXTS)
        subject = row.get("subject_epsilon")
        subject = None if subject is None else checked_epsilon(float(subject), config)
        ids, paraphrases = tuple(int(token) for token in row["target_ids"]), tuple(row["paraphrases"])
    except (KeyError, TypeError, ValueError, GraceError) as error:
        raise ValueError(f"{place}: {type(error).__name__}: {error}") from error
    if not all(isinstance(text, str) for text in paraphrases):
        raise ValueError(f"{place}: a paraphrase is no text")
    return Edit(edit_id, prompt, target, ids, activation, value, epsilon, paraphrases, subject)


def _text(row: dict[str, Any], name: str, place: str) -> str:
    if not isinstance(row[name], str):
        raise ValueError(f"{place}: its {name} is {type(row[name]).__name__}, no text")
    return str(row[name])
