"""Another reading is put in force: what was foreseen is what happens, and going back is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import JournalError, StudioError
from app.journal.events import EpsilonUndone, Reread, Returned, StoredEvent
from app.journal.store import JournalStore
from app.map.layout.layout import Layout, Projection
from app.map.page import MapDesk
from app.server.serve import unheeded
from app.studio.progress import Stage
from app.studio.query_space import Foreseen
from app.studio.studio import OpenStudio
from app.studio.views import MapView
from grace_core.codebook.file import load_codebook, save_codebook
from grace_core.config import GraceConfig
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.distances import Choice
from tests.app.map.map_samples import tries
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Contended,
    Journal,
    assert_is_the_journals,
    assert_same_encoder,
    edited,
    event_of,
    id_of,
    other_than,
    said,
)
from tests.grace_core.builders import assert_apart, assert_same

LAYER: Choice = Choice(2, "mean", "whiten")
RAW: Choice = Choice(3, "last", "raw")
SAME_PLACE: Choice = Choice(1, "weighted", "raw")
QUERIES = (PROMPT, OTHER, THIRD, "Who is Ada Lovelace?", "Where is Paris?", "Hi", "Describe the Sun.", "What is France?")


@pytest.fixture
def studio(journal: Journal) -> OpenStudio:
    """Four edits whose values were drawn, one of them undone, and some logged queries; two of one text."""
    studio = journal.open()
    for index, prompt in enumerate((PROMPT, OTHER, THIRD, "What is France?")):
        journal.write(event_of(journal.model, studio.codebook, prompt, f"answer {index}", f"e{index}", index))
    for text in (*QUERIES, "Hi"):
        studio.generate(text).result(SOON)
    studio.undo("e2")
    return studio


def answered(studio: OpenStudio) -> dict[str, str | None]:
    """What the codebook says now of every logged query."""
    return {query.query_id: query.edit_id for query in studio.map_view().queries}


def use(studio: OpenStudio, choice: Choice, epsilon: float, **options: Any) -> Foreseen:
    return studio.use_query_space(choice, epsilon, **options).result(SOON)


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


# What is refused, called off, or comes between


def test_what_cannot_be_is_refused_in_words(studio: OpenStudio) -> None:
    before, top = studio.revision(), studio.status().value_layer
    for choice, epsilon, message in (
        (Choice(top + 1, "mean", "whiten"), 0.3, f"come[s]? too late for the values, which are put in after block {top}"),
        (Choice(1, "weighted", "whiten"), 0.3, "reads its queries this way already"),
        (LAYER, 2.0, "never exceeds 2"),
        (RAW, 0.0, "epsilon"),
    ):
        with pytest.raises(InputError, match=message):
            studio.foresee_query_space(choice, epsilon).result(SOON)
        with pytest.raises(InputError, match=message):
            use(studio, choice, epsilon)
    with pytest.raises(InputError, match="no query space 'nope'"):
        studio.return_to("nope").result(SOON)
    with pytest.raises(InputError, match="nothing to go back to"):
        studio.return_to("").result(SOON)
    assert studio.revision() == before


def test_what_was_previewed_on_another_codebook_is_not_put_in_force(studio: OpenStudio) -> None:
    seen = studio.foresee_query_space(LAYER, 0.3).result(SOON).seen
    studio.generate("One more?").result(SOON)  # a query is read as well, and changes nobody else's answer
    studio.undo("e1")
    with pytest.raises(InputError, match="changed since you looked"):
        use(studio, LAYER, 0.3, seen=seen)
    assert studio.query_space_id == ""
    studio.redo("e1")
    seen = studio.foresee_query_space(LAYER, 0.3).result(SOON).seen
    studio.generate("And another?").result(SOON)
    assert use(studio, LAYER, 0.3, seen=seen).queries == 11


def test_an_epsilon_of_the_command_line_that_does_not_hold_is_told(studio: OpenStudio) -> None:
    assert unheeded(0.7, studio.status()) is None
    use(studio, LAYER, 0.3)
    assert unheeded(None, studio.status()) is unheeded(0.3, studio.status()) is None
    said = unheeded(0.7, studio.status())
    assert said is not None
    assert said.startswith("--epsilon 0.7 is for the way of reading prompts that this codebook began with")
    assert "new edits ask for 0.3" in said
    assert said.isascii()  # a console may know no more
    studio.return_to("").result(SOON)
    assert unheeded(0.7, studio.status()) is None


def test_it_can_be_stopped_and_then_nothing_has_changed(studio: OpenStudio) -> None:
    before = studio.codebook
    job = studio.use_query_space(RAW, 2.0)
    for event in (events := job.events()):
        assert isinstance(event, Stage)
        job.cancel()
        break
    with pytest.raises(Cancelled):
        list(events)
    assert (studio.codebook is before, studio.query_space_id) == (True, "")


def test_what_another_wrote_meanwhile_is_read_before_it_is_put_in_force(journal: Journal) -> None:
    store = Contended(journal.url)
    studio = journal.open(store)
    studio.generate(PROMPT).result(SOON)
    elsewhere = journal.open()
    prompts = iter((OTHER, THIRD))
    store.others = [lambda: elsewhere.generate(next(prompts)).result(SOON)] * 2
    assert use(studio, RAW, 2.0).queries == 3
    assert_is_the_journals(journal, studio)
    assert_same(elsewhere.codebook, studio.codebook)
    assert elsewhere.status().reread
    store.others = [lambda: said(elsewhere, "Hi")] * 3
    with pytest.raises(StudioError, match="nothing was changed"):
        studio.return_to("").result(SOON)
    assert_is_the_journals(journal, studio)


def test_an_edit_learned_while_another_process_changed_the_reading_is_not_kept(journal: Journal, studio: OpenStudio) -> None:
    beside = journal.open()
    journal.meanwhile = lambda: use(beside, RAW, 2.0)
    with pytest.raises(StudioError, match="nothing was kept"):
        studio.edit("Where is Bern?", other_than()).result(SOON)
    assert id_of(edited(studio, "Where is Bern?")) in {row.edit_id for row in beside.edits().rows}
    assert_is_the_journals(journal, studio)


def test_an_answer_given_while_another_process_changed_the_reading_is_logged_in_the_new_one(
    journal: Journal, studio: OpenStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = import_module("app.studio.answers")
    beside, plain = journal.open(), module.generate

    def interrupted(*arguments: Any, **options: Any) -> Any:
        answer = plain(*arguments, **options)
        monkeypatch.setattr(module, "generate", plain)
        use(beside, RAW, 2.0)
        return answer

    monkeypatch.setattr(module, "generate", interrupted)
    late = studio.generate("Who is late?").result(SOON)
    again = studio.generate("Who is late?").result(SOON)
    records = studio.live.now().state.queries
    assert records[late.query_id].generated.reading == studio.query_space_id == beside.query_space_id
    np.testing.assert_allclose(records[late.query_id].activation, records[again.query_id].activation, rtol=1e-4, atol=1e-5)
    assert_is_the_journals(journal, studio)


def test_a_change_of_epsilon_that_another_process_overtook_is_refused(journal: Journal) -> None:
    store = Contended(journal.url)
    studio = journal.open(store)
    journal.write(event_of(journal.model, studio.codebook, PROMPT, "answer", "e0", 0))
    beside = journal.open()
    store.others = [lambda: use(beside, RAW, 2.0)]
    with pytest.raises(InputError, match="read otherwise"):
        studio.set_epsilon(0.3)
    assert {edit.epsilon for edit in beside.codebook.edits} == {2.0}
    assert not [event for event in journal.events() if isinstance(event.data, EpsilonUndone)]


def test_an_answer_is_logged_though_the_reading_changes_right_before_it_is_written(journal: Journal) -> None:
    store = Contended(journal.url)
    studio = journal.open(store)
    beside = journal.open()
    store.others = [lambda: use(beside, RAW, 2.0), lambda: said(beside, OTHER), lambda: beside.return_to("").result(SOON)]
    late = studio.generate("Who is late?").result(SOON)
    assert not store.others
    assert studio.live.now().state.queries[late.query_id].generated.reading == studio.query_space_id == ""
    again = studio.generate("Who is late?").result(SOON)
    first, second = (studio.live.now().state.queries[one.query_id].activation for one in (late, again))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)
    assert_is_the_journals(journal, studio)


class Failing(JournalStore):
    """A store that loses its database after `after` events of the next look at what is new."""

    after: int | None = None

    def events(self, *arguments: Any, **options: Any) -> Iterator[StoredEvent]:
        last, self.after = self.after, None
        for count, event in enumerate(super().events(*arguments, **options)):
            if count == last:
                raise JournalError("The database is gone.")
            yield event


def test_the_codebook_follows_though_reading_the_journal_broke_off(journal: Journal) -> None:
    store = Failing(journal.url)
    studio, beside = journal.open(store), journal.open()
    said(studio, PROMPT)
    use(beside, RAW, 2.0)
    said(beside, "Hi")
    store.after = 1  # another reading came, and what follows it did not
    with pytest.raises(JournalError, match="gone"):
        studio.revision()
    assert studio.status().queries == 2
    assert_same(studio.codebook, beside.codebook)
    assert studio.map_view().query_vectors.tobytes() == beside.map_view().query_vectors.tobytes()
    assert_is_the_journals(journal, studio)


# The pages' other looks


class Slow(Projection):
    """A projection that takes its time: meanwhile something else happens, once."""

    meanwhile: Callable[[], object] | None = None

    def layout(self, view: MapView, *, opened: bool = False) -> Layout:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().layout(view, opened=opened)


def test_the_map_is_of_one_moment_whatever_changes_while_it_is_laid_out(journal: Journal) -> None:
    more: dict[str, Any] = {"directions": 64}  # more than the background has prompts for, so that its width grows with them
    studio = journal.open(**more)
    for index, prompt in enumerate((PROMPT, OTHER)):
        journal.write(event_of(journal.model, studio.codebook, prompt, f"answer {index}", f"e{index}", index), **more)
    for text in QUERIES:
        said(studio, text)
    probe = studio.try_prompt(PROMPT).result(SOON)
    expected = MapDesk(studio, Projection()).look("e0", tries(probe))
    projection = Slow()
    desk = MapDesk(studio, projection)
    width = studio.codebook.encoder.dimensions
    projection.meanwhile = lambda: studio.use_query_space(RAW, 2.0).result(SOON)
    look = desk.look("e0", tries(probe))
    assert studio.codebook.encoder.dimensions != width
    assert (look.scene.distance, look.radial, look.landed) == ("cosine", expected.radial, expected.landed)
    after = desk.look("e0", tries(probe))
    assert after.scene.distance == studio.codebook.config.distance
    assert after.landed == ()


def test_a_probe_says_nothing_in_another_reading(studio: OpenStudio) -> None:
    desk = MapDesk(studio, Projection())
    probe = studio.try_prompt(PROMPT).result(SOON)
    assert len(desk.look(None, tries(probe)).landed) == 1
    place = desk.look(None).scene.layout.layout_id
    use(studio, RAW, 2.0)
    look = desk.look(None, tries(probe))
    assert look.landed == ()
    assert look.scene.layout.layout_id != place
    (fresh,) = desk.look(None, tries(probe, studio.try_prompt(PROMPT).result(SOON))).landed
    assert fresh.key is not None
    assert (fresh.key.edit_id, fresh.matched) == ("e0", True)


def test_the_labs_phrasings_are_read_anew(journal: Journal, studio: OpenStudio) -> None:
    first = studio.yardstick().result(SOON)
    use(studio, RAW, 2.0)
    then = studio.yardstick().result(SOON)
    assert (first.query_space_id, then.query_space_id) == ("", studio.query_space_id)
    assert then.unrelated == first.unrelated
    assert not np.array_equal(then.unrelated_activations, first.unrelated_activations)
    assert studio.moment().query_space_id == studio.query_space_id
