"""What the studio refuses, at once and in words."""

from __future__ import annotations

import pytest

from app.errors import NotFound
from app.studio.studio import OpenStudio
from grace_core.errors import InputError
from tests.app.studios import (
    PROMPT,
    SOON,
    edited,
    id_of,
    other_than,
    said,
)


@pytest.mark.parametrize(
    ("prompt", "target", "message"),
    [
        (" \n", "Paris.", "prompt is empty; type"),
        (PROMPT, "  ", "correct response is empty; type what the model should say"),
        ("word and " * 300, "Paris.", r"prompt is \d+ tokens long; .* reads 256.*Shorten it"),
        (PROMPT, "word and " * 300, r"correct response is \d+ tokens long; behind this prompt there is room for \d+"),
        ("half \ud83d", "Paris.", "prompt has half a character at position 5"),
    ],
)
def test_input_that_cannot_be_edited_is_refused_at_once(studio: OpenStudio, prompt: str, target: str, message: str) -> None:
    revision = studio.revision()
    with pytest.raises(InputError, match=message):
        studio.edit(prompt, target)
    if target == "Paris.":
        with pytest.raises(InputError, match=message):
            studio.generate(prompt)
    assert studio.revision() == revision


def test_a_target_that_the_model_already_says_is_refused(studio: OpenStudio) -> None:
    now = studio.generate(PROMPT).result(SOON)
    for query_id in (None, now.query_id):
        with pytest.raises(InputError, match=f"already answers “{PROMPT[:-1]}.”.*nothing to edit"):
            studio.edit(PROMPT, f" {now.text}\n", query_id=query_id).result(SOON)
    assert studio.edits().total == 0


def test_one_text_is_no_list_of_paraphrases(studio: OpenStudio) -> None:
    with pytest.raises(InputError, match="paraphrases are one text; give a list"):
        studio.edit(PROMPT, "Paris.", paraphrases="Who is Ada?")


def test_a_phrasing_beyond_the_context_is_refused(studio: OpenStudio) -> None:
    with pytest.raises(InputError, match="tokens long"):
        studio.edit(PROMPT, other_than(said(studio, PROMPT)), paraphrases=["word and " * 300]).result(SOON)
    assert studio.edits().total == 0


@pytest.mark.parametrize("span", [(0, 0), (3, 2), (-1, 2), (0, 1000)])
def test_a_span_outside_the_answer_is_refused(studio: OpenStudio, span: tuple[int, int]) -> None:
    answer = studio.generate(PROMPT).result(SOON)
    start, end = span
    with pytest.raises(InputError, match=f"span {start}–{end} .*has {len(answer.text)} characters; select"):
        studio.mark(answer.query_id, start, end, "wrong")
    assert studio.marks(answer.query_id) == ()


def test_an_unknown_verdict_is_refused_with_the_known_ones(studio: OpenStudio) -> None:
    answer = studio.generate(PROMPT).result(SOON)
    with pytest.raises(InputError, match=r"verdict is 'meh'; use one of fabricated, wrong, incoherent, outdated, fine"):
        studio.mark(answer.query_id, 0, 1, "meh")  # type: ignore[arg-type]


def test_what_is_undone_cannot_be_undone_and_what_is_not_cannot_be_redone(studio: OpenStudio) -> None:
    edit_id = id_of(edited(studio))
    with pytest.raises(InputError, match="not undone; there is nothing to restore"):
        studio.redo(edit_id)
    studio.undo(edit_id)
    revision = studio.revision()
    with pytest.raises(InputError, match="undone already; Redo brings it back"):
        studio.undo(edit_id)
    assert studio.revision() == revision


def test_unknown_ids_are_named(studio: OpenStudio) -> None:
    for call in (studio.undo, studio.redo, studio.detail):
        with pytest.raises(NotFound, match=r"no edit 'nope'.*Edits page"):
            call("nope")
    for ask in (studio.answer, lambda query_id: studio.mark(query_id, 0, 1, "fine")):
        with pytest.raises(NotFound, match=r"no logged answer 'nope'; prompt the model again"):
            ask("nope")
    with pytest.raises(NotFound, match="no logged answer 'nope'"):
        studio.edit(PROMPT, "Paris.", query_id="nope")
    with pytest.raises(NotFound, match="no mark 'nope'"):
        studio.unmark("nope")
    assert studio.marks("nope") == ()
