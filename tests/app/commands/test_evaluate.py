"""The report as people read it: every number with its meaning, and no row for what was not measured; and where it goes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from app import __version__
from app.cli import main
from app.commands import evaluate
from app.commands.evaluate import check_writable
from app.commands.report_tables import in_context, one
from app.commands.run_facts import commit
from app.errors import SettingsError, StudioError
from app.settings import Settings
from grace_core.config import GraceConfig
from grace_core.measuring.evaluate import Report
from grace_core.measuring.measures import MEASURES, Share

SHARES = {"es_exact": Share(2, 3), "gen_exact": Share(1, 2), "locality": Share(9996, 10_000), "wrong_edit": Share(0, 2)}


def report(**changed: Any) -> Report:
    figures = {"gen_token": 0.75, "seconds_per_edit": 1.5, "steps_per_edit": 20.0, "calibrations": 0, "ms_per_token_ratio": 1.01}
    kept: dict[str, Any] = {
        "kind": "zsre", "mode": "edits", "model": "tiny", "config": GraceConfig.robust(), "edits": 3, "keys": 2, "shares": SHARES,
        "lookup": {"es_exact": Share(3, 3)}, "figures": figures, "by_phrasing": {"gen_exact[0]": 0.5},
        "tokens_before_slip": {"es_exact": {"lower_quartile": 2.0, "median": 3.5, "upper_quartile": 90.0}},
    }  # fmt: skip
    return Report(**kept | changed)


def cells(said: Report) -> dict[str, tuple[str, ...]]:
    rows = [line.strip("|").split("|") for line in one(said.to_dict()).splitlines()[2:]]
    return {name.strip(): tuple(cell.strip() for cell in rest) for name, *rest in rows}


def arguments(**given: Any) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return argparse.Namespace(**vars(parser.parse_args([])) | given)


def test_the_table_is_markdown_that_names_what_was_measured() -> None:
    lines = one(report().to_dict()).splitlines()
    assert lines[0] == "| zsre, preset robust, ε 1: learned values | | 95 % | |"
    assert lines[1] == "|---|---|---|---|"
    assert all(line.startswith("| ") and line.endswith(" |") and line.count("|") == 5 for line in lines[2:])


def test_every_number_of_a_report_has_a_row_and_a_meaning() -> None:
    found = cells(report(shares={name: Share(1, 2) for name in MEASURES}))
    assert set(MEASURES) | {"edits", "keys", "gen_token", "seconds_per_edit", "gen_exact[0]"} <= found.keys()
    assert all(meaning for *_, meaning in found.values())
    assert len({meaning for *_, meaning in found.values()}) == len(found)


def test_shares_have_three_decimals_or_what_keeps_them_from_reading_one_and_counts_none() -> None:
    found = {name: value for name, (value, *_) in cells(report()).items()}
    assert (found["es_exact"], found["locality"], found["wrong_edit"]) == ("0.667", "0.9996", "0.000")
    assert (found["edits"], found["keys"], found["calibrations"]) == ("3", "2", "0")


def test_each_share_has_its_interval_and_what_is_no_share_has_none() -> None:
    found = cells(report())
    assert found["wrong_edit"][1] == "0.000–0.658"  # Wilson's, of 0 in 2
    assert found["gen_token"][1] == found["edits"][1] == ""


def test_tokens_before_a_slip_are_quartiles() -> None:
    assert cells(report())["tokens before the first slip, es_exact"][0] == "2 / 3.5 / 90"


def test_what_was_not_measured_has_no_row() -> None:
    found = cells(report())
    assert not set(found) & {"as_is", "strangers_unchanged", "neighbors_unchanged"}
    assert "es_exact" in found


def test_reports_stand_side_by_side_with_a_lookup_table_beside_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name, said in (("a", report()), ("b", report(config=GraceConfig.paper(), shares={"es_exact": Share(1, 1)}))):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps({"half": "odd"} | said.to_dict()), encoding="utf-8")
    evaluate.run(Settings(), arguments(table=paths, lookup=True))
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    runs = ("zsre, odd rows, preset robust, ε 1", "zsre, odd rows, preset paper, ε 1")
    assert lines[0] == [f"{run}: {method}" for run in runs for method in ("learned values", "lookup table, same address")]
    assert lines[2][0] == "protocol"
    assert lines[3] == ["es_exact", "0.667 (0.208–0.939)", "1.000", "1.000 (0.207–1.000)", "1.000"]


def test_what_facts_bring_has_a_table_of_its_own_after_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"no": {"given": Share(3, 4), "right": Share(1, 4), "right_without": Share(0, 4)}, "reversed": {"given": Share(0, 2)}}
    (path := tmp_path / "a.json").write_text(json.dumps(report(in_context=facts).to_dict()), encoding="utf-8")
    (other := tmp_path / "b.json").write_text(json.dumps(report().to_dict()), encoding="utf-8")
    evaluate.run(Settings(), arguments(table=[path, other]))
    main_table, own = capsys.readouterr().out.split("\n\n")
    assert "right" not in main_table
    head, _, no, reverse = own.splitlines()
    assert head.startswith("| zsre, preset robust, ε 1: facts before the prompt | prompts | ")
    assert no.startswith("| no | 4 | 0.750 (0.301–0.954) | | 0.250 (0.046–0.699) | 0.000 (0.000–0.490) |".replace("| |", "|  |"))
    assert reverse.startswith("| reversed | 2 | 0.000 (0.000–0.658) |")
    assert head.count("|") == no.count("|") == reverse.count("|")


def test_a_report_of_before_facts_has_no_table_of_them() -> None:
    old = report().to_dict()
    del old["in_context"]
    assert in_context(old) == in_context(report().to_dict()) == ""


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "zsre"}'])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"x\.json .*give a file that --out has written"):
        evaluate.run(Settings(), arguments(table=[path]))


# What is asked for


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": None}, "--kind is missing"),
        ({"data": None}, "--data is missing"),
        ({"limit": 0}, "--limit is 0; give a number of at least 1"),
        ({"skip": -1}, "--skip is -1; give a number of at least 0"),
        ({"routing": True, "retrieval": Path("x")}, "--routing and --retrieval are two methods"),
        ({"routing": True, "in_context": True}, "--in-context decodes answers beside learned values; leave out --routing"),
        ({"retrieval": Path("x"), "in_context": True}, "leave out --routing and --retrieval"),
        ({"epsilons": "0.3"}, "--epsilons needs --routing or --retrieval"),
        ({"epsilons": "0.3;0.4", "routing": True}, "--epsilons is '0.3;0.4'; give numbers as"),
        ({"epsilons": "0.3,0", "routing": True}, "give numbers above 0"),
        ({"epsilons": "nan", "routing": True}, "give numbers above 0"),
    ],
)
def test_what_is_missing_or_makes_no_sense_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        evaluate.run(Settings(), arguments(**{"kind": "zsre", "data": Path("x")} | given))


def test_a_result_says_from_which_code_rows_and_settings_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace_core.models.load.load_model", lambda *_args, **_options: None)
    monkeypatch.setattr("grace_core.measuring.evaluate.evaluate", lambda *_args, **_options: report())
    (data := tmp_path / "zsre.jsonl").write_text('{"prompt": "p", "target": "t"}\n' * 4, encoding="utf-8")
    out = tmp_path / "x.json"
    evaluate.run(Settings(), arguments(kind="zsre", data=data, half="odd", skip=1, limit=5, seed=3, out=out))
    said = json.loads(out.read_text(encoding="utf-8"))
    assert {name: said[name] for name in ("half", "skip", "limit", "seed", "data", "unrelated")} == {
        "half": "odd", "skip": 1, "limit": 5, "seed": 3, "data": "zsre.jsonl", "unrelated": None,
    }  # fmt: skip
    assert said["commit"]
    assert said["date"].endswith("+00:00")
    assert said["config"] == GraceConfig.robust().to_dict()


def test_a_curve_over_epsilon_comes_from_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(*_args: object, epsilons: tuple[float, ...], **_options: object) -> Report:
        return report(mode="routing", curve={epsilon: {"gen_exact": Share(1, 4)} for epsilon in epsilons})

    monkeypatch.setattr("grace_core.models.load.load_model", lambda *_args, **_options: None)
    monkeypatch.setattr("grace_core.measuring.routing.routed", measured)
    (data := tmp_path / "zsre.jsonl").write_text('{"prompt": "p", "target": "t"}', encoding="utf-8")
    evaluate.run(Settings(), arguments(kind="zsre", data=data, routing=True, epsilons="0.3,0.45"))
    printed = capsys.readouterr().out
    assert printed.startswith("| zsre, preset robust, ε 1: lookup table, same address |")
    assert printed.endswith("\n\n| ε | gen_exact |\n|---|---|\n| 0.3 | 0.250 |\n| 0.45 | 0.250 |\n")


def test_a_folder_that_is_no_checkout_of_its_own_is_known_by_its_version(tmp_path: Path) -> None:
    assert commit(tmp_path) == f"version {__version__}"
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (inside := tmp_path / "inside").mkdir()
    assert commit(inside) == f"version {__version__}"
    assert commit(tmp_path) == f"version {__version__}"  # nothing is committed yet


# What must not change


def test_a_files_own_unrelated_prompts_give_way_to_those_that_a_person_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []

    def measured(*_args: object, elsewhere: dict[str, tuple[str, ...]], **_options: object) -> Report:
        seen.append(elsewhere["locality"])
        return report()

    monkeypatch.setattr("grace_core.models.load.load_model", lambda *_args, **_options: None)
    monkeypatch.setattr("grace_core.measuring.evaluate.evaluate", measured)
    (data := tmp_path / "mend.json").write_text('[{"src": "p", "alt": "t", "loc": "nq question: who"}]', encoding="utf-8")
    (own := tmp_path / "own.json").write_text('[{"prompt": "Sing."}, {"prompt": "Dance."}]', encoding="utf-8")
    for unrelated in (None, own):
        evaluate.run(Settings(), arguments(kind="zsre", data=data, unrelated=unrelated))
    evaluate.run(Settings(), arguments(kind="zsre", data=data, unrelated=own, half="even"))
    assert seen == [("who",), ("Sing.", "Dance."), ("Sing.",)]


# Where the report goes


def test_a_file_that_cannot_be_written_is_refused_before_a_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_args: object, **_options: object) -> NoReturn:
        raise AssertionError("the model was loaded first")

    monkeypatch.setattr("grace_core.models.load.load_model", load)
    (data := tmp_path / "zsre.jsonl").write_text('{"prompt": "p", "target": "t"}\n', encoding="utf-8")
    out = tmp_path / "missing" / "folder" / "x.json"
    with pytest.raises(SettingsError, match=r"--out is .*x\.json, but there is no folder .*make it, or give another file"):
        evaluate.run(Settings(), arguments(kind="zsre", data=data, out=out))


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


# The whole way, with a small model


def test_edits_keys_and_a_table_of_both_from_one_file(
    taught_dir: Path, cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "prompt": f"Who was {name}?", "target": target, "paraphrases": [f"who was {name}"],
            "yes_question": f"Was {name} here?", "reversed_question": "Who?", "neighborhood": [f"When was {name} born?"],
        }
        for name, target in (("Ada Lovelace", "July 1969."), ("Alan Turing", "Paris."), ("the Moon", "I do not know."))
    ]  # fmt: skip
    (data := tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    of_the_model = ["--model", str(taught_dir), "--cache", str(cache_dir), "--preset", "paper", "--epsilon", "3"]
    learned, keys = tmp_path / "learned.json", tmp_path / "keys.json"
    words = ["eval", "--kind", "halluedit", "--data", str(data), "--half", "even", *of_the_model]
    assert main([*words, "--out", str(learned)]) == 0
    assert main([*words, "--routing", "--epsilons", "0.5,3,9", "--out", str(keys)]) == 0
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (learned, keys))
    assert first["edits"] == second["edits"] == 2
    assert first["lookup"] == {name: second[name] for name in first["lookup"]}
    assert set(first["lookup"]) == {
        "es_exact", "gen_exact", "other_question_unchanged", "yes_no_unchanged", "reversed_unchanged"
    }  # fmt: skip
    assert second["curve"][1] == {"epsilon": 3.0} | {name: second[name] for name in second["counts"]}
    capsys.readouterr()
    assert main(["eval", "--table", str(learned), str(keys)]) == 0
    assert "| es_exact | 1.000 (0.342–1.000) | 1.000 (0.342–1.000) |" in capsys.readouterr().out
