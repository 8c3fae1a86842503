"""What the page draws of the words of a prompt."""

from __future__ import annotations

from dataclasses import replace

from app.ui.lab.anatomy_words import NO_KEY, ONE_WORD, words_value
from tests.app.lab.test_anatomy_words import PROMPT, SEEN


def test_a_number_and_a_colour_for_each_word() -> None:
    value = words_value(SEEN)
    assert [key["name"] for key in value["keys"]] == ["1. … Ada?", "2. … Emmy?"]
    subject, question = value["keys"][0]["lines"]
    assert (subject["away"], question["away"]) == ("0.10, ends at 0.80", "0.40, ends at 1.00")
    drawn = {piece["text"]: piece for piece in question["pieces"]}
    assert {text: (piece["number"], piece["way"]) for text, piece in drawn.items()} == {
        "Who": ("+0.50", "near"), " ": (None, ""), "is": ("−0.10", "far"), "Ada": ("+0.01", ""), "?": (None, ""),
    }  # fmt: skip
    shares = [piece["share"] for line in (subject, question) for piece in line["pieces"]]
    assert max(shares) == 1.0
    assert [piece["text"] for piece in subject["pieces"] if piece["turns"]] == ["Ada"]
    assert "".join(piece["text"] for piece in subject["pieces"]) == PROMPT
    assert len(value["table"]["rows"]) == 6


def test_weak_words_have_no_strong_colour() -> None:
    (first, *_) = words_value(replace(SEEN, words=SEEN.words[1:2]))["keys"]
    assert all(piece["share"] <= 0.25 for line in first["lines"] for piece in line["pieces"])


def test_where_nothing_can_be_left_out_it_says_why() -> None:
    assert words_value(replace(SEEN, words=()))["empty"] == ONE_WORD
    assert words_value(replace(SEEN, words=(), keys=()))["empty"] == NO_KEY
