"""Marks on an answer: where the text is cut, what lies over what, who answered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.studio.views import VERDICTS, FactGiven
from app.ui.review.marker import VERDICT_KEYS, Now, marker_value, same_span, segments, source
from grace_core.codebook.codebook import Parts
from tests.app.ui.samples import answer, mark

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(lambda span: span[0] < span[1]), max_size=8)


def test_a_text_without_marks_is_one_segment() -> None:
    assert [(s.start, s.end, s.marks) for s in segments(10, ())] == [(0, 10, ())]


def test_an_empty_text_has_no_segment() -> None:
    assert segments(0, ()) == ()


def test_overlapping_marks_share_the_words_between_them() -> None:
    pieces = segments(10, (mark("a", 0, 6), mark("b", 4, 8)))
    assert [(s.start, s.end, s.marks) for s in pieces] == [
        (0, 4, ("a",)),
        (4, 6, ("a", "b")),
        (6, 8, ("b",)),
        (8, 10, ()),
    ]


def test_the_shorter_of_two_nested_marks_comes_last_and_so_on_top() -> None:
    for marks in ((mark("short", 2, 4), mark("long", 0, 8)), (mark("long", 0, 8), mark("short", 2, 4))):
        assert segments(8, marks)[1].marks == ("long", "short")


@given(SPANS)
def test_segments_are_the_whole_text_and_every_mark_covers_exactly_its_span(spans: list[tuple[int, int]]) -> None:
    marks = [mark(str(i), start, end) for i, (start, end) in enumerate(spans)]
    pieces = segments(40, marks)
    assert [p.start for p in pieces] == [0, *(p.end for p in pieces[:-1])]
    assert pieces[-1].end == 40
    for one in marks:
        covered = {i for p in pieces if one.mark_id in p.marks for i in range(p.start, p.end)}
        assert covered == set(range(one.start, one.end))


def test_only_exactly_the_same_span_is_the_same() -> None:
    marks = (mark("a", 0, 6), mark("b", 4, 8))
    assert same_span(marks, 4, 8) == marks[1]
    assert same_span(marks, 4, 7) is None


def test_offsets_count_code_points() -> None:
    value = marker_value("done", answer=answer("🙂é ok"), marks=(mark("a", 3, 5, text="ok"),))
    assert value["segments"] == [[0, 3, []], [3, 5, ["a"]]]


def test_marks_are_listed_in_the_order_of_the_text() -> None:
    value = marker_value("done", answer=answer(), marks=(mark("b", 8, 9), mark("a", 1, 3)))
    assert [item["id"] for item in value["marks"]] == ["a", "b"]


def test_an_answer_that_was_not_logged_cannot_be_marked() -> None:
    assert marker_value("stopped", "half an ans")["query_id"] is None


def test_every_verdict_has_its_own_key() -> None:
    assert set(VERDICT_KEYS) == set(VERDICTS)
    assert len(set(VERDICT_KEYS.values())) == len(VERDICTS)


def test_an_answer_by_an_edit_names_the_edit_and_its_radius() -> None:
    told = source(answer(edit_id="e1", nearest_edit_id="e1", distance=0.314, epsilon=0.9), "Who was Ada?")
    assert told["kind"] == "edit"
    assert told["label"] == "Answered by an edit: “Who was Ada?”"
    assert told["detail"] == "distance 0.31, within its ε 0.90"
    assert told["edit_id"] == "e1"


def test_an_answer_by_the_model_says_how_far_the_nearest_key_is() -> None:
    told = source(answer(nearest_edit_id="e2", distance=1.2, epsilon=0.9))
    assert told["kind"] == "model"
    assert told["detail"] == "nearest key at distance 1.20, outside its ε 0.90"
    assert told["edit_id"] == "e2"


def test_an_empty_codebook_has_no_distance() -> None:
    assert source(answer())["detail"] == "no edit yet"


def test_both_parts_of_a_distance_are_told_and_a_namesake_by_its_reason() -> None:
    by = source(answer(edit_id="e1", nearest_edit_id="e1", distance=0.4, epsilon=1.0, parts=Parts(0.05, 0.4)), "Who was Ada?")
    assert by["detail"] == "distance 0.40, within its ε 1.00 · subject 0.05, question 0.40"
    far = source(answer(nearest_edit_id="e1", distance=1.8, epsilon=1.0, parts=Parts(0.05, 1.8)))
    assert far["detail"] == "nearest key at distance 1.80, outside its ε 1.00 · subject 0.05, question 1.80"
    namesake = source(answer(nearest_edit_id="e1", distance=0.9, epsilon=1.0, parts=Parts(0.9, 0.1)))
    assert namesake["detail"] == "nearest key at distance 0.90, another subject within its ε 1.00 · subject 0.90, question 0.10"


def test_an_answer_with_a_fact_before_its_prompt_names_the_edit_and_both_distances() -> None:
    given = answer(nearest_edit_id="e2", distance=1.7, epsilon=1.0, fact=FactGiven("e1", Parts(0.12, 1.74)))
    told = source(given, "Who was Ada?")
    assert told["label"] == "Answered by the model itself, with an edit's fact before the prompt: “Who was Ada?”"
    assert told["detail"] == "subject 0.12, question 1.74: the subject is near enough for the fact"
    assert told["edit_id"] == "e1"


def test_a_fact_of_an_edit_that_is_gone_was_given_then() -> None:
    told = source(answer(fact=FactGiven("e1", None)), "Who was Ada?")
    assert told["label"] == "Said then by the model itself, with an edit's fact before the prompt: “Who was Ada?”"
    assert told["detail"] == "that edit is no longer in force"
    told = source(answer(fact=FactGiven("e1", Parts(0.1, 1.2))), "Who was Ada?", Now("e2", "When was Ada born?"))
    assert told["label"].startswith("Said then by the model itself, with an edit's fact")
    assert told["detail"] == "now an edit: “When was Ada born?” answers"
