"""A codebook file gives back every bit, and anything else is refused with a reason."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.codebook.file import FORMATS, load_codebook, read_codebook, save_codebook
from grace_core.codebook.template import Template
from grace_core.config import GraceConfig
from grace_core.errors import CodebookError
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from tests.grace_core.builders import assert_same
from tests.grace_core.running import edit_for

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
    for i, metadata in enumerate([None, {"format": "pt"}, {"format": "grace-codebook-99"}]):
        save_file({"weight": np.zeros(3)}, tmp_path / f"c{i}", metadata=metadata)
        with pytest.raises(CodebookError, match=FORMATS[-1]):
            load_codebook(tmp_path / f"c{i}", llama)


def rewritten(path: Path, change: Callable[[dict[str, str], dict[str, Any]], Any]) -> None:
    """Change what a file holds, in the first format, so that no checksum is in the way."""
    with safe_open(path, framework="numpy") as file:
        header, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header = {name: text for name, text in header.items() if not name.startswith("checksum")} | {"format": FORMATS[0]}
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
    "edits nested deep": lambda header, tensors: header.update(edits="[" * 200_000 + "]" * 200_000),
    "a radius that is no number": in_json("edits", lambda edits: [e | {"epsilon": float("nan")} for e in edits]),
    "a radius below 0": in_json("edits", lambda edits: [e | {"epsilon": -1} for e in edits]),
    "a radius beyond the distance": in_json("edits", lambda edits: [e | {"epsilon": 1e9} for e in edits]),
    "a value that is no number": lambda header, tensors: tensors["values"].__setitem__((1, 0, 3), np.nan),
    "an activation that is no number": lambda header, tensors: tensors["activations"].__setitem__((1, 3), np.inf),
    "a projection that is no number": lambda header, tensors: tensors["projection"].__setitem__((1, 3), np.nan),
    "a projection of another width": lambda header, tensors: tensors.update(projection=tensors["projection"][:, :7].copy()),
    "a hundred positions": lambda header, tensors: tensors.update(values=np.repeat(tensors["values"][:, :1], 100, axis=1)),
    "no position": lambda header, tensors: tensors.update(values=tensors["values"][:, :0].copy()),
    "numbers of another type": lambda header, tensors: tensors.update(values=tensors["values"].astype(np.float16)),
    "a prompt that is no text": in_json("edits", lambda edits: [e | {"prompt": 3} for e in edits]),
    "a phrasing that is no text": in_json("edits", lambda edits: [e | {"paraphrases": [3]} for e in edits]),
    "a weight of nothing": in_json("encoder", lambda encoder: encoder | {"weights": {"1": float("nan")}}),
    "no encoder statistics": lambda header, tensors: (tensors.pop("mean"), tensors.pop("projection")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused(llama: LanguageModel, saved: Path, damage: str) -> None:
    rewritten(saved, DAMAGE[damage])
    with pytest.raises(CodebookError, match="damaged"):
        load_codebook(saved, llama)


def test_damage_is_named_with_its_place(llama: LanguageModel, saved: Path) -> None:
    whole = saved.read_bytes()
    for damage, place in (
        ("a radius below 0", "edit 1 of 4: .*ε is -1"),
        ("a value that is no number", r"'values' holds .* first at \(1, 0, 3\)"),
        ("a hundred positions", "100"),
        ("edits nested deep", "nested too deep"),
    ):
        saved.write_bytes(whole)
        rewritten(saved, DAMAGE[damage])
        with pytest.raises(CodebookError, match=place):
            load_codebook(saved, llama)


def test_a_file_of_the_first_format_still_opens(llama: LanguageModel, saved: Path) -> None:
    codebook = load_codebook(saved, llama)
    rewritten(saved, lambda header, tensors: None)
    assert_same(load_codebook(saved, llama), codebook)


def test_every_tensor_and_the_header_have_a_checksum(llama: LanguageModel, saved: Path) -> None:
    whole = saved.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    layout = {name: facts for name, facts in json.loads(whole[8:start]).items() if name != "__metadata__"}
    assert len(layout) == 6
    for name, facts in layout.items():
        saved.write_bytes(flipped(whole, 8 * (start + facts["data_offsets"][0]) + 3))
        with pytest.raises(CodebookError, match=f"checksum of its tensor '{name}'"):
            load_codebook(saved, llama)
    saved.write_bytes(flipped(whole, 8 * whole.index(b"Who was Ada")))
    with pytest.raises(CodebookError, match="checksum of its header"):
        load_codebook(saved, llama)


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_is_refused_or_harmless(llama: LanguageModel, saved: Path, data: st.DataObject) -> None:
    codebook, whole = load_codebook(saved, llama), saved.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    # Half of the flips into the header, which is a small part of the file.
    bit = data.draw(st.one_of(st.integers(0, 8 * header - 1), st.integers(0, 8 * len(whole) - 1)))
    place = saved.with_name("flipped")
    place.write_bytes(flipped(whole, bit))
    try:
        again = load_codebook(place, llama)
    except CodebookError:
        return
    assert_same(again, codebook)
    assert (again.config, again.encoder.weights) == (codebook.config, codebook.encoder.weights)


# Another template


def test_the_template_is_kept_and_another_one_is_refused(llama: LanguageModel, tmp_path: Path) -> None:
    plain = some_codebook(llama)
    template = Template("rules", (1, 2, 3), tuple(range(llama.tail)))
    codebook = Codebook(plain.config, plain.encoder, plain.edits, fingerprint=plain.fingerprint, template=template)
    save_codebook(codebook.without("e9"), tmp_path / "c")
    assert read_codebook(tmp_path / "c").template == template

    class Other:
        """The same weights behind another template."""

        name, fingerprint, blocks = llama.name, llama.fingerprint, llama.blocks

        def __init__(self, template: Template) -> None:
            self.template = template

    assert load_codebook(tmp_path / "c", Other(template)).template == template
    for other, said in (
        (Template("others", template.head, template.tail), "another tokenizer"),
        (Template("rules", (1, 2, 4), template.tail), "another head"),
        (Template("rules", template.head, template.tail[1:]), "another tail"),
    ):
        with pytest.raises(CodebookError, match=said):
            load_codebook(tmp_path / "c", Other(other))


def test_a_codebook_goes_on_with_the_template_of_its_time(llama: LanguageModel, tmp_path: Path) -> None:
    plain = some_codebook(llama)
    then = replace(llama.template, head=(*llama.template.head, llama.template.head[-1]))
    codebook = Codebook(plain.config, plain.encoder, plain.edits, fingerprint=plain.fingerprint, template=then)
    save_codebook(codebook, tmp_path / "c")
    with pytest.raises(CodebookError, match="with_template"):
        load_codebook(tmp_path / "c", llama)
    kept = read_codebook(tmp_path / "c").template
    assert kept == then
    assert load_codebook(tmp_path / "c", llama.with_template(then)).template == then


# Without torch

READ_AND_MATCH = """
import sys
sys.modules.update(torch=None, transformers=None, sklearn=None)
import numpy as np
from grace_core.codebook import read_codebook
codebook = read_codebook(sys.argv[1])
matches = codebook.match(codebook.encoder(np.stack([edit.activation for edit in codebook.edits])))
print([match.edit_id for match in matches])
"""


def test_a_file_is_read_and_matched_without_torch_and_transformers(llama: LanguageModel, saved: Path) -> None:
    command = [sys.executable, "-c", READ_AND_MATCH, str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    codebook = load_codebook(saved, llama)
    own = codebook.match(codebook.encoder(np.stack([edit.activation for edit in codebook.edits])))
    assert done.stdout.strip() == str([match.edit_id for match in own])


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


def test_half_a_character_cannot_be_written_and_its_place_is_named(llama: LanguageModel, tmp_path: Path) -> None:
    for change in ({"prompt": "Who \ud83d"}, {"target": "Who \ud83d"}, {"paraphrases": ("a", "Who \ud83d")}):
        codebook = some_codebook(llama)
        codebook = codebook.with_edits([replace(codebook.edits[0], **change), *codebook.edits[1:]])
        with pytest.raises(CodebookError, match=rf"'e0'.*{next(iter(change))} has half a character at position 4"):
            save_codebook(codebook, tmp_path / "c")
    assert list(tmp_path.iterdir()) == []
