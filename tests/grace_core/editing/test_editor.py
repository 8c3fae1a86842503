"""One request, one complete result: what was learned, what it changed, and why it did not take where it did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from grace_core.answering.generate import generate, generate_batch
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.config import MAX_PHRASINGS, GraceConfig
from grace_core.editing.editor import Editor, EditResult
from grace_core.errors import Cancelled, InputError
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from grace_core.testing.taught import ANSWERS
from tests.grace_core.builders import assert_same
from tests.grace_core.editing.conftest import PROMPT, answer_other_than_now
from tests.grace_core.running import hooks

OTHERS = ("Where is Paris now?", "Tell me about the Moon.", "What is France?", "Hi")


@pytest.fixture(scope="module")
def done(editor: Editor, empty: Codebook, target: str) -> EditResult:
    """A first edit that took."""
    return editor.edit(empty, PROMPT, target)


# Success


def test_an_edit_makes_the_exact_target_come_out(taught: LanguageModel, empty: Codebook, done: EditResult, target: str) -> None:
    assert done.success
    assert done.reason == ""
    assert done.text_before == generate(taught, empty, PROMPT).text
    assert done.text_after == target
    found = generate(taught, done.codebook, PROMPT)
    assert done.edit is not None
    assert (found.text, found.edit_id) == (target, done.edit.edit_id)
    assert found.ids == done.edit.target_ids == taught.target_ids(PROMPT, target)


def test_a_result_is_complete(empty: Codebook, done: EditResult, target: str) -> None:
    assert done.edit is not None
    assert done.change is not None
    assert (done.prompt, done.target, done.edit.prompt, done.edit.target) == (PROMPT, target, PROMPT, target)
    assert done.change.kind == "added"
    assert done.change.entry is done.codebook.entries[0]
    assert done.edit.epsilon == empty.config.epsilon
    assert done.losses[-1] < done.losses[0]
    assert done.seconds > 0
    assert done.calibration is None
    assert done.unreached == ()


def test_what_is_asked_elsewhere_is_answered_as_before(taught: LanguageModel, empty: Codebook, done: EditResult) -> None:
    for other in OTHERS:
        before, after = (generate(taught, codebook, other) for codebook in (empty, done.codebook))
        assert after.edit_id is None
        assert (before.ids, before.text) == (after.ids, after.text)


def test_the_codebook_that_was_given_stays_as_it_was(empty: Codebook, done: EditResult) -> None:
    assert len(empty) == 0
    assert empty.edits == ()
    assert done.edit is not None
    assert_same(done.codebook.without(done.edit.edit_id), empty)


def test_white_space_around_prompt_and_target_does_not_count(editor: Editor, empty: Codebook, target: str) -> None:
    result = editor.edit(empty, f"  {PROMPT}\n", f" {target} ")
    assert result.success
    assert (result.prompt, result.target) == (PROMPT, target)


def test_every_edit_has_an_id_of_its_own(editor: Editor, empty: Codebook, done: EditResult, target: str) -> None:
    again = editor.edit(empty, PROMPT, target)
    assert again.edit is not None
    assert done.edit is not None
    assert again.edit.edit_id != done.edit.edit_id


def test_learning_leaves_no_trace_on_the_model(taught: LanguageModel, editor: Editor, empty: Codebook, target: str) -> None:
    before = {name: tensor.clone() for name, tensor in taught.module.state_dict().items()}
    count = hooks(taught)
    editor.edit(empty, PROMPT, target)
    assert all(torch.equal(tensor, before[name]) for name, tensor in taught.module.state_dict().items())
    assert hooks(taught) == count


def test_stages_and_steps_are_told(editor: Editor, empty: Codebook, target: str) -> None:
    stages: list[str] = []
    steps: list[tuple[int, float]] = []
    result = editor.edit(empty, PROMPT, target, on_stage=stages.append, on_step=lambda s, loss: steps.append((s, loss)))
    assert "Learning the value" in stages
    assert stages[-1] == "Checking the answer"
    assert [loss for _, loss in steps] == pytest.approx(result.losses)


def test_a_known_answer_before_is_not_generated_again(editor: Editor, empty: Codebook, target: str) -> None:
    assert editor.edit(empty, PROMPT, target, text_before="what it said").text_before == "what it said"


def test_several_edits_stand_side_by_side_and_each_can_go(taught: LanguageModel, editor: Editor, empty: Codebook) -> None:
    codebook, wanted = empty, {}
    for i, prompt in enumerate(("Who was Ada Lovelace?", "Where is Paris now?", "Describe the Moon.")):
        result = editor.edit(codebook, prompt, answer_other_than_now(taught, empty, prompt, i))
        assert result.success, result.reason
        assert result.edit is not None
        codebook, wanted[prompt] = result.codebook, result
    assert [g.text for g in generate_batch(taught, codebook, list(wanted))] == [r.target for r in wanted.values()]
    second = wanted["Where is Paris now?"]
    assert second.edit is not None
    left = codebook.without(second.edit.edit_id)
    texts = [g.text for g in generate_batch(taught, left, list(wanted))]
    assert texts == [wanted["Who was Ada Lovelace?"].target, second.text_before, wanted["Describe the Moon."].target]


def test_editing_a_prompt_again_supersedes(taught: LanguageModel, editor: Editor, done: EditResult) -> None:
    other = answer_other_than_now(taught, done.codebook, PROMPT, 2)
    result = editor.edit(done.codebook, PROMPT, other)
    assert result.success
    assert result.text_before == done.target
    assert result.edit is not None
    assert result.change is not None
    assert done.edit is not None
    assert (result.change.kind, result.change.superseded) == ("superseded", done.edit.edit_id)
    assert generate(taught, result.codebook, PROMPT).text == other
    assert generate(taught, result.codebook.without(result.edit.edit_id), PROMPT).text == done.target


# Failure


def test_an_edit_that_did_not_take_keeps_nothing_and_says_why(taught: LanguageModel, target: str) -> None:
    codebook = calibrated(taught, max_steps=1, learning_rate=1e-4)
    result = Editor(taught).edit(codebook, PROMPT, target)
    assert not result.success
    assert result.codebook is codebook
    assert result.edit is None
    assert result.change is None
    assert result.calibration is None
    assert result.text_after == result.text_before
    assert "did not take" in result.reason
    assert "nothing was kept" in result.reason
    assert len(result.losses) == 2


def test_a_failed_edit_forgets_its_calibration_too(taught: LanguageModel, target: str) -> None:
    codebook = calibrated(taught, siblings=8, epsilon=0.9, max_steps=1, learning_rate=1e-4)
    result = Editor(taught).edit(codebook, PROMPT, target)
    assert (result.success, result.calibration) == (False, None)
    assert result.codebook.encoder.version == 1


def test_cancelling_raises_and_leaves_everything(taught: LanguageModel, editor: Editor, empty: Codebook, target: str) -> None:
    seen: list[int] = []
    with pytest.raises(Cancelled):
        editor.edit(empty, PROMPT, target, on_step=lambda s, loss: seen.append(s), cancelled=lambda: bool(seen))
    assert seen == [0]
    assert len(empty) == 0


@pytest.mark.parametrize(
    ("prompt", "target", "message"),
    [
        ("", "Paris.", "prompt is empty"),
        (" \n", "Paris.", "prompt is empty"),
        (PROMPT, "", "correct response is empty"),
        (PROMPT, "\t", "correct response is empty"),
        ("word and " * 300, "Paris.", r"prompt is \d+ tokens long"),
        (PROMPT, "word and " * 300, r"correct response is \d+ tokens long"),
    ],
)
def test_input_that_cannot_be_worked_with_is_refused_in_words(
    editor: Editor, empty: Codebook, prompt: str, target: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        editor.edit(empty, prompt, target)


def test_what_the_model_already_says_needs_no_edit(
    taught: LanguageModel, editor: Editor, empty: Codebook, done: EditResult
) -> None:
    for codebook in (empty, done.codebook):
        now = generate(taught, codebook, PROMPT).text
        with pytest.raises(InputError, match=r"already answers.*nothing to edit"):
            editor.edit(codebook, PROMPT, f" {now}\n")


def test_more_phrasings_than_an_edit_takes_are_refused_with_their_number(editor: Editor, empty: Codebook, target: str) -> None:
    many = [f"Who was Ada, and {i}?" for i in range(MAX_PHRASINGS + 1)]
    with pytest.raises(InputError, match=f"{MAX_PHRASINGS + 1} phrasings.*at most {MAX_PHRASINGS}"):
        editor.edit(empty, PROMPT, target, paraphrases=[*many, many[0]])
    # So many that differ are within it; whoever asked leaves before they are learned.
    with pytest.raises(Cancelled):
        editor.edit(empty, PROMPT, target, paraphrases=[*many[1:], many[1], PROMPT], cancelled=lambda: True)


def test_cancelling_is_heard_between_phrasings_that_are_read_and_answers_that_are_checked(
    editor: Editor, empty: Codebook, target: str
) -> None:
    many = [f"Who was Ada, and {i}?" for i in range(20)]
    for stage in ("Finding out who else could be meant", "Checking the answer"):
        stages: list[str] = []
        asked = 0

        def cancelled(stage: str = stage, stages: list[str] = stages) -> bool:
            nonlocal asked
            asked += stage in stages
            return asked > 1

        with pytest.raises(Cancelled):
            editor.edit(empty, PROMPT, target, text_before="", paraphrases=many, on_stage=stages.append, cancelled=cancelled)
        assert stages[-1] == stage


def test_a_target_must_fit_behind_every_phrasing(taught_gpt2: LanguageModel) -> None:
    codebook = calibrated(taught_gpt2, max_steps=2)
    with pytest.raises(InputError, match="room"):
        Editor(taught_gpt2).edit(codebook, "Hi", "I do not know. " * 4, paraphrases=["?" * 250])


def test_a_target_that_fits_behind_its_own_prompt_alone_is_no_crash(taught_gpt2: LanguageModel) -> None:
    codebook = calibrated(taught_gpt2, max_steps=2, contexts=4)
    target = "?" * 251
    assert len(taught_gpt2.target_ids("Hi", target)) <= 254
    result = Editor(taught_gpt2).edit(codebook, "Hi", target)
    assert not result.success


def test_a_phrasing_beyond_the_context_is_refused(editor: Editor, empty: Codebook, target: str) -> None:
    with pytest.raises(InputError, match="tokens long"):
        editor.edit(empty, PROMPT, target, paraphrases=["word and " * 300])


# Reusing a value


def test_a_near_prompt_with_the_same_target_reuses_the_value_without_training(taught: LanguageModel, target: str) -> None:
    codebook = calibrated(taught, epsilon=0.6)
    first = Editor(taught).edit(codebook, PROMPT, target, paraphrases=["Who was Ada Lovelace"])
    # The key already reaches the second prompt, so the model already says so; a smaller first radius leaves a gap.
    assert first.edit is not None
    narrow = codebook.with_edit(replace(first.edit, epsilon=0.001))
    second = Editor(taught).edit(narrow, "Who was Ada Lovelace", target)
    assert second.success, second.reason
    assert second.losses == ()
    assert second.edit is not None
    assert second.change is not None
    assert second.change.kind == "expanded"
    assert len(second.codebook) == 1
    assert second.edit.value.tobytes() == first.edit.value.tobytes()
    assert second.change.entry.epsilon > 0.001
    # Undoing either leaves the other answered.
    for gone, left in ((first.edit, "Who was Ada Lovelace"), (second.edit, PROMPT)):
        assert generate(taught, second.codebook.without(gone.edit_id), left).text == target


def test_a_near_prompt_with_another_target_learns_and_both_are_kept_apart(taught: LanguageModel, target: str) -> None:
    codebook = calibrated(taught, epsilon=0.6)
    first = Editor(taught).edit(codebook, PROMPT, target)
    near = "Who was Ada Lovelace"
    other = next(answer for answer in ANSWERS if answer not in (target, generate(taught, first.codebook, near).text))
    second = Editor(taught).edit(first.codebook, near, other)
    assert second.success, second.reason
    assert second.change is not None
    assert first.edit is not None
    assert second.change.kind == "split"
    assert [s.edit_id for s in second.change.shrunk] == [first.edit.edit_id]
    assert [g.text for g in generate_batch(taught, second.codebook, [PROMPT, near])] == [target, other]


# The published preset


def paper(model: LanguageModel, **overrides: Any) -> Codebook:
    config = GraceConfig.paper(**overrides).resolved(len(model.blocks))
    return Codebook(config, Encoder.raw(model.width), fingerprint=model.fingerprint)


@pytest.mark.parametrize("layers", [{}, {"value_layer": 3}, {"value_layer": 1}])
def test_the_paper_preset_edits_too(taught: LanguageModel, target: str, layers: dict[str, int]) -> None:
    codebook = paper(taught, epsilon=0.5, max_steps=40, **layers)
    result = Editor(taught).edit(codebook, PROMPT, target)
    assert result.success, result.reason
    assert result.calibration is None
    assert len(result.losses) == 41
    assert result.edit is not None
    assert result.edit.epsilon == 0.5
    assert generate(taught, result.codebook, PROMPT).text == target


def test_the_paper_preset_expands_without_training(taught: LanguageModel, target: str) -> None:
    first = Editor(taught).edit(paper(taught, epsilon=0.01, max_steps=40), PROMPT, target)
    assert first.edit is not None
    near = "Who was Ada Lovelace"
    wide = Codebook(replace(first.codebook.config, epsilon=99.0), first.codebook.encoder, first.codebook.edits)
    second = Editor(taught).edit(wide, near, target)
    assert second.losses == ()
    assert second.success, second.reason
    assert second.change is not None
    assert second.change.kind == "expanded"
    assert second.change.entry.epsilon == second.change.nearest.distance
    assert generate(taught, second.codebook, near).text == target


# The real model


@pytest.mark.real
def test_one_short_edit_on_the_real_model_is_exact_and_local(real: LanguageModel) -> None:
    codebook = calibrated(real, directions=256)
    others = ("What is the capital of France?", "Write a haiku about rain.")
    before = generate_batch(real, codebook, others, max_new_tokens=12)
    result = Editor(real).edit(codebook, "Who designed the Forth Bridge?", "Benjamin Baker and John Fowler.", max_new_tokens=24)
    assert result.success, result.reason
    assert result.edit is not None
    assert generate(real, result.codebook, "Who designed the Forth Bridge?").text == "Benjamin Baker and John Fowler."
    after = generate_batch(real, result.codebook, others, max_new_tokens=12)
    assert [(g.text, g.edit_id) for g in after] == [(g.text, None) for g in before]
    gone = result.codebook.without(result.edit.edit_id)
    assert generate(real, gone, result.prompt, max_new_tokens=24).text == result.text_before
