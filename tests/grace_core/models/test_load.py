"""Which models are refused when they are loaded, in words, and that nothing of theirs is run."""

from __future__ import annotations

import ast
import io
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from grace_core.errors import ModelError
from grace_core.models import load
from grace_core.models.language_model import UNNAMED_CONTEXT, LanguageModel
from grace_core.models.load import load_model
from tests.grace_core.models.architectures import save_as


def test_loading_reports_progress(tiny_gpt2_dir: Path) -> None:
    seen: list[tuple[str, float]] = []
    load_model(str(tiny_gpt2_dir), progress=lambda stage, done: seen.append((stage, done)))
    assert seen[-1] == ("Ready", 1.0)
    assert [done for _, done in seen] == sorted(done for _, done in seen)


def test_a_model_is_named_after_its_folder(llama: LanguageModel) -> None:
    assert llama.name == "tiny-llama"


@pytest.fixture
def copy(tiny_llama_dir: Path, tmp_path: Path) -> Path:
    """A model folder to damage."""
    return Path(shutil.copytree(tiny_llama_dir, tmp_path / "copy"))


T5_CONFIG = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "decoder_start_token_id": 0}
BERT_CONFIG: dict[str, Any] = {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}


@pytest.mark.parametrize("config", [T5_CONFIG, BERT_CONFIG])
def test_a_family_that_the_caller_cannot_use_is_refused_before_weights_are_read(copy: Path, config: dict[str, Any]) -> None:
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "model.safetensors").write_bytes(b"no weights")
    words = rf"is a {config['architectures'][0]}, an? .*Here only causal language models can be edited so far"
    with pytest.raises(ModelError, match=words):
        load_model(str(copy), families=[load.CAUSAL])


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"problem_type": "regression"}, "it gives a number, no label"),
        ({"id2label": {"0": "score"}}, "it gives a number, no label"),
        ({"problem_type": "multi_label_classification"}, "it gives several labels at once"),
        ({"id2label": {"0": "good", "1": "good"}}, "two of its labels have one name"),
        ({"model_type": "gpt2", "architectures": ["GPT2ForSequenceClassification"]}, "names no padding token; set pad_token_id"),
        ({"model_type": "bart", "architectures": ["BartForSequenceClassification"]}, "it has a decoder, too"),
        ({"model_type": "t5", "architectures": ["T5EncoderModel"]}, "T5EncoderModel"),
    ],
)
def test_what_gives_no_single_label_is_refused_before_weights_are_read(copy: Path, facts: dict[str, Any], words: str) -> None:
    (copy / "config.json").write_text(json.dumps(BERT_CONFIG | facts))
    (copy / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match=words):
        load_model(str(copy))


def test_an_unknown_architecture_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "nonesuch"}))
    with pytest.raises(ModelError, match="nonesuch"):
        load_model(str(copy))


def test_damaged_weights_are_refused(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        load_model(str(copy))


def test_missing_tensors_are_refused_and_never_made_up(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.2.mlp.down_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.2\.mlp\.down_proj"):
        load_model(str(copy))


def test_a_damaged_tokenizer_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(str(copy))


# A stranger's folder

EVIL = "from pathlib import Path\nPath(__file__).with_name('PWNED').touch()\nclass Evil:\n    pass\n"


def changed(file: Path, **facts: Any) -> None:
    """Put facts into a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))


@pytest.mark.parametrize("way", ["config", "model", "tokenizer"])
def test_code_of_a_model_is_not_run_and_nothing_is_asked(copy: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "evil.py").write_text(EVIL)
    names = {"config": "AutoConfig", "model": "AutoModelForCausalLM", "tokenizer": "AutoTokenizer"}
    reference: Any = ["evil.Evil", "evil.Evil"] if way == "tokenizer" else "evil.Evil"
    file = copy / ("tokenizer_config.json" if way == "tokenizer" else "config.json")
    changed(file, auto_map={names[way]: reference})
    if way == "config":
        changed(file, model_type="evil")
    if way == "tokenizer":
        changed(file, tokenizer_class="Evil")
    answers = io.StringIO("y\ny\ny\n")
    monkeypatch.setattr(sys, "stdin", answers)
    with suppress(ModelError):  # refused, or loaded by transformers' own classes
        load_model(str(copy), device="cpu")
    assert answers.tell() == 0
    assert not list(copy.rglob("PWNED"))


def test_every_library_call_that_loads_says_that_no_code_is_run() -> None:
    for file in (Path(load.__file__), *Path(load.__file__).parent.rglob("sources/*.py")):
        calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        for call in calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr == "from_pretrained":
                said = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert said.get("trust_remote_code") == "False", f"{file.name}:{call.lineno}"


@pytest.mark.parametrize("method", ["gptq", "bitsandbytes", "nonesuch"])
def test_quantised_weights_are_refused(copy: Path, method: str) -> None:
    changed(copy / "config.json", quantization_config={"quant_method": method, "bits": 4, "load_in_4bit": True})
    with pytest.raises(ModelError, match=r"quantised|cannot be loaded"):
        load_model(str(copy))


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "sub/model.safetensors", 7])
def test_weights_outside_the_folder_are_refused(copy: Path, name: Any) -> None:
    if name != 7 and not Path(name).is_absolute():
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(copy / "model.safetensors", copy / name)
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"lm_head.weight": name}}))
    with pytest.raises(ModelError, match=r"not in its folder|cannot be read"):
        load_model(str(copy))


def test_an_index_that_is_no_index_is_refused(copy: Path) -> None:
    (copy / "model.safetensors.index.json").write_text('{"weight_map": ' + "[" * 100_000)
    with pytest.raises(ModelError):
        load_model(str(copy))


@pytest.mark.parametrize("name", ["x" * 5000, "a/" + "x" * 5000, "/" + "y" * 300, "a\0b"])
def test_an_impossible_name_is_refused_and_not_repeated_in_full(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        load_model(name, cache_dir=tmp_path)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "template", ["{{ raise_exception('never') }}", "{% for x in %}", "{{ messages.nonesuch.deeper }}", "{{ 1 / 0 }}"]
)
def test_a_chat_template_that_cannot_be_rendered_is_refused_at_load(copy: Path, template: str) -> None:
    (copy / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match="chat template of copy cannot be rendered"):
        load_model(str(copy), device="cpu")


@pytest.mark.parametrize("facts", [{"num_hidden_layers": "four"}, {"hidden_size": -1}, {"vocab_size": None}, {"rope_scaling": 7}])
def test_a_config_of_nonsense_is_refused(copy: Path, facts: dict[str, Any]) -> None:
    changed(copy / "config.json", **facts)
    with pytest.raises(ModelError):
        load_model(str(copy), device="cpu")


def test_a_buffer_that_is_one_number_is_part_of_the_fingerprint(tiny_llama_dir: Path, llama: LanguageModel) -> None:
    other = load_model(str(tiny_llama_dir), device="cpu")
    other.module.register_buffer("scale", torch.tensor(2.0))
    assert other.fingerprint != llama.fingerprint


def test_a_context_that_nobody_names_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = save_as("BloomForCausalLM", {"hidden_size": 32, "n_layer": 2, "n_head": 4}, tmp_path / "bloom")
    changed(folder / "tokenizer_config.json", model_max_length=10**30)
    model = load_model(str(folder), device="cpu")
    assert model.context == UNNAMED_CONTEXT
    assert f"bloom names no length; prompt and answer together are limited to {UNNAMED_CONTEXT} tokens" in caplog.text
