"""What is said of the words of a prompt is what was read without them."""

from __future__ import annotations

from dataclasses import replace

from app.lab.anatomy_words import key_words, words_table
from grace_core.answering.anatomy import Anatomy, NearKey
from grace_core.answering.occlusion import Away, LeftOut
from grace_core.codebook.codebook import Parts

PROMPT = "Who is Ada?"
NEAR = NearKey("a", "Who was Ada?", "T", 0.4, 1.0, Parts(0.1, 0.4), 0.8)
FAR = NearKey("b", "Who was Emmy?", "T", 1.5, 1.0, Parts(1.5, 0.4))


def left_out(start: int, end: int, near: tuple[float, float], edit_id: str | None) -> LeftOut:
    return LeftOut(start, end, (Away(max(near), Parts(*near)), Away(1.5, Parts(1.5, 0.4))), edit_id)


SEEN = Anatomy(
    PROMPT, (NEAR, FAR), "a", "T", "x", (), 1.0, "two_keys",
    words=(left_out(0, 3, (0.1, 0.9), "a"), left_out(4, 6, (0.1, 0.3), "a"), left_out(7, 10, (1.2, 0.41), None)),
)  # fmt: skip


def test_each_part_has_the_whole_prompt_and_its_own_end() -> None:
    near, far = key_words(SEEN)
    assert [(line.name, line.away, line.end) for line in near.lines] == [("Subject", 0.1, 0.8), ("Question", 0.4, 1.0)]
    assert [line.end for line in far.lines] == [1.0, 1.0]
    for line in near.lines:
        assert "".join(piece.text for piece in line.pieces) == PROMPT


def test_a_word_without_which_it_is_farther_brought_it_near() -> None:
    subject, question = key_words(SEEN)[0].lines
    moved = {p.text: round(p.farther, 2) for p in question.pieces if p.farther is not None}
    assert moved == {"Who": 0.5, "is": -0.1, "Ada": 0.01}
    assert {p.text: p.turns for p in subject.pieces if p.farther is not None} == {"Who": False, "is": False, "Ada": True}
    sentence = key_words(SEEN)[0].sentence
    assert "“Ada” brought the subject near." in sentence
    assert "“Who” brought the question near." in sentence  # a word that does little beside it is not named
    assert sentence.endswith("Without “Ada” the edit would not answer.")


def test_one_distance_is_one_line() -> None:
    one = NearKey("a", "Who was Ada?", "T", 0.2, 0.45)
    seen = replace(SEEN, keys=(one,), words=(LeftOut(7, 10, (Away(0.2),), "a"),), distance="cosine")
    (key,) = key_words(seen)
    assert [(line.name, line.end) for line in key.lines] == [("Distance", 0.45)]
    assert "No single word counts for it." in key.sentence
    assert key.sentence.endswith("The edit answers without any one of them.")


def test_a_deferred_prompt_names_the_words_that_keep_it_out() -> None:
    seen = replace(SEEN, edit_id=None, words=(left_out(4, 6, (0.1, 0.3), "a"), left_out(7, 10, (0.1, 0.4), None)))
    assert key_words(seen)[0].sentence.endswith("Without “is” an edit would answer.")


def test_the_table_has_every_reading() -> None:
    columns, rows = words_table(SEEN)
    assert len(rows) == 6
    assert dict(zip(columns, rows[0], strict=True)) == {
        "left out": "Who", "key": "Who was Ada?", "distance": 0.9, "subject": 0.1, "question": 0.9, "answered by": "a",
    }  # fmt: skip


def test_without_a_word_to_leave_out_there_is_nothing() -> None:
    assert key_words(replace(SEEN, words=())) == ()
