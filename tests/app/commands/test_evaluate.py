"""The report as people read it: every number with its meaning, and no row for what was not measured; and where it goes."""

from __future__ import annotations

import argparse
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import pytest

from app.commands import evaluate
from app.commands.evaluate import check_writable, table
from app.errors import SettingsError, StudioError
from app.settings import Settings
from grace_core.measuring.evaluate import Report

FULL: dict[str, Any] = {
    "kind": "zsre", "preset": "robust", "model": "tiny", "edits": 3, "keys": 2, "es_exact": 2 / 3, "gen_exact": 0.5,
    "gen_token": 0.75, "answered": 1.0, "wrong_edit": 0.0, "err": 1.0, "locality": 0.9996, "neighbors_unchanged": 0.25,
    "strangers_unchanged": 0.125, "seconds_per_edit": 1.5, "steps_per_edit": 20.0, "calibrations": 0, "ms_per_token_ratio": 1.01,
    "by_phrasing": {"gen_exact[0]": 0.5},
}  # fmt: skip


def cells(report: Report) -> dict[str, tuple[str, str]]:
    rows = [line.strip("| ").split(" | ") for line in table(report.to_dict()).splitlines()[2:]]
    return {name: (value, meaning) for name, value, meaning in rows}


def test_the_table_is_markdown_that_names_what_was_measured() -> None:
    lines = table(Report(**FULL).to_dict()).splitlines()
    assert lines[0] == "| zsre, preset robust, tiny | | |"
    assert lines[1] == "|---|---|---|"
    assert all(line.startswith("| ") and line.endswith(" |") and line.count("|") == 4 for line in lines[2:])


def test_every_number_of_the_report_has_a_row_and_a_meaning() -> None:
    found = cells(Report(**FULL))
    names = {field.name for field in fields(Report)} - {"kind", "preset", "model", "by_phrasing"}
    assert set(found) == names | {"gen_exact[0]"}
    assert all(meaning for _, meaning in found.values())
    assert len({meaning for _, meaning in found.values()}) == len(found)


def test_shares_have_three_decimals_or_what_keeps_them_from_reading_one_and_counts_none() -> None:
    found = {name: value for name, (value, _) in cells(Report(**FULL)).items()}
    assert (found["es_exact"], found["locality"], found["wrong_edit"]) == ("0.667", "0.9996", "0.000")
    assert (found["edits"], found["keys"], found["calibrations"]) == ("3", "2", "0")


def test_what_was_not_measured_has_no_row() -> None:
    missing = ("gen_exact", "gen_token", "answered", "wrong_edit", "locality", "neighbors_unchanged", "strangers_unchanged")
    found = cells(Report(**FULL | dict.fromkeys(missing)))
    assert not set(found) & set(missing)
    assert "es_exact" in found


# What must not change


def test_a_files_own_unrelated_prompts_give_way_to_those_that_a_person_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []

    def measured(*_args: object, unrelated: tuple[str, ...], **_options: object) -> Report:
        seen.append(unrelated)
        return Report(**FULL)

    monkeypatch.setattr("grace_core.models.load.load_model", lambda *_args, **_options: None)
    monkeypatch.setattr("grace_core.measuring.evaluate.evaluate", measured)
    (data := tmp_path / "mend.json").write_text('[{"src": "p", "alt": "t", "loc": "nq question: who"}]', encoding="utf-8")
    (own := tmp_path / "own.json").write_text('[{"prompt": "Sing."}]', encoding="utf-8")
    for unrelated in (None, own):
        evaluate.run(Settings(), argparse.Namespace(kind="zsre", data=data, unrelated=unrelated, limit=None, out=None))
    assert seen == [("who",), ("Sing.",)]


# Where the report goes


def test_a_file_that_cannot_be_written_is_refused_before_a_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_args: object, **_options: object) -> NoReturn:
        raise AssertionError("the model was loaded first")

    monkeypatch.setattr("grace_core.models.load.load_model", load)
    (data := tmp_path / "zsre.jsonl").write_text('{"prompt": "p", "target": "t"}\n', encoding="utf-8")
    out = tmp_path / "missing" / "folder" / "x.json"
    arguments = argparse.Namespace(kind="zsre", data=data, unrelated=None, limit=None, out=out)
    with pytest.raises(SettingsError, match=r"--out is .*x\.json, but there is no folder .*make it, or give another file"):
        evaluate.run(Settings(), arguments)


def test_a_folder_and_a_file_of_others_are_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="which is a folder; give the name of a file"):
        check_writable(tmp_path)

    def refuse(self: Path, mode: str) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)  # root, who may run this, is refused nothing
    with pytest.raises(SettingsError, match=r"cannot be written \(Permission denied\); give another file"):
        check_writable(tmp_path / "x.json")


def test_the_check_changes_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == []
    (old := tmp_path / "old.json").write_text("{}", encoding="utf-8")
    check_writable(old)
    assert old.read_text(encoding="utf-8") == "{}"
    check_writable(Path(os.devnull))


def test_a_report_that_cannot_be_written_in_the_end_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StudioError, match="printed above instead"):
        evaluate._write(tmp_path / "gone" / "x.json", '{"a": 1}')
    assert capsys.readouterr().out == '{"a": 1}\n'
