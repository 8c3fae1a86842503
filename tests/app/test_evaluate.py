"""The report as people read it: every number with its meaning, and no row for what was not measured."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from app.evaluate import table
from grace_core.evaluation import Report

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
    assert set(found) == {field.name for field in fields(Report)} - {"kind", "preset", "model", "by_phrasing"}
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
