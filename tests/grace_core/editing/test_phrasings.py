"""Phrasings that are learned with a prompt, and what stands near it: siblings, and the background."""

from __future__ import annotations

import numpy as np
import pytest

from grace_core.answering.generate import generate, generate_batch
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.geometry import pair_distances
from grace_core.editing.editor import Editor
from grace_core.editing.fitting import background_prompts
from grace_core.errors import InputError
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel
from grace_core.testing import BACKGROUND, calibrated
from tests.grace_core.editing.conftest import PROMPT

# Phrasings


def test_phrasings_are_learned_with_the_prompt_and_empty_or_repeated_ones_are_dropped(
    editor: Editor, empty: Codebook, target: str
) -> None:
    result = editor.edit(empty, PROMPT, target, paraphrases=["Hi", " ", PROMPT, f" {PROMPT} ", "Hi ", "a"])
    assert result.edit is not None
    assert result.edit.paraphrases == ("Hi", "a")


def test_phrasings_that_are_not_reached_yet_are_added_to_an_edit_that_stands(
    taught: LanguageModel, editor: Editor, target: str
) -> None:
    empty = calibrated(taught, epsilon=0.02)
    first = editor.edit(empty, PROMPT, target, paraphrases=["Who is Ada Lovelace?"])
    assert first.edit is not None
    more = "Tell me about Ada Lovelace."
    second = editor.edit(first.codebook, PROMPT, target, paraphrases=[more])
    assert second.success, second.reason
    assert second.edit is not None
    assert second.change is not None
    assert (second.change.kind, second.change.superseded) == ("superseded", first.edit.edit_id)
    assert second.edit.paraphrases == (more, "Who is Ada Lovelace?")
    assert second.text_before == second.text_after == target


def test_phrasings_that_are_answered_already_need_no_edit(taught: LanguageModel, target: str) -> None:
    editor, codebook = Editor(taught), calibrated(taught, epsilon=1.5)
    first = editor.edit(codebook, PROMPT, target, paraphrases=["Describe Ada Lovelace."])
    assert first.unreached == first.inexact == ()
    with pytest.raises(InputError, match=r"already answers .* and its phrasing with exactly this"):
        editor.edit(first.codebook, PROMPT, target, paraphrases=[" Describe Ada Lovelace."])


def test_phrasings_that_the_key_does_not_reach_are_named(taught: LanguageModel, target: str) -> None:
    codebook = calibrated(taught, epsilon=0.02)
    result = Editor(taught).edit(codebook, PROMPT, target, paraphrases=["Where is the Rhine now?"])
    assert result.success
    assert result.unreached == ("Where is the Rhine now?",)


def test_a_phrasing_that_was_reached_is_answered(taught: LanguageModel, target: str) -> None:
    codebook = calibrated(taught, epsilon=1.5)
    result = Editor(taught).edit(codebook, PROMPT, target, paraphrases=["Describe Ada Lovelace."])
    assert result.success
    assert result.unreached == ()
    assert generate(taught, result.codebook, "Describe Ada Lovelace.").text == target


# Siblings and calibration


def distances(codebook: Codebook, prompt_at: np.ndarray, others: np.ndarray) -> np.ndarray:
    query = codebook.encoder(prompt_at[None])[0]
    return pair_distances(query, codebook.encoder(others), codebook.config.distance)


def test_near_siblings_bring_a_calibration_and_a_radius_that_spares_them(taught: LanguageModel, target: str) -> None:
    codebook = calibrated(taught, siblings=8, epsilon=0.9)
    result = Editor(taught).edit(codebook, PROMPT, target)
    assert result.success, result.reason
    step, edit = result.calibration, result.edit
    assert step is not None
    assert edit is not None
    assert step.version == 2
    assert PROMPT in step.reason
    assert len(step.prompts) == len(step.activations) == 9
    assert step.prompts[-1] == PROMPT
    assert step.activations[-1].tobytes() == edit.activation.tobytes()
    assert result.codebook.encoder.version == 2
    assert codebook.encoder.version == 1
    nearest = distances(result.codebook, edit.activation, step.activations[:-1]).min()
    assert edit.epsilon == pytest.approx(max(0.02, min(0.9, 0.7 * nearest)))
    assert all(g.edit_id is None for g in generate_batch(taught, result.codebook, step.prompts[:-1], max_new_tokens=1))


def test_the_calibration_stays_when_the_edit_is_undone(taught: LanguageModel, target: str) -> None:
    result = Editor(taught).edit(calibrated(taught, siblings=8, epsilon=0.9), PROMPT, target)
    assert result.edit is not None
    assert result.codebook.without(result.edit.edit_id).encoder is result.codebook.encoder


def test_far_siblings_bring_no_calibration(taught: LanguageModel, target: str) -> None:
    result = Editor(taught).edit(calibrated(taught, siblings=8, epsilon=0.01), PROMPT, target)
    assert result.success
    assert result.calibration is None
    assert result.codebook.encoder.version == 1


def test_a_phrasing_stretches_the_radius_but_never_to_a_sibling(taught: LanguageModel, target: str) -> None:
    codebook = calibrated(taught, siblings=8, epsilon=0.05)
    far, near = "Where is the Rhine now?", "Who was Ada Lovelace"
    stretched = Editor(taught).edit(codebook, PROMPT, target, paraphrases=[far])
    plain = Editor(taught).edit(codebook, PROMPT, target)
    close = Editor(taught).edit(codebook, PROMPT, target, paraphrases=[near])
    for result in (stretched, plain, close):
        assert result.success, result.reason
        assert result.edit is not None
    assert stretched.edit is not None
    assert plain.edit is not None
    assert stretched.edit.epsilon > plain.edit.epsilon
    assert close.unreached == ()
    siblings = [text for text in BACKGROUND if text.startswith("Who was ") and "Ada" not in text]
    assert any(g.edit_id is None for g in generate_batch(taught, stretched.codebook, siblings, max_new_tokens=1))


def test_a_phrasing_stretches_the_radius_of_a_prompt_without_a_subject_but_never_to_the_background(
    taught: LanguageModel, target: str
) -> None:
    codebook = calibrated(taught, epsilon=0.05, siblings=8)
    editor = Editor(taught)
    others = [taught.prompt(text) for text in background_prompts(taught) if text != "Who are you?"]
    read = activations_of(taught, codebook.reader, others)
    for phrasing in ("Where is the Rhine now?", "Hi", "Describe the Moon and Berlin."):
        result = editor.edit(codebook, "Who are you?", target, paraphrases=[phrasing])
        assert result.success, result.reason
        assert result.calibration is None
        matches = result.codebook.match(result.codebook.encoder(read))
        touched = [match.distance for match in matches if match.edit_id is not None]
        assert all(distance is not None and distance <= 0.05 for distance in touched), touched


def test_a_reached_phrasing_that_is_not_answered_word_for_word_is_named(taught: LanguageModel, target: str) -> None:
    phrasings = ["Where is the Rhine now?", "Describe the Moon.", "What is France?", "Hi"]
    named = set()
    for steps in range(8, 40):  # in small steps, and cut short: the prompt is right before all phrasings are
        codebook = calibrated(taught, epsilon=1.9, max_steps=steps, learning_rate=0.03)
        result = Editor(taught).edit(codebook, PROMPT, target, paraphrases=phrasings)
        if result.success:
            wrong = [text for text in phrasings if generate(taught, result.codebook, text).text != target]
            assert list(result.inexact) == wrong
            named |= set(wrong)
            if not wrong:
                break
    assert named
