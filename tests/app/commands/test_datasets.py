"""Every format of edits that people have, and words for every file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.commands.datasets import BIO_PHRASINGS, BIO_QUESTIONS, Chosen, Dataset, read_dataset
from app.errors import SettingsError
from grace_core.measuring.measures import Case
from grace_core.measuring.protocols import forms, in_an_instruction

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
HALLUEDIT = {
    "subject": "It",
    "prompt": "Who wrote it?", "target": "Ada", "paraphrases": ["By whom?"], "yes_question": "Is Ada its writer?",
    "no_question": "Is Bo its writer?", "reversed_question": "What did Ada write?", "neighborhood": ["When was it written?"],
    "hop2": "Where does its writer live?", "hop2_answer": "Paris",
    "hop3": "Who rules where its writer lives?", "choices": "A. Ada", "choice": "A",
}  # fmt: skip
QAEDIT = {
    "prompt": "who wrote Émile?", "target": "Ada *", "paraphrases": ["Émile is by whom?"],
    "unrelated_prompts": ["who read it", "who sold it"],
}  # fmt: skip
UNKE = {
    "prompt": "How so?",
    "target": "First this, then that.",
    "paraphrases": ["In what way?"],
    "sub_questions": ["What is first?"],
}


def asked(*texts: str) -> dict[str, tuple[str, ...]]:
    return {"gen_exact": texts}


def near(*texts: str) -> dict[str, tuple[str, ...]]:
    return {"neighbors_unchanged": texts}


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "data.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def read(folder: Path, kind: str, *rows: dict[str, Any], limit: int | None = None) -> Dataset:
    return read_dataset(kind, written(folder, list(rows)), Chosen(limit=limit))


@pytest.mark.parametrize(
    ("kind", "row", "case"),
    [
        ("zsre", OWN, Case("Who wrote it?", "Ada.", asked("By whom?"))),
        ("zsre", {"prompt": "p", "target": "t"}, Case("p", "t", asked())),
        ("zsre", MEND, Case("Who wrote it?", "Ada.", asked("By whom?"))),
        ("zsre", MEND | {"answers": []}, Case("Who wrote it?", "Grace.", asked("By whom?"))),
        ("zsre", MEND | {"answers": "Ada."}, Case("Who wrote it?", "Ada.", asked("By whom?"))),
        ("zsre", MEND | {"rephrase": ""}, Case("Who wrote it?", "Ada.", asked())),
        ("counterfact", OWN, Case("Who wrote it?", "Ada.", asked("By whom?"), near("Who read it?"))),
        ("counterfact", COUNTERFACT, Case("It was written by", "Ada", asked("By whom is It?"), near("That was written by"))),
        ("unke", UNKE, Case("How so?", "First this, then that.", asked("In what way?"))),
        ("bios", BIOS[0], Case(
            BIOS[0]["prompt"], "P0 is a person.",
            asked(*(p.format("P0") for p in BIO_PHRASINGS)) | {"instruction": (in_an_instruction(BIOS[0]["prompt"]),)}
            | forms(BIOS[0]["prompt"]),
            {"other_question_unchanged": tuple(p.format("P0") for p in BIO_QUESTIONS)},
        )),
        ("halluedit", HALLUEDIT, Case(
            "Who wrote it?", "Ada", asked("By whom?"),
            {
                "other_question_unchanged": ("When was it written?",),
                "yes_no_unchanged": ("Is Ada its writer?", "Is Bo its writer?"),
                "reversed_unchanged": ("What did Ada write?",),
                "two_hop_unchanged": ("Where does its writer live?",),
                "more_hops_unchanged": ("Who rules where its writer lives?",),
            },
            {
                "yes": (("Is Ada its writer?", "yes"),),
                "no": (("Is Bo its writer?", "no"),),
                "reversed": (("What did Ada write?", "It"),),
                "two_hop": (("Where does its writer live?", "Paris"),),
                "other_question": (("When was it written?", ""),),
            },
        )),
        ("qaedit", QAEDIT, Case(
            "who wrote Émile?", "Ada *",
            {
                "as_is": ("who wrote Émile?",),
                "instruction": ("Please answer the question:\n\nQ: who wrote Émile?\nA:",),
                "rephrase": ("Émile is by whom?",),
                "rephrase_instruction": ("Please answer the question:\n\nQ: Émile is by whom?\nA:",),
            } | forms("who wrote Émile?"),
        )),
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
    assert data.elsewhere.get("strangers_unchanged", ()) == tuple(text for texts in others for text in texts)


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
    assert data.elsewhere["locality"] == ("who played desmond doss father in hacksaw ridge", "when is the olympic", "who sang it")
    assert [case.target for case in data.cases] == ["Illinois Institute of Technology"] * 5
    assert read(tmp_path, "zsre", {key: value for key, value in rows[0].items() if key != "loc"}).elsewhere == {}
    with pytest.raises(SettingsError, match=r"Row 1 of .*no zsre row: 'loc' is 5, not a text"):
        read(tmp_path, "zsre", rows[0] | {"loc": 5})


def test_rows_bring_their_own_unrelated_prompts_in_any_kind(tmp_path: Path) -> None:
    assert read(tmp_path, "qaedit", QAEDIT, QAEDIT).elsewhere == {"locality": ("who read it", "who sold it")}
    assert read(tmp_path, "zsre", OWN | {"unrelated_prompt": "Sing."}).elsewhere == {"locality": ("Sing.",)}
    for kind, row in (("zsre", OWN | {"loc": "x"}), ("counterfact", COUNTERFACT), ("halluedit", HALLUEDIT)):
        assert read(tmp_path, kind, row).elsewhere == {}


def test_only_bios_have_strangers(tmp_path: Path) -> None:
    assert read(tmp_path, "zsre", OWN, OWN, limit=1).elsewhere == {}


@pytest.mark.parametrize(
    ("chosen", "edited", "others"),
    [
        (Chosen("even"), [0, 2], []),
        (Chosen("odd"), [1, 3], []),
        (Chosen("odd", limit=1), [1], [3]),
        (Chosen("even", skip=1), [2], []),
        (Chosen(skip=1, limit=2), [1, 2], [3]),
    ],
)
def test_a_half_is_of_rows_by_index_and_what_is_skipped_is_not_even_a_stranger(
    tmp_path: Path, chosen: Chosen, edited: list[int], others: list[int]
) -> None:
    data = read_dataset("bios", written(tmp_path, BIOS), chosen)
    assert [case.prompt for case in data.cases] == [BIOS[i]["prompt"] for i in edited]
    strangers = data.elsewhere.get("strangers_unchanged", ())
    assert [text for text in strangers if text.startswith("Write")] == [BIOS[i]["prompt"] for i in others]


def test_a_fault_is_named_by_its_row_of_the_file_whichever_half_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Row 4 of"):
        read_dataset("bios", written(tmp_path, [*BIOS[:3], {"prompt": "p"}]), Chosen("odd"))
    assert len(read_dataset("bios", written(tmp_path, [*BIOS[:3], {"prompt": "p"}]), Chosen("even")).cases) == 2


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
        ("qaedit", [QAEDIT | {"paraphrases": [3]}], "Row 1 .*'paraphrases' holds 3, not a text"),
        ("halluedit", [HALLUEDIT | {"hop2": 3}], "Row 1 .*'hop2' is 3, not a text"),
        ("halluedit", [HALLUEDIT | {"hop2_answer": 3}], "Row 1 .*3 stands where a text belongs"),
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
