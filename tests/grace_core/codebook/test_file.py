"""A codebook file gives back every bit, and anything else is refused with a reason."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.codebook.file import FORMAT, load_codebook, save_codebook
from grace_core.config import GraceConfig
from grace_core.errors import CodebookError
from grace_core.models.load import LanguageModel
from tests.grace_core.builders import assert_same, calibrated, edit_for

PROMPTS = ("Who was Ada Lovelace?", "Wer war “Ada”? 🙂", "two\nlines")


def some_codebook(model: LanguageModel, **overrides: Any) -> Codebook:
    codebook = calibrated(model, **overrides)
    edits = [edit_for(model, codebook, p, f"Paris — {i} 🙂", edit_id=f"e{i}", seed=i) for i, p in enumerate(PROMPTS)]
    return codebook.with_edits([*edits, edit_for(model, codebook, PROMPTS[0], "again", edit_id="e9", seed=9)])


@pytest.fixture
def saved(llama: LanguageModel, tmp_path: Path) -> Path:
    save_codebook(some_codebook(llama), tmp_path / "codebook.safetensors")
    return tmp_path / "codebook.safetensors"


def test_a_round_trip_gives_back_every_bit(tiny: LanguageModel, tmp_path: Path) -> None:
    codebook = some_codebook(tiny)
    save_codebook(codebook, tmp_path / "c")
    again = load_codebook(tmp_path / "c", tiny)
    assert_same(again, codebook)
    assert again.config == codebook.config
    assert again.fingerprint == codebook.fingerprint
    assert again.encoder.weights == codebook.encoder.weights
    for name in ("edit_id", "prompt", "target", "target_ids", "epsilon", "paraphrases"):
        assert [getattr(e, name) for e in again.edits] == [getattr(e, name) for e in codebook.edits]
    for old, new in zip(codebook.edits, again.edits, strict=True):
        assert old.activation.tobytes() == new.activation.tobytes()
        assert old.value.tobytes() == new.value.tobytes()


def test_a_loaded_codebook_goes_on_as_the_saved_one_would_have(llama: LanguageModel, saved: Path) -> None:
    codebook, again = some_codebook(llama), load_codebook(saved, llama)
    rows = codebook.edits[0].activation[None] * np.float32(1.01)
    assert again.encoder(rows).tobytes() == codebook.encoder(rows).tobytes()
    assert_same(again.without("e9"), codebook.without("e9"))
    old, new = codebook.encoder.joined(rows, 16), again.encoder.joined(rows, 16)
    assert old.projection is not None
    assert new.projection is not None
    assert old.projection.tobytes() == new.projection.tobytes()
    assert new.version == 2


def test_a_raw_codebook_and_an_empty_one_survive_too(tiny: LanguageModel, tmp_path: Path) -> None:
    config = GraceConfig.paper(epsilon=0.1 + 0.2).resolved(len(tiny.blocks))
    for codebook in (
        Codebook(config, Encoder.raw(tiny.width), fingerprint=tiny.fingerprint),
        calibrated(tiny),
    ):
        save_codebook(codebook, tmp_path / "c")
        again = load_codebook(str(tmp_path / "c"), tiny)
        assert again.config == codebook.config
        assert len(again) == 0
        edit = edit_for(tiny, codebook, "Hi", "Paris.", edit_id="e")
        assert_same(again.with_edit(edit), codebook.with_edit(edit))


# What is refused


def test_a_codebook_of_another_model_is_refused_by_name(gpt2: LanguageModel, saved: Path) -> None:
    with pytest.raises(CodebookError, match=r"fingerprint.*tiny-gpt2.*load the one it was made for"):
        load_codebook(saved, gpt2)


def test_a_file_that_is_not_there_says_so(llama: LanguageModel, tmp_path: Path) -> None:
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(CodebookError, match="no file"):
            load_codebook(missing, llama)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_file_is_refused(llama: LanguageModel, saved: Path, share: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CodebookError, match=r"not a codebook file, or it is damaged"):
        load_codebook(saved, llama)


def test_a_pickle_is_not_opened(llama: LanguageModel, tmp_path: Path) -> None:
    class Boom:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    (tmp_path / "c").write_bytes(pickle.dumps(Boom()))
    with pytest.raises(CodebookError, match="not a codebook"):
        load_codebook(tmp_path / "c", llama)
    assert not (tmp_path / "executed").exists()


def test_safetensors_of_something_else_are_refused(llama: LanguageModel, tmp_path: Path) -> None:
    for i, metadata in enumerate([None, {"format": "pt"}, {"format": FORMAT.replace("1", "99")}]):
        save_file({"weight": np.zeros(3)}, tmp_path / f"c{i}", metadata=metadata)
        with pytest.raises(CodebookError, match=FORMAT):
            load_codebook(tmp_path / f"c{i}", llama)


def rewritten(path: Path, change: Callable[[dict[str, str], dict[str, Any]], None]) -> None:
    with safe_open(path, framework="numpy") as file:
        header, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header, tensors)
    save_file(tensors, path, metadata=header)


def in_json(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, str], dict[str, Any]], None]:
    def run(header: dict[str, str], tensors: dict[str, Any]) -> None:
        header[name] = json.dumps(change(json.loads(header[name])))

    return run


DAMAGE: dict[str, Callable[[dict[str, str], dict[str, Any]], Any]] = {
    "no edits": lambda header, tensors: header.pop("edits"),
    "no values": lambda header, tensors: tensors.pop("values"),
    "no JSON": lambda header, tensors: header.update(edits="{"),
    "an edit short": in_json("edits", lambda edits: edits[1:]),
    "an edit twice": in_json("edits", lambda edits: [edits[1], *edits[1:]]),
    "an edit without a prompt": in_json("edits", lambda edits: [{k: v for k, v in e.items() if k != "prompt"} for e in edits]),
    "edits of another shape": in_json("edits", lambda edits: {"e": edits}),
    "an option unknown": in_json("config", lambda config: config | {"radius": 1}),
    "an option out of range": in_json("config", lambda config: config | {"epsilon": -1}),
    "a layer that is not there": in_json("config", lambda config: config | {"value_layer": 40}),
    "a config of another shape": in_json("config", lambda config: list(config)),
    "weights of another shape": in_json("encoder", lambda encoder: encoder | {"weights": [1, 2]}),
    "an encoder of another shape": in_json("encoder", lambda encoder: [encoder]),
    "activations of another width": lambda header, tensors: tensors.update(activations=tensors["activations"][:, :7].copy()),
    "values of another width": lambda header, tensors: tensors.update(values=tensors["values"][..., :7].copy()),
    "no encoder statistics": lambda header, tensors: (tensors.pop("mean"), tensors.pop("projection")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused(llama: LanguageModel, saved: Path, damage: str) -> None:
    rewritten(saved, DAMAGE[damage])
    with pytest.raises(CodebookError, match="damaged"):
        load_codebook(saved, llama)


# Writing


def test_saving_replaces_an_old_file_and_leaves_nothing_else(llama: LanguageModel, saved: Path) -> None:
    save_codebook(calibrated(llama), saved)
    assert len(load_codebook(saved, llama)) == 0
    assert list(saved.parent.iterdir()) == [saved]


def test_a_place_that_cannot_be_written_is_named_and_left_clean(llama: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "none" / "c", tmp_path / "folder"):
        with pytest.raises(CodebookError, match="cannot be written"):
            save_codebook(calibrated(llama), place)
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]
