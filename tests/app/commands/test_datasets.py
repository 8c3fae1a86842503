"""Every format of edits that people have, and words for every file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.commands.datasets import BIO_PHRASINGS, Dataset, read_dataset
from app.errors import SettingsError
from grace_core.measuring.evaluate import Case

OWN = {"prompt": "Who wrote it?", "target": "Ada.", "paraphrases": ["By whom?"], "neighborhood": ["Who read it?"]}
MEND = {
    "src": "Who wrote it?",
    "answers": ["Ada."],
    "alt": "Grace.",
    "rephrase": "By whom?",
    "loc": "nq question: who",
    "loc_ans": "x",
}
COUNTERFACT = {
    "requested_rewrite": {
        "prompt": "{} was written by",
        "subject": "It",
        "target_new": {"str": "Ada"},
        "target_true": {"str": "Bo"},
    },
    "paraphrase_prompts": ["By whom is It?"],
    "neighborhood_prompts": ["That was written by"],
}
BIOS = [
    {"name": f"P{i}", "prompt": f"Write a one-sentence biography of P{i}.", "correct": f"P{i} is a person."} for i in range(4)
]


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "data.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def read(folder: Path, kind: str, *rows: dict[str, Any], limit: int | None = None) -> Dataset:
    return read_dataset(kind, written(folder, list(rows)), limit)


@pytest.mark.parametrize(
    ("kind", "row", "case"),
    [
        ("zsre", OWN, Case("Who wrote it?", "Ada.", ("By whom?",))),
        ("zsre", {"prompt": "p", "target": "t"}, Case("p", "t", ())),
        ("zsre", MEND, Case("Who wrote it?", "Ada.", ("By whom?",))),
        ("zsre", MEND | {"answers": []}, Case("Who wrote it?", "Grace.", ("By whom?",))),
        ("zsre", MEND | {"answers": "Ada."}, Case("Who wrote it?", "Ada.", ("By whom?",))),
        ("zsre", MEND | {"rephrase": ""}, Case("Who wrote it?", "Ada.", ())),
        ("counterfact", OWN, Case("Who wrote it?", "Ada.", ("By whom?",), ("Who read it?",))),
        ("counterfact", COUNTERFACT, Case("It was written by", "Ada", ("By whom is It?",), ("That was written by",))),
        ("bios", BIOS[0], Case(BIOS[0]["prompt"], "P0 is a person.", tuple(p.format("P0") for p in BIO_PHRASINGS))),
    ],
)  # fmt: skip
def test_every_format_gives_its_case(tmp_path: Path, kind: str, row: dict[str, Any], case: Case) -> None:
    assert read(tmp_path, kind, row).cases == (case,)


@pytest.mark.parametrize(("limit", "cases"), [(None, 4), (9, 4), (2, 2), (0, 0)])
def test_the_limit_takes_the_first_rows_and_the_other_people_become_strangers(
    tmp_path: Path, limit: int | None, cases: int
) -> None:
    data = read(tmp_path, "bios", *BIOS, limit=limit)
    assert [case.prompt for case in data.cases] == [row["prompt"] for row in BIOS[:cases]]
    others = [[row["prompt"], *(p.format(row["name"]) for p in BIO_PHRASINGS[:2])] for row in BIOS[cases:]]
    assert data.strangers == tuple(text for texts in others for text in texts)


def test_what_mend_keeps_unchanged_is_unrelated_to_the_edited_rows(tmp_path: Path) -> None:
    """A file in the form of MEND's public zsre_mend_eval.json."""
    rows = [
        {
            "subject": f"Watts Humphrey {i}", "src": f"What university did Watts Humphrey {i} attend?",
            "pred": "Trinity College", "rephrase": f"What university did Watts Humphrey {i} take part in?",
            "alt": "University of Michigan", "answers": ["Illinois Institute of Technology"], "loc": loc,
            "loc_ans": "Ben Bruce", "cond": "Trinity College >> University of Michigan || What university did …",
        }
        for i, loc in enumerate(
            ["nq question: who played desmond doss father in hacksaw ridge", "nq question: when is the olympic", "who sang it",
             "nq question: when is the olympic", "nq question: ", "nq question: not edited"]
        )
    ]  # fmt: skip
    data = read(tmp_path, "zsre", *rows, limit=5)
    assert data.unrelated == ("who played desmond doss father in hacksaw ridge", "when is the olympic", "who sang it")
    assert [case.target for case in data.cases] == ["Illinois Institute of Technology"] * 5
    assert read(tmp_path, "zsre", {key: value for key, value in rows[0].items() if key != "loc"}).unrelated == ()
    with pytest.raises(SettingsError, match=r"Row 1 of .*no zsre row: 'loc' is 5, not a text"):
        read(tmp_path, "zsre", rows[0] | {"loc": 5})


def test_other_formats_bring_no_unrelated_prompts(tmp_path: Path) -> None:
    for kind, row in (("zsre", OWN | {"loc": "x"}), ("counterfact", COUNTERFACT), ("bios", BIOS[0])):
        assert read(tmp_path, kind, row).unrelated == ()


def test_only_bios_have_strangers(tmp_path: Path) -> None:
    assert read(tmp_path, "zsre", OWN, OWN, limit=1).strangers == ()


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        ("fever", [OWN], r"--kind is 'fever'; use one of zsre, counterfact, bios"),
        ("zsre", [OWN, {"prompt": "p"}], r"Row 2 of .*data\.json is no zsre row: 'target' is missing"),
        ("zsre", [{"src": "p", "answers": []}], "Row 1 .*'alt' is missing"),
        ("zsre", [{"prompt": "p", "target": 5}], "Row 1 .*5 stands where a text belongs"),
        ("zsre", [{"src": "p", "answers": [None]}], "Row 1 .*None stands where a text belongs"),
        ("zsre", [OWN | {"paraphrases": "one text"}], "Row 1 .*'paraphrases' is one text, not a list"),
        ("zsre", [OWN | {"paraphrases": None}], "Row 1 .*no zsre row"),
        ("counterfact", [COUNTERFACT | {"requested_rewrite": {}}], "Row 1 .*no counterfact row: 'prompt' is missing"),
        ("counterfact", [COUNTERFACT | {"requested_rewrite": None}], "Row 1 .*no counterfact row"),
        ("counterfact", [{"requested_rewrite": {"prompt": 3, "subject": "It"}}], "Row 1 .*no counterfact row"),
        ("counterfact", [{"requested_rewrite": {"prompt": "}", "subject": "It"}}], "Row 1 .*no counterfact row"),
        ("bios", [BIOS[0], {"prompt": "p", "name": "n"}], "Row 2 .*no bios row: 'correct' is missing"),
    ],
)
def test_a_row_that_is_none_is_named_with_what_it_lacks(
    tmp_path: Path, kind: str, rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, kind, *rows)


def test_a_stranger_without_a_name_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Row 2 .*no bios row: 'name' is missing"):
        read(tmp_path, "bios", BIOS[0], {"prompt": "p"}, limit=1)
