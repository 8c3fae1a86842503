"""Unrelated prompts for training: as many as asked for, the same ones for the same prompt."""

from __future__ import annotations

from grace_core.config import GraceConfig
from grace_core.editing.training_prompts import training_contexts
from grace_core.errors import InputError
from grace_core.models.language_model import LanguageModel


def test_there_are_as_many_different_ones_as_asked_for(tiny: LanguageModel) -> None:
    prompt = tiny.prompt("Who was Ada Lovelace?")
    for count in (0, 1, 4, 30):
        found = training_contexts(tiny, GraceConfig.early(contexts=count), prompt)
        assert len(set(found)) == count
        assert prompt not in found


def test_they_are_the_same_for_the_same_prompt_and_others_for_another(tiny: LanguageModel) -> None:
    config = GraceConfig.early(contexts=4)
    first, again, other = (training_contexts(tiny, config, tiny.prompt(text)) for text in ("Who?", "Who?", "Where?"))
    assert first == again
    assert first != other


def test_they_are_prompts_like_any_other(tiny: LanguageModel) -> None:
    for context in training_contexts(tiny, GraceConfig.early(contexts=4), tiny.prompt("Who?")):
        assert context == tiny.prompt(context.text)


def test_those_that_would_not_fit_the_model_are_left_out(tiny: LanguageModel) -> None:
    config = GraceConfig.early(contexts=8)
    words = ["Quark"]
    while True:
        try:
            prompt = tiny.prompt(" ".join(words))
        except InputError:
            break
        longest, words = prompt, [*words, "Quark"]
    found = training_contexts(tiny, config, longest)
    assert len(found) < 8
    assert found
