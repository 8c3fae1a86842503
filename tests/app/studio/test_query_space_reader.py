"""Another reading is put in force: what was foreseen is what happens, and going back is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.journal.events import Reread, Returned
from app.journal.store import JournalStore
from app.studio.progress import Stage
from app.studio.studio import OpenStudio
from grace_core.codebook.file import load_codebook, save_codebook
from grace_core.config import GraceConfig
from grace_core.errors import InputError
from grace_core.measuring.distances import Choice
from tests.app.studio.query_spaces import LAYER, QUERIES, RAW, SAME_PLACE, answered, begun, use
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Journal,
    assert_is_the_journals,
    assert_same_encoder,
    edited,
    id_of,
    said,
)
from tests.grace_core.builders import assert_apart, assert_same


@pytest.fixture
def studio(journal: Journal) -> OpenStudio:
    return begun(journal)


# What is foreseen is what happens


@pytest.mark.parametrize("choice", [LAYER, RAW, SAME_PLACE, Choice(2, "weighted", "whiten"), Choice(1, "mean", "raw")])
@pytest.mark.parametrize("epsilon", [1e-3, 0.3, 1.9])
def test_what_is_foreseen_is_what_the_codebook_then_says(
    journal: Journal, studio: OpenStudio, choice: Choice, epsilon: float
) -> None:
    if epsilon < 0.1:
        studio.set_epsilon(1.9)  # so that there is something to lose
    before, revision = answered(studio), studio.revision()
    seen = studio.foresee_query_space(choice, epsilon).result(SOON)
    assert (studio.revision(), answered(studio), seen.queries) == (revision, before, 9)
    done = use(studio, choice, epsilon, seen=seen.seen, author="Ada")
    assert done.changed == seen.changed
    assert epsilon > 0.1 or {change.kind for change in seen.changed} == {"lost"}
    after = answered(studio)
    assert {key: one for key, one in after.items() if one != before[key]} == {
        change.query.query_id: change.after for change in seen.changed
    }
    assert {change.query.query_id: change.before for change in seen.changed}.items() <= before.items()
    assert studio.revision() == revision + 1
    assert_is_the_journals(journal, studio)
    config = studio.codebook.config
    assert (config.key_layer, config.pool, config.encoding, config.epsilon) == (
        choice.layer, choice.pool, choice.encoding, epsilon,
    )  # fmt: skip
    assert {edit.epsilon for edit in studio.codebook.edits} == {epsilon}
    assert_apart(studio.codebook)
    for edit in studio.codebook.edits:  # an edit's own question is at distance 0, up to the rounding of another kernel
        assert studio.generate(edit.prompt).result(SOON).distance == pytest.approx(0.0, abs=1e-6 if choice != RAW else 1e-4)


def test_a_restart_gives_bitwise_the_same_codebook_in_the_same_reading(
    journal: Journal, studio: OpenStudio, tmp_path: Path
) -> None:
    use(studio, LAYER, 0.3)
    again = journal.open()
    assert_same(again.codebook, studio.codebook)
    assert_same_encoder(again.codebook.encoder, studio.codebook.encoder)
    assert (again.status(), again.query_spaces()) == (studio.status(), studio.query_spaces())
    assert again.map_view().query_vectors.tobytes() == studio.map_view().query_vectors.tobytes()
    # And so does a file.
    save_codebook(studio.codebook, tmp_path / "book.safetensors")
    loaded = load_codebook(tmp_path / "book.safetensors", journal.model)
    assert_same(loaded, studio.codebook)
    assert (loaded.config, loaded.encoder.weights) == (studio.codebook.config, studio.codebook.encoder.weights)


def test_the_status_line_says_how_prompts_are_read_now(studio: OpenStudio) -> None:
    first = studio.status()
    assert (first.key_layer, first.pool, first.encoding, first.reread) == (1, "weighted", "whiten", False)
    use(studio, RAW, 2.5, author=" Ada ")
    now = studio.status()
    assert (now.key_layer, now.pool, now.encoding, now.epsilon, now.reread) == (3, "last", "raw", 2.5, True)
    assert (now.value_layer, now.active_edits, now.codebook_id) == (first.value_layer, first.active_edits, first.codebook_id)
    newest, oldest = studio.query_spaces()
    assert (newest.author, newest.in_force, newest.epsilon, newest.key_layer) == ("Ada", True, 2.5, 3)
    assert (oldest.author, oldest.at, oldest.in_force, oldest.query_space_id) == (None, None, False, "")
    assert newest.query_space_id == studio.query_space_id


# Going back


def test_going_back_is_exact_and_takes_in_what_came_meanwhile(journal: Journal, studio: OpenStudio) -> None:
    studio.set_epsilon(0.05, "e1")
    own, before = studio.codebook, answered(studio)
    activations = {key: record.activation.tobytes() for key, record in studio.live.now().state.queries.items()}
    use(studio, LAYER, 0.3)
    new = id_of(edited(studio, "Who is Grace Hopper?"))
    later = studio.generate("When was Alan Turing born?").result(SOON).query_id
    studio.set_epsilon(0.7)
    studio.return_to("", author="Bo").result(SOON)
    assert studio.query_space_id == ""
    assert_is_the_journals(journal, studio)
    assert_same_encoder(studio.codebook.encoder, own.encoder)
    assert studio.codebook.edits[-1].edit_id == new
    assert studio.codebook.edits[-1].epsilon == own.config.epsilon
    assert_same(studio.codebook.without(new), own)
    assert [edit.epsilon for edit in studio.codebook.without(new).edits] == [edit.epsilon for edit in own.edits]
    records = studio.live.now().state.queries
    assert {key: records[key].activation.tobytes() for key in activations} == activations
    assert later in records
    assert studio.generate("Who is Grace Hopper?").result(SOON).edit_id == new
    studio.undo(new)
    assert_same(studio.codebook, own)
    assert {key: one for key, one in answered(studio).items() if key in before} == before
    # There and back once more: nothing is read again, and the other reading is as it was left.
    (there,) = [row.query_space_id for row in studio.query_spaces() if row.query_space_id]
    studio.return_to(there).result(SOON)
    assert_is_the_journals(journal, studio)
    assert {edit.epsilon for edit in studio.codebook.edits} == {0.7}
    assert [type(event.data) for event in journal.events() if isinstance(event.data, Reread | Returned)] == [
        Reread, Returned, Returned,
    ]  # fmt: skip


def test_changes_of_epsilon_count_where_they_were_made(journal: Journal, studio: OpenStudio) -> None:
    change = studio.set_epsilon(0.05)
    use(studio, LAYER, 0.3)
    assert studio.epsilon_changes() == ()
    with pytest.raises(InputError, match="read otherwise, in another unit; go back"):
        studio.undo_epsilon(change.change_id)
    with pytest.raises(InputError, match="another unit; try the ε once more"):
        studio.set_epsilon(0.2, query_space_id="")
    mine = studio.set_epsilon(0.2, query_space_id=studio.query_space_id)
    assert studio.epsilon_changes() == (mine,)
    studio.return_to("").result(SOON)
    assert [row.change_id for row in studio.epsilon_changes()] == [change.change_id]
    assert {edit.epsilon for edit in studio.codebook.edits} == {0.05}
    studio.undo_epsilon(change.change_id)
    assert {edit.epsilon for edit in studio.codebook.edits} == {0.1}
    assert_is_the_journals(journal, studio)


def test_undoing_an_edit_is_exact_in_the_new_reading(journal: Journal, studio: OpenStudio) -> None:
    use(studio, LAYER, 0.5)
    whole = studio.codebook
    for edit_id in ("e0", "e1", "e3"):
        studio.undo(edit_id)
        assert studio.codebook.encoder is whole.encoder
        assert_same(studio.codebook, whole.without(edit_id))
        assert_is_the_journals(journal, studio)
        studio.redo(edit_id)
        assert_same(studio.codebook, whole)
    studio.redo("e2")  # it was undone before the switch, and was read all the same
    assert studio.generate(THIRD).result(SOON).edit_id == "e2"
    assert_is_the_journals(journal, studio)


def test_calibrations_that_edits_bring_stay_in_their_reading(journal: Journal) -> None:
    wide: dict[str, Any] = {"siblings": 8, "epsilon": 0.9}
    studio = journal.open(**wide)
    edited(studio)
    first = studio.codebook.encoder
    assert first.version == 2
    use(studio, LAYER, 0.9)
    assert studio.codebook.encoder.version == 3
    siblings = studio.live.now().state.query_spaces[""].calibrations[1].prompts
    assert set(siblings) <= set(studio.live.now().state.query_space.background)
    edited(studio, OTHER)
    there = studio.codebook.encoder
    assert there.version == 4
    own = studio.query_space_id
    studio.return_to("").result(SOON)
    assert_same_encoder(studio.codebook.encoder, first)
    outcome = edited(studio, "When was Alan Turing born?")
    assert said(studio, "When was Alan Turing born?") == outcome.target
    assert studio.codebook.encoder.version == 5
    assert_is_the_journals(journal, studio, **wide)
    studio.return_to(own).result(SOON)
    assert_same_encoder(studio.codebook.encoder, there)
    assert_is_the_journals(journal, studio, **wide)


# How it reads


def test_where_only_the_encoding_changes_no_model_runs(
    journal: Journal, studio: OpenStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.studio.query_space_reader.activations_of", None)
    use(studio, SAME_PLACE, 2.0)
    assert_is_the_journals(journal, studio)
    for record in studio.live.now().state.queries.values():
        assert record.activation.tobytes() == record.generated.activation.tobytes()
    studio.return_to("").result(SOON)


def test_each_text_is_read_once_and_what_was_read_for_a_preview_is_kept(
    studio: OpenStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Stage] = list(studio.foresee_query_space(RAW, 2.0).events())
    texts = len({edit.edited.prompt for edit in studio.live.now().state.edits.values()} | set(QUERIES))
    assert {one.words.partition(" of ")[2] for one in told} == {str(texts)}
    assert told[0] == Stage(f"Reading prompts: 0 of {texts}", 0.0)
    monkeypatch.setattr("app.studio.query_space_reader.activations_of", None)
    use(studio, RAW, 2.5)


def test_a_raw_codebook_becomes_a_whitened_one_on_the_shipped_background(journal: Journal) -> None:
    with JournalStore(journal.url) as store:
        studio = OpenStudio.open(journal.model, GraceConfig.paper(epsilon=0.05, max_steps=40), store, max_new_tokens=16)
        try:
            outcome = edited(studio)
            background, weighed = studio.calibrated_on()
            seen = studio.foresee_query_space(Choice(1, "weighted", "whiten"), 0.3).result(SOON)
            done = use(studio, Choice(1, "weighted", "whiten"), 0.3, seen=seen.seen)
            assert done.changed == seen.changed
            assert (studio.status().preset, studio.status().encoding) == ("paper", "whiten")
            assert studio.codebook.encoder.weights.by_id
            assert said(studio, PROMPT) == outcome.target
            reading = studio.live.now().state.query_space
            assert (reading.background, len(reading.weighed)) == (background, weighed)  # as a scan foretells
        finally:
            studio.close()
