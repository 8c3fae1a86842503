"""The stream of changing labels from the command line: what is refused, and the table and report of a tiny run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import main
from app.commands.experiment import table
from grace_core.measuring.label_stream import Look
from grace_core.testing import LABELS, NAMES, PHRASES, save_tiny_bert


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "labels.jsonl"
    rows = [
        {"text": phrase.format(name), "label": LABELS[i % 3], "split": "test" if phrase is PHRASES[0] else "train"}
        for phrase in PHRASES
        for i, name in enumerate(NAMES)
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


def test_a_run_prints_its_looks_and_writes_them(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = save_tiny_bert(tmp_path / "bert"), tmp_path / "report.json"
    words = ["--model", str(model), "--data", str(data), "--change", "2", "--each", "2", "--every", "2", "--out", str(out)]
    assert main(["experiment", "labels", *words]) == 0
    report = json.loads(out.read_text())
    assert report["looks"][0]["asked"] == 0
    assert report["looks"][-1]["asked"] == 6
    assert len(report["new_label"]) == 2
    assert capsys.readouterr().out.strip() == table([Look(**look) for look in report["looks"]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "line 1, is no row"),
        ('{"text": "a", "label": "b", "split": "dev"}', "line 1, is no row"),
        ("", "has 0 rows to train"),
    ],
)
def test_a_file_that_is_none_is_refused(content: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text(content)
    assert main(["experiment", "labels", "--data", str(file)]) == 2
    assert words in capsys.readouterr().err


def test_a_model_of_another_family_is_refused(data: Path, tiny_llama_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "labels", "--model", str(tiny_llama_dir), "--data", str(data)]) == 2
    assert "Here only text classifiers can be edited" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "bench"])
def test_what_the_pages_do_not_show_yet_is_told_before_its_weights_are_read(
    command: str, tmp_path: Path, free_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_tiny_bert(tmp_path / "bert")
    (folder / "model.safetensors").write_bytes(b"no weights")
    words = ["--port", str(free_tcp_port), "--data-dir", str(tmp_path / "data")] if command == "serve" else []
    assert main([command, "--model", str(folder), *words]) == 2
    said = capsys.readouterr().err
    assert "is a BertForSequenceClassification, a text classifier. Here only causal language models can be edited so far" in said
