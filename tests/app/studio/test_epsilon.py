"""Another ε, tried and put in force, on a tiny model and a journal in a file."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import NotFound
from app.journal.events import Calibrated
from app.studio.progress import Stage
from app.studio.studio import OpenStudio
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.what_if import what_if
from grace_core.testing import BACKGROUND, NAMES, PHRASES
from grace_core.testing.taught import ANSWERS
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Journal,
    assert_is_the_journals,
    edited,
    id_of,
    said,
)
from tests.grace_core.builders import assert_same


def test_a_change_of_epsilon_is_one_event_that_can_be_undone_and_survives_a_restart(journal: Journal, studio: OpenStudio) -> None:
    first, second = edited(studio), edited(studio, OTHER)
    before = studio.codebook
    made = len(journal.events())
    row = studio.set_epsilon(0.02, id_of(first), author="Ada")
    assert (row.epsilon, row.edit_id, row.prompt, row.edits, row.author, row.undone) == (
        0.02, id_of(first), PROMPT, 1, "Ada", False,
    )  # fmt: skip
    assert len(journal.events()) == made + 1
    assert studio.codebook.edits[0].epsilon == 0.02
    everything = studio.set_epsilon(0.03)
    assert (everything.edit_id, everything.edits) == (None, 2)
    assert {edit.epsilon for edit in studio.codebook.edits} == {0.03}
    assert_is_the_journals(journal, studio)
    # An edit that comes back has the ε that was set meanwhile; undoing the changes gives each its own again.
    studio.undo(id_of(second))
    studio.undo_epsilon(row.change_id)
    studio.redo(id_of(second))
    assert {edit.epsilon for edit in studio.codebook.edits} == {0.03}
    studio.undo_epsilon(everything.change_id)
    assert_same(studio.codebook, before)
    assert_same(journal.open().codebook, before)
    assert [one.undone for one in studio.epsilon_changes()] == [True, True]
    studio.redo_epsilon(everything.change_id)
    assert [(one.change_id, one.undone) for one in studio.epsilon_changes()] == [
        (everything.change_id, False),
        (row.change_id, True),
    ]
    assert_is_the_journals(journal, studio)


def test_another_browser_sees_a_change_of_epsilon(journal: Journal, studio: OpenStudio) -> None:
    edited(studio)
    other = journal.open()
    seen = other.revision()
    studio.set_epsilon(0.02)
    assert other.revision() > seen
    assert_same(other.codebook, studio.codebook)
    assert len(other.epsilon_changes()) == 1


def test_a_change_of_epsilon_that_cannot_be_is_refused(studio: OpenStudio) -> None:
    with pytest.raises(InputError, match="No edit is in force"):
        studio.set_epsilon(0.2)
    outcome = edited(studio)
    for radius in (0.0, -1.0, float("nan"), 2.0):
        with pytest.raises(InputError, match="ε is"):
            studio.set_epsilon(radius)
    with pytest.raises(NotFound, match="no edit 'nope'"):
        studio.set_epsilon(0.2, "nope")
    studio.undo(id_of(outcome))
    with pytest.raises(InputError, match="no key in force"):
        studio.set_epsilon(0.2, id_of(outcome))
    with pytest.raises(NotFound, match="no change of ε 'nope'"):
        studio.undo_epsilon("nope")
    assert studio.epsilon_changes() == ()


def test_what_is_undone_of_epsilon_cannot_be_undone_again(studio: OpenStudio) -> None:
    edited(studio)
    row = studio.set_epsilon(0.02)
    with pytest.raises(InputError, match="not undone"):
        studio.redo_epsilon(row.change_id)
    studio.undo_epsilon(row.change_id)
    with pytest.raises(InputError, match="undone already"):
        studio.undo_epsilon(row.change_id)


@pytest.mark.parametrize(("rule", "radius"), [("separated", 0.6), ("separated", 0.004), ("published", 0.6)])
def test_what_the_lab_predicts_is_what_the_model_then_does(journal: Journal, rule: str, radius: float) -> None:
    studio = journal.open(rule=rule)
    for prompt, target in ((PROMPT, ANSWERS[0]), (OTHER, ANSWERS[1]), (THIRD, ANSWERS[2])):
        if said(studio, prompt) != target:
            edited(studio, prompt, target)
    prompts = [phrase.format(name) for phrase in PHRASES for name in NAMES]
    logged = {prompt: studio.generate(prompt).result(SOON) for prompt in prompts}
    for chosen in (studio.codebook.entries[0].edit_id, None):
        predicted = what_if(studio.moment(), radius, chosen)
        told = {change.query.prompt: change.after for change in predicted.changed}
        studio.set_epsilon(radius, chosen)
        assert_same(predicted.after, studio.codebook)
        before, logged = logged, {prompt: studio.generate(prompt).result(SOON) for prompt in prompts}
        for prompt, old in before.items():
            new = logged[prompt]
            assert new.edit_id == told.get(prompt, old.edit_id)
            assert prompt in told or new.text == old.text


def test_probes_are_read_once_and_the_background_is_the_journals(studio: OpenStudio) -> None:
    outcome = edited(studio, paraphrases=["Tell me about Ada Lovelace."])
    answer = studio.generate("Who's the Rhine?").result(SOON)
    studio.mark(answer.query_id, 0, 1, "fine")
    job = studio.yardstick()
    reports = list(job.events())
    probes = job.result(SOON)
    assert reports
    assert all(isinstance(report, Stage) for report in reports)
    assert probes.phrasings == (("Tell me about Ada Lovelace.", id_of(outcome)),)
    assert "Who's the Rhine?" in probes.unrelated
    assert PROMPT not in probes.unrelated
    assert probes.background == len(set(BACKGROUND) - {PROMPT})
    assert len(probes.unrelated_activations) == len(probes.unrelated)
    again = studio.yardstick()
    assert list(again.events()) == []
    assert again.result(SOON).unrelated_activations.tobytes() == probes.unrelated_activations.tobytes()


def test_edited_prompts_asked_about_others_must_not_be_touched(journal: Journal) -> None:
    options: dict[str, Any] = {"siblings": 8, "epsilon": 0.9}
    studio = journal.open(**options)
    edited(studio)
    steps = [event.data for event in journal.events(**options) if isinstance(event.data, Calibrated)]
    strangers = steps[-1].prompts[:-1]
    assert len(steps) == 2
    assert strangers
    probes = studio.yardstick().result(SOON)
    assert set(strangers) <= set(probes.unrelated)
    assert PROMPT not in probes.unrelated
    assert probes.background + probes.strangers == len(probes.unrelated)


def test_reading_probes_can_be_called_off(studio: OpenStudio) -> None:
    edited(studio, paraphrases=["Tell me about Ada Lovelace."])
    job = studio.yardstick()
    job.cancel()
    with pytest.raises(Cancelled):
        job.result(SOON)
