"""A fact before a prompt: given to whom no edit answers and one is about, and to nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grace_core.answering.generate import Generation, decode_bare, generate, generate_batch
from grace_core.answering.in_context import with_fact
from grace_core.codebook.codebook import Codebook
from grace_core.editing.editor import Editor
from grace_core.errors import Cancelled
from grace_core.models.language_model import LanguageModel
from grace_core.testing.codebooks import learned
from tests.grace_core.running import edit_for, hooks

OWN = "When was Ada Lovelace born?"
OTHER = "Describe Ada Lovelace."
STRANGER = "Where is France now?"
TARGET = "London in 1815."


def reaching(model: LanguageModel, subject: float = 1.0, question: float = 0.01) -> Codebook:
    """One edit that answers its own prompt alone, and is about whatever is so near to its subject."""
    codebook = learned(model)
    edit = edit_for(model, codebook, OWN, TARGET, edit_id="e")
    return codebook.with_edit(replace(edit, epsilon=question, subject_epsilon=subject))


def same(one: Generation, other: Generation) -> bool:
    return (one.ids, one.text, one.truncated, one.match.matched, one.activation.tobytes()) == (
        other.ids, other.text, other.truncated, other.match.matched, other.activation.tobytes(),
    )  # fmt: skip


@pytest.fixture(params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest) -> LanguageModel:
    found: LanguageModel = request.getfixturevalue(request.param)
    return found


def test_what_no_edit_answers_gets_the_fact_of_the_edit_that_it_is_about(model: LanguageModel) -> None:
    codebook = reaching(model, subject=3.9)
    found = generate(model, codebook, OTHER, max_new_tokens=12, in_context=True)
    wanted = decode_bare(model, [model.prompt(with_fact(OTHER, OWN, TARGET))], 12)[0]
    assert found.ids == wanted
    assert (found.prompt, found.edit_id, found.in_context_of) == (OTHER, None, "e")
    assert found.about is not None
    query = codebook.encoder(found.activation[None])[0]
    assert found.about.parts == codebook.parts(query, codebook.entries[0])


def test_it_is_off_by_default_and_elsewhere_the_answer_is_the_same_to_the_last_bit(model: LanguageModel) -> None:
    codebook = reaching(model, subject=1e-6)
    for prompt in (OWN, OTHER, STRANGER):
        off, on = (generate(model, codebook, prompt, max_new_tokens=12, in_context=choice) for choice in (False, True))
        assert same(off, on)
        assert on.in_context_of is None
    assert generate(model, reaching(model, subject=3.9), OTHER, max_new_tokens=2).in_context_of is None


def test_the_own_prompt_is_answered_by_the_value_and_not_by_the_fact(model: LanguageModel) -> None:
    codebook = reaching(model, subject=3.9)
    assert same(*(generate(model, codebook, OWN, max_new_tokens=12, in_context=choice) for choice in (False, True)))
    assert generate(model, codebook, OWN, max_new_tokens=2, in_context=True).edit_id == "e"


def test_an_answer_does_not_depend_on_its_neighbours(model: LanguageModel) -> None:
    near = generate(model, reaching(model, subject=3.9), OTHER, max_new_tokens=1, in_context=True).about
    assert near is not None
    codebook = reaching(model, subject=near.parts.subject + 1e-3)
    prompts = (OWN, OTHER, STRANGER, "Hi", "Describe Ada Lovelace, please.")
    alone = [generate(model, codebook, prompt, max_new_tokens=10, in_context=True) for prompt in prompts]
    together = generate_batch(model, codebook, prompts, max_new_tokens=10, in_context=True)
    assert [one.ids for one in together] == [one.ids for one in alone]
    assert [one.in_context_of for one in together] == [one.in_context_of for one in alone]
    assert [one.in_context_of for one in alone][:2] == [None, "e"]
    assert {one.in_context_of for one in alone} == {None, "e"}


def test_undo_is_exact(model: LanguageModel) -> None:
    codebook = reaching(model, subject=3.9)
    undone = codebook.without("e")
    for prompt in (OWN, OTHER):
        found = generate(model, undone, prompt, max_new_tokens=8, in_context=True)
        assert same(found, generate(model, learned(model), prompt, max_new_tokens=8))
        assert found.in_context_of is None


def test_a_fact_that_leaves_no_room_for_the_answer_is_left_out(gpt2: LanguageModel) -> None:
    codebook = reaching(gpt2, subject=3.9)
    whole = len(gpt2.prompt(with_fact("?", OWN, TARGET)).ids)
    room = gpt2.context - whole
    for more, given in ((room - 20, True), (room - 19, False), (room, False)):
        found = generate(gpt2, codebook, "?" * (1 + more), max_new_tokens=20, in_context=True)
        assert (found.in_context_of is not None) == given, more
        bare = generate(gpt2, codebook, "?" * (1 + more), max_new_tokens=20)
        assert given or same(found, bare)


def test_tokens_and_text_come_as_they_are_decoded_and_only_of_the_answer(model: LanguageModel) -> None:
    codebook, seen, texts = reaching(model, subject=3.9), list[tuple[int, int]](), list[str]()
    prompts = (STRANGER, OTHER, OWN)
    found = generate_batch(
        model, codebook, prompts, max_new_tokens=6, in_context=True, on_token=lambda row, token: seen.append((row, token))
    )
    for row, answer in enumerate(found):
        assert tuple(token for at, token in seen if at == row) == answer.ids
    one = generate(model, codebook, OTHER, max_new_tokens=6, in_context=True, on_text=texts.append)
    assert not texts or one.text.startswith(texts[-1])


def test_stopping_is_asked_while_the_fact_is_read(model: LanguageModel) -> None:
    codebook, before = reaching(model, subject=3.9), hooks(model)
    calls = iter([False] * (len(model.blocks) + 1) + [True])
    with pytest.raises(Cancelled):
        generate(model, codebook, OTHER, in_context=True, cancelled=lambda: next(calls))
    assert hooks(model) == before


def test_special_tokens_in_a_fact_are_plain_text(llama: LanguageModel) -> None:
    codebook = learned(llama)
    special = str(next(iter(llama.tokenizer.added_tokens_decoder.values())))
    edit = edit_for(llama, codebook, f"{special} {OWN}", f"{special} 1815.", edit_id="e")
    codebook = codebook.with_edit(replace(edit, epsilon=0.01, subject_epsilon=3.9))
    found = generate(llama, codebook, OTHER, max_new_tokens=1, in_context=True)
    assert found.in_context_of == "e"
    own = llama.prompt(with_fact(OTHER, f"{special} {OWN}", f"{special} 1815."))
    specials = set(llama.tokenizer.added_tokens_decoder)
    assert not specials & set(own.ids[own.start : own.end])


@pytest.mark.real
def test_the_real_model_reads_the_fact_of_an_edit_about_the_subject(real: LanguageModel) -> None:
    from grace_core.config import GraceConfig
    from grace_core.editing.new_codebook import new_codebook

    codebook = new_codebook(real, GraceConfig.robust())
    made = Editor(real).edit(codebook, "Who is the mayor of Tannenfels?", "Orlando Quist", max_new_tokens=1, text_before="")
    asked = "Is Orlando Quist the mayor of Tannenfels?"
    on = generate(real, made.codebook, asked, max_new_tokens=24, in_context=True)
    assert made.edit is not None
    assert on.in_context_of == made.edit.edit_id
    assert on.about is not None
    assert on.about.parts.subject < 0.8 < on.about.parts.question
    assert generate(real, made.codebook, "Who is the mayor of Tannenfels?", max_new_tokens=24, in_context=True).edit_id
    other = "What is the capital of Australia?"
    assert same(*(generate(real, made.codebook, other, max_new_tokens=24, in_context=choice) for choice in (False, True)))
