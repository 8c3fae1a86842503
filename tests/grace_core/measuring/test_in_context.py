"""Facts before prompts, measured: who gets one, what is right with and without, and what no column mixes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grace_core.answering.generate import generate
from grace_core.config import GraceConfig
from grace_core.errors import InputError
from grace_core.measuring.evaluate import evaluate
from grace_core.measuring.in_context import COLUMNS, as_json, says, with_facts
from grace_core.measuring.measures import Case
from grace_core.models.language_model import LanguageModel
from grace_core.testing.codebooks import learned
from tests.grace_core.running import edit_for

OWN = "When was Ada Lovelace born?"


@pytest.mark.parametrize(
    ("answer", "right", "is_right"),
    [
        ("Yes, she was.", "yes", True),
        ("Well: no. Yes?", "yes", False),
        ("NO", "no", True),
        ("I know nothing.", "no", False),
        ("", "yes", False),
        ("It was in London, then.", "London", True),
        ("It was in Londonderry.", "London", False),
    ],
)
def test_the_first_yes_or_no_counts_and_other_answers_hold_the_words(answer: str, right: str, is_right: bool) -> None:
    assert says(answer, right) is is_right


def test_each_kind_of_question_has_its_shares_and_what_nobody_knows_is_not_judged(llama: LanguageModel) -> None:
    codebook = learned(llama)
    edit = edit_for(llama, codebook, OWN, "London.", edit_id="e")
    codebook = codebook.with_edit(replace(edit, epsilon=0.01, subject_epsilon=3.9))
    asked = ("Describe Ada Lovelace.", "Where is France now?", "Is it London?")
    words = [generate(llama, codebook, text, max_new_tokens=30, in_context=True).text.split()[0].strip(".,") for text in asked]
    case = Case(
        OWN, "London.", known={"two_hop": ((asked[0], words[0]), (asked[1], "no such word")), "other_question": ((asked[2], ""),)}
    )
    found = with_facts(llama, codebook, [case])
    assert {name: (share.hits, share.of) for name, share in found["two_hop"].items() if name in ("given", "own", "right")} == {
        "given": (2, 2), "own": (2, 2), "right": (1, 2),
    }  # fmt: skip
    assert found["other_question"].keys() == {"given", "own", "same"}  # the question names the target itself
    bare = with_facts(llama, codebook.without("e"), [case])
    assert (bare["two_hop"]["given"].hits, bare["two_hop"]["same"].value) == (0, 1.0)
    assert "own" not in bare["two_hop"]
    said = as_json(found)
    assert all(set(COLUMNS) | {"intervals", "counts"} == set(row) for row in said.values())
    assert said["other_question"]["right"] is None
    assert said["two_hop"]["counts"]["right"] == [1, 2]


def test_where_no_right_answer_is_known_it_is_refused_before_any_edit(llama: LanguageModel) -> None:
    with pytest.raises(InputError, match="no zsre row has a question with a known right answer"):
        evaluate(llama, GraceConfig.robust(), "zsre", [Case(OWN, "London.")], in_context=True)
    known = Case(OWN, "London.", known={"yes": (("Was she?", "yes"),)})
    with pytest.raises(InputError, match="No fact is put before a prompt with the preset paper"):
        evaluate(llama, GraceConfig.paper(), "halluedit", [known], in_context=True)
