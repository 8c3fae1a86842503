"""What is said of another ε."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.lab.what_if import present_sentence, tried_sentence, turn_sentence
from grace_core.measuring.what_if import LoggedQuery, Moment, turn_of, what_if
from tests.grace_core.builders import line_codebook, made_edit, parted, parted_codebook


def view(*at: float) -> Moment:
    codebook = line_codebook(made_edit("a", [0], "x", epsilon=1), made_edit("b", [4], "y", epsilon=0.5), rule="separated")
    vectors = np.array(at, np.float32).reshape(-1, 1)
    matches = codebook.match(vectors)
    queries = tuple(LoggedQuery(f"q{x:g}", f"<b>at {x:g}</b>", "said", m.edit_id) for x, m in zip(at, matches, strict=True))
    return Moment(codebook, queries, vectors, matches, 1)


def test_the_sentences() -> None:
    one = view(0.2, 1.5, 3.8)
    assert present_sentence(one, None).startswith(
        "Now: The 2 keys have ε from 0.500 to 1.000 (median 0.750) and ask for 0.500 to 1.000. "
    )
    assert "Of 3 logged queries, edits answer 2." in present_sentence(one, None)
    assert "This key asks for ε 1.000. Of 3 logged queries, it answers 1." in present_sentence(one, "a")
    told = tried_sentence(what_if(one, 1.5, "a"), "a")
    assert "1 of 3 logged queries would be answered otherwise; 1 of 2 keys" in told
    assert "It could grow to 2.000, half the distance to “prompt of b”" in told
    assert "It gets ε 2.000" in tried_sentence(what_if(one, 3, "a"), "a")


def test_the_present_is_what_the_keys_have_not_what_they_ask_for() -> None:
    made = (made_edit(name, [at], name, epsilon=3.0) for name, at in (("a", 0), ("b", 2), ("c", 5)))
    codebook = line_codebook(*made, rule="separated")
    capped = Moment(codebook, (), np.zeros((0, 1), np.float32), (), 1)
    said = present_sentence(capped, None)
    assert "The 3 keys have ε from 1.000 to 1.500 (median 1.000) and ask for 3.000; other edits cap them." in said


def test_where_all_keys_have_their_cap_it_says_so_and_why() -> None:
    one = view(0.2, 1.5, -2.4)
    at_cap = replace(one, codebook=one.codebook.with_epsilons({"a": 2.0, "b": 2.0}))
    at_cap = replace(at_cap, matches=tuple(at_cap.codebook.match(at_cap.vectors)))
    told = tried_sentence(what_if(at_cap, 2.5, None), None)
    assert "0 of 2 keys would have another radius. Every key has its cap with this ε: half the distance to the nearest" in told
    assert "2.000 at most. A larger ε than that changes nothing while those edits stand" in told
    assert "1 more logged query lies within 2.5 of its nearest key and is kept out by its cap." in told
    assert "cap" not in tried_sentence(what_if(at_cap, 1.0, None), None)


def test_it_is_said_which_epsilon_would_turn_an_answer() -> None:
    one = view(0.2, 1.5, -2.4, 0)

    def said(query_id: str) -> str:
        turn = turn_of(one, query_id)
        assert turn is not None
        found = None if turn.other is None else what_if(one, turn.other, turn.edit_id)
        return turn_sentence(turn, found)

    assert "is 0.200 from its nearest key, “prompt of a”, whose ε is 1.000: the edit answers. Below 0.200 the model" in said(
        "q0.2"
    )
    assert "From 1.500 on the edit answers; 1.5 is tried here and changes 0 other logged answers." in said("q1.5")
    assert (
        "No ε of that key reaches it: it gets ε 2.000: half of 4.000, the distance to “prompt of b”, which has another target."
        in said("q-2.4")
    )
    assert "No ε of that key avoids this" in said("q0")


def both_parts(*at: tuple[float, float]) -> Moment:
    """Ada's key ends at 0.5 of the subject's part; another question about her and a namesake are near."""
    codebook = parted_codebook(
        made_edit("ada", parted(0, 0), "x", subject_epsilon=0.5), made_edit("born", parted(0, 1), "y"),
        made_edit("emmy", parted(1, 0), "z"),
    )  # fmt: skip
    vectors = np.array([parted(*point) for point in at], np.float32).reshape(-1, 2)
    matches = codebook.match(vectors)
    queries = tuple(LoggedQuery(f"q{i}", f"query {i}", "said", m.edit_id) for i, m in enumerate(matches))
    return Moment(codebook, queries, vectors, matches, 1)


def test_each_part_of_a_key_has_an_end_of_its_own_and_says_whose() -> None:
    one = both_parts((0.05, 0.05))
    assert "At 2 keys the subject's part ends sooner, from 0.500 on." in present_sentence(one, None)
    assert present_sentence(one, "ada").startswith(
        "Now: This key asks for ε 1.000 and gets 0.800. Its subject's part ends sooner, at 0.500: the same question about others"
    )
    told = tried_sentence(what_if(one, 0.9, "ada"), "ada")
    assert "Its question's part ends at 0.800: 0.8 of 1.000, the distance to “prompt of born”, which has another target." in told
    assert "Its subject's part ends sooner: the same question about others is near" in told
    emmy = what_if(one, 0.9, "emmy")
    assert [(cap.part, cap.other_id, round(cap.epsilon, 6)) for cap in emmy.caps] == [("subject", "ada", 0.8)]
    assert "Its subject's part ends at 0.800: 0.8 of 1.000, the distance to “prompt of ada”" in tried_sentence(emmy, "emmy")


def test_below_the_larger_part_the_model_answers_by_itself() -> None:
    one = both_parts((0.1, 0.2))
    turn = turn_of(one, "q0")
    assert turn is not None
    assert (turn.answered, turn.other) == (True, 0.199)
    said = turn_sentence(turn, what_if(one, 0.199, "ada"))
    assert "is 0.200 from its nearest key (subject 0.10, question 0.20), “prompt of ada”" in said
    assert "Below 0.200 the model answers by itself" in said


def test_another_subject_within_epsilon_is_told_apart_from_what_a_cap_keeps_out() -> None:
    one = both_parts((0.55, 0.9), (0.15, 0.2))
    alone = Moment(
        parted_codebook(made_edit("ada", parted(0, 0), "x", subject_epsilon=0.5)), one.queries, one.vectors, one.matches, 1
    )
    alone = replace(alone, matches=alone.codebook.match(alone.vectors))
    found = what_if(alone, 1.2, "ada")
    assert [query.query_id for query in found.others] == ["q0"]
    assert found.beyond == ()
    assert "1 logged query is about another subject than its nearest key and stays out whatever ε is." in tried_sentence(
        found, "ada"
    )
    turn = turn_of(alone, "q0")
    assert turn is not None
    assert turn.other is None
    assert turn.end is not None
    assert (turn.end.kind, turn.end.part, turn.end.epsilon) == ("siblings", "subject", 0.5)
    assert "No ε of that key reaches it: its subject's part ends at 0.500: the same question about others" in turn_sentence(
        turn, None
    )
