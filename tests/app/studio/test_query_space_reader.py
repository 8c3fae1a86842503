"""Another reading is put in force: what was foreseen is what happens, and going back is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import JournalError, StudioError
from app.journal.events import Calibrated, EpsilonUndone, Reread, Returned, StoredEvent
from app.journal.store import JournalStore
from app.map.layout.layout import Layout, Projection
from app.map.page import MapDesk
from app.server.serve import unheeded
from app.studio.progress import Stage
from app.studio.query_space import Foreseen
from app.studio.views import MapView
from app.studio.workbench import Workbench
from grace_core.codebook.file import load_codebook, save_codebook
from grace_core.config import GraceConfig
from grace_core.editing.editor import Editor
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.distances import Choice
from tests.app.map.map_samples import tries
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Contended,
    Interrupted,
    Studio,
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
def bench(studio: Studio) -> Workbench:
    """Four edits whose values were drawn, one of them undone, and some logged queries; two of one text."""
    bench = studio.open()
    for index, prompt in enumerate((PROMPT, OTHER, THIRD, "What is France?")):
        studio.write(event_of(studio.model, bench.codebook, prompt, f"answer {index}", f"e{index}", index))
    for text in (*QUERIES, "Hi"):
        bench.generate(text).result(SOON)
    bench.undo("e2")
    return bench


def answered(bench: Workbench) -> dict[str, str | None]:
    """What the codebook says now of every logged query."""
    return {query.query_id: query.edit_id for query in bench.map_view().queries}


def use(bench: Workbench, choice: Choice, epsilon: float, **options: Any) -> Foreseen:
    return bench.use_query_space(choice, epsilon, **options).result(SOON)


# What is foreseen is what happens


@pytest.mark.parametrize("choice", [LAYER, RAW, SAME_PLACE, Choice(2, "weighted", "whiten"), Choice(1, "mean", "raw")])
@pytest.mark.parametrize("epsilon", [1e-3, 0.3, 1.9])
def test_what_is_foreseen_is_what_the_codebook_then_says(
    studio: Studio, bench: Workbench, choice: Choice, epsilon: float
) -> None:
    if epsilon < 0.1:
        bench.set_epsilon(1.9)  # so that there is something to lose
    before, revision = answered(bench), bench.revision()
    seen = bench.foresee_query_space(choice, epsilon).result(SOON)
    assert (bench.revision(), answered(bench), seen.queries) == (revision, before, 9)
    done = use(bench, choice, epsilon, seen=seen.seen, author="Ada")
    assert done.changed == seen.changed
    assert epsilon > 0.1 or {change.kind for change in seen.changed} == {"lost"}
    after = answered(bench)
    assert {key: one for key, one in after.items() if one != before[key]} == {
        change.query.query_id: change.after for change in seen.changed
    }
    assert {change.query.query_id: change.before for change in seen.changed}.items() <= before.items()
    assert bench.revision() == revision + 1
    assert_is_the_journals(studio, bench)
    config = bench.codebook.config
    assert (config.key_layer, config.pool, config.encoding, config.epsilon) == (
        choice.layer, choice.pool, choice.encoding, epsilon,
    )  # fmt: skip
    assert {edit.epsilon for edit in bench.codebook.edits} == {epsilon}
    assert_apart(bench.codebook)
    for edit in bench.codebook.edits:  # an edit's own question is at distance 0, up to the rounding of another kernel
        assert bench.generate(edit.prompt).result(SOON).distance == pytest.approx(0.0, abs=1e-6 if choice != RAW else 1e-4)


def test_a_restart_gives_bitwise_the_same_codebook_in_the_same_reading(studio: Studio, bench: Workbench, tmp_path: Path) -> None:
    use(bench, LAYER, 0.3)
    again = studio.open()
    assert_same(again.codebook, bench.codebook)
    assert_same_encoder(again.codebook.encoder, bench.codebook.encoder)
    assert (again.status(), again.query_spaces()) == (bench.status(), bench.query_spaces())
    assert again.map_view().query_vectors.tobytes() == bench.map_view().query_vectors.tobytes()
    # And so does a file.
    save_codebook(bench.codebook, tmp_path / "book.safetensors")
    loaded = load_codebook(tmp_path / "book.safetensors", studio.model)
    assert_same(loaded, bench.codebook)
    assert (loaded.config, loaded.encoder.weights) == (bench.codebook.config, bench.codebook.encoder.weights)


def test_the_status_line_says_how_prompts_are_read_now(bench: Workbench) -> None:
    first = bench.status()
    assert (first.key_layer, first.pool, first.encoding, first.reread) == (1, "weighted", "whiten", False)
    use(bench, RAW, 2.5, author=" Ada ")
    now = bench.status()
    assert (now.key_layer, now.pool, now.encoding, now.epsilon, now.reread) == (3, "last", "raw", 2.5, True)
    assert (now.value_layer, now.active_edits, now.codebook_id) == (first.value_layer, first.active_edits, first.codebook_id)
    newest, oldest = bench.query_spaces()
    assert (newest.author, newest.in_force, newest.epsilon, newest.key_layer) == ("Ada", True, 2.5, 3)
    assert (oldest.author, oldest.at, oldest.in_force, oldest.query_space_id) == (None, None, False, "")
    assert newest.query_space_id == bench.query_space_id


# Going back


def test_going_back_is_exact_and_takes_in_what_came_meanwhile(studio: Studio, bench: Workbench) -> None:
    bench.set_epsilon(0.05, "e1")
    own, before = bench.codebook, answered(bench)
    activations = {key: record.activation.tobytes() for key, record in bench._replay.queries.items()}
    use(bench, LAYER, 0.3)
    new = id_of(edited(bench, "Who is Grace Hopper?"))
    later = bench.generate("When was Alan Turing born?").result(SOON).query_id
    bench.set_epsilon(0.7)
    bench.return_to("", author="Bo").result(SOON)
    assert bench.query_space_id == ""
    assert_is_the_journals(studio, bench)
    assert_same_encoder(bench.codebook.encoder, own.encoder)
    assert bench.codebook.edits[-1].edit_id == new
    assert bench.codebook.edits[-1].epsilon == own.config.epsilon
    assert_same(bench.codebook.without(new), own)
    assert [edit.epsilon for edit in bench.codebook.without(new).edits] == [edit.epsilon for edit in own.edits]
    records = bench._replay.queries
    assert {key: records[key].activation.tobytes() for key in activations} == activations
    assert later in records
    assert bench.generate("Who is Grace Hopper?").result(SOON).edit_id == new
    bench.undo(new)
    assert_same(bench.codebook, own)
    assert {key: one for key, one in answered(bench).items() if key in before} == before
    # There and back once more: nothing is read again, and the other reading is as it was left.
    (there,) = [row.query_space_id for row in bench.query_spaces() if row.query_space_id]
    bench.return_to(there).result(SOON)
    assert_is_the_journals(studio, bench)
    assert {edit.epsilon for edit in bench.codebook.edits} == {0.7}
    assert [type(event.data) for event in studio.events() if isinstance(event.data, Reread | Returned)] == [
        Reread, Returned, Returned,
    ]  # fmt: skip


def test_changes_of_epsilon_count_where_they_were_made(studio: Studio, bench: Workbench) -> None:
    change = bench.set_epsilon(0.05)
    use(bench, LAYER, 0.3)
    assert bench.epsilon_changes() == ()
    with pytest.raises(InputError, match="read otherwise, in another unit; go back"):
        bench.undo_epsilon(change.change_id)
    with pytest.raises(InputError, match="another unit; try the ε once more"):
        bench.set_epsilon(0.2, query_space_id="")
    mine = bench.set_epsilon(0.2, query_space_id=bench.query_space_id)
    assert bench.epsilon_changes() == (mine,)
    bench.return_to("").result(SOON)
    assert [row.change_id for row in bench.epsilon_changes()] == [change.change_id]
    assert {edit.epsilon for edit in bench.codebook.edits} == {0.05}
    bench.undo_epsilon(change.change_id)
    assert {edit.epsilon for edit in bench.codebook.edits} == {0.1}
    assert_is_the_journals(studio, bench)


def test_undoing_an_edit_is_exact_in_the_new_reading(studio: Studio, bench: Workbench) -> None:
    use(bench, LAYER, 0.5)
    whole = bench.codebook
    for edit_id in ("e0", "e1", "e3"):
        bench.undo(edit_id)
        assert bench.codebook.encoder is whole.encoder
        assert_same(bench.codebook, whole.without(edit_id))
        assert_is_the_journals(studio, bench)
        bench.redo(edit_id)
        assert_same(bench.codebook, whole)
    bench.redo("e2")  # it was undone before the switch, and was read all the same
    assert bench.generate(THIRD).result(SOON).edit_id == "e2"
    assert_is_the_journals(studio, bench)


def test_calibrations_that_edits_bring_stay_in_their_reading(studio: Studio) -> None:
    wide: dict[str, Any] = {"siblings": 8, "epsilon": 0.9}
    bench = studio.open(**wide)
    edited(bench)
    first = bench.codebook.encoder
    assert first.version == 2
    use(bench, LAYER, 0.9)
    assert bench.codebook.encoder.version == 3
    siblings = bench._replay.readings[""].calibrations[1].prompts
    assert set(siblings) <= set(bench._replay.reading.background)
    edited(bench, OTHER)
    there = bench.codebook.encoder
    assert there.version == 4
    own = bench.query_space_id
    bench.return_to("").result(SOON)
    assert_same_encoder(bench.codebook.encoder, first)
    outcome = edited(bench, "When was Alan Turing born?")
    assert said(bench, "When was Alan Turing born?") == outcome.target
    assert bench.codebook.encoder.version == 5
    assert_is_the_journals(studio, bench, **wide)
    bench.return_to(own).result(SOON)
    assert_same_encoder(bench.codebook.encoder, there)
    assert_is_the_journals(studio, bench, **wide)


# How it reads


def test_where_only_the_encoding_changes_no_model_runs(studio: Studio, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.studio.query_space_reader.activations_of", None)
    monkeypatch.setattr("app.studio.query_space_reader.pooled_at", None)
    use(bench, SAME_PLACE, 2.0)
    assert_is_the_journals(studio, bench)
    for record in bench._replay.queries.values():
        assert record.activation.tobytes() == record.generated.activation.tobytes()
    bench.return_to("").result(SOON)


def test_each_text_is_read_once_and_what_was_read_for_a_preview_is_kept(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Stage] = list(bench.foresee_query_space(RAW, 2.0).events())
    texts = len({edit.edited.prompt for edit in bench._replay.edits.values()} | set(QUERIES))
    assert {one.words.partition(" of ")[2] for one in told} == {str(texts)}
    assert told[0] == Stage(f"Reading prompts: 0 of {texts}", 0.0)
    monkeypatch.setattr("app.studio.query_space_reader.activations_of", None)
    monkeypatch.setattr("app.studio.query_space_reader.pooled_at", None)
    use(bench, RAW, 2.5)


def test_a_raw_codebook_becomes_a_whitened_one_on_the_shipped_background(studio: Studio) -> None:
    with JournalStore(studio.url) as store:
        bench = Workbench.open(studio.model, GraceConfig.paper(epsilon=0.05, max_steps=40), store, max_new_tokens=16)
        try:
            outcome = edited(bench)
            background, weighed = bench.calibrated_on()
            seen = bench.foresee_query_space(Choice(1, "weighted", "whiten"), 0.3).result(SOON)
            done = use(bench, Choice(1, "weighted", "whiten"), 0.3, seen=seen.seen)
            assert done.changed == seen.changed
            assert (bench.status().preset, bench.status().encoding) == ("paper", "whiten")
            assert bench.codebook.encoder.weights.by_id
            assert said(bench, PROMPT) == outcome.target
            reading = bench._replay.reading
            assert (reading.background, len(reading.weighed)) == (background, weighed)  # as a scan foretells
        finally:
            bench.close()


# What is refused, called off, or comes between


def test_what_cannot_be_is_refused_in_words(bench: Workbench) -> None:
    before, top = bench.revision(), bench.status().value_layer
    for choice, epsilon, message in (
        (Choice(top + 1, "mean", "whiten"), 0.3, f"come[s]? too late for the values, which are put in after block {top}"),
        (Choice(1, "weighted", "whiten"), 0.3, "reads its queries this way already"),
        (LAYER, 2.0, "never exceeds 2"),
        (RAW, 0.0, "epsilon"),
    ):
        with pytest.raises(InputError, match=message):
            bench.foresee_query_space(choice, epsilon).result(SOON)
        with pytest.raises(InputError, match=message):
            use(bench, choice, epsilon)
    with pytest.raises(InputError, match="no reading 'nope'"):
        bench.return_to("nope").result(SOON)
    with pytest.raises(InputError, match="nothing to go back to"):
        bench.return_to("").result(SOON)
    assert bench.revision() == before


def test_what_was_previewed_on_another_codebook_is_not_put_in_force(bench: Workbench) -> None:
    seen = bench.foresee_query_space(LAYER, 0.3).result(SOON).seen
    bench.generate("One more?").result(SOON)  # a query is read as well, and changes nobody else's answer
    bench.undo("e1")
    with pytest.raises(InputError, match="changed since you looked"):
        use(bench, LAYER, 0.3, seen=seen)
    assert bench.query_space_id == ""
    bench.redo("e1")
    seen = bench.foresee_query_space(LAYER, 0.3).result(SOON).seen
    bench.generate("And another?").result(SOON)
    assert use(bench, LAYER, 0.3, seen=seen).queries == 11


def test_an_epsilon_of_the_command_line_that_does_not_hold_is_told(bench: Workbench) -> None:
    assert unheeded(0.7, bench.status()) is None
    use(bench, LAYER, 0.3)
    assert unheeded(None, bench.status()) is unheeded(0.3, bench.status()) is None
    said = unheeded(0.7, bench.status())
    assert said is not None
    assert said.startswith("--epsilon 0.7 is for the way of reading prompts that this codebook began with")
    assert "new edits ask for 0.3" in said
    assert said.isascii()  # a console may know no more
    bench.return_to("").result(SOON)
    assert unheeded(0.7, bench.status()) is None


def test_it_can_be_stopped_and_then_nothing_has_changed(bench: Workbench) -> None:
    before = bench.codebook
    job = bench.use_query_space(RAW, 2.0)
    for event in (events := job.events()):
        assert isinstance(event, Stage)
        job.cancel()
        break
    with pytest.raises(Cancelled):
        list(events)
    assert (bench.codebook is before, bench.query_space_id) == (True, "")


def test_what_another_wrote_meanwhile_is_read_before_it_is_put_in_force(studio: Studio) -> None:
    store = Contended(studio.url)
    bench = studio.open(store)
    bench.generate(PROMPT).result(SOON)
    elsewhere = studio.open()
    prompts = iter((OTHER, THIRD))
    store.others = [lambda: elsewhere.generate(next(prompts)).result(SOON)] * 2
    assert use(bench, RAW, 2.0).queries == 3
    assert_is_the_journals(studio, bench)
    assert_same(elsewhere.codebook, bench.codebook)
    assert elsewhere.status().reread
    store.others = [lambda: said(elsewhere, "Hi")] * 3
    with pytest.raises(StudioError, match="nothing was changed"):
        bench.return_to("").result(SOON)
    assert_is_the_journals(studio, bench)


def test_an_edit_learned_while_another_process_changed_the_reading_is_not_kept(studio: Studio, bench: Workbench) -> None:
    beside = studio.open()
    bench._editor = Interrupted(studio.model, lambda: use(beside, RAW, 2.0))
    with pytest.raises(StudioError, match="nothing was kept"):
        bench.edit("Where is Bern?", other_than()).result(SOON)
    bench._editor = Editor(studio.model)
    assert id_of(edited(bench, "Where is Bern?")) in {row.edit_id for row in beside.edits().rows}
    assert_is_the_journals(studio, bench)


def test_an_answer_given_while_another_process_changed_the_reading_is_logged_in_the_new_one(
    studio: Studio, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = import_module("app.studio.workbench")
    beside, plain = studio.open(), module.generate

    def interrupted(*arguments: Any, **options: Any) -> Any:
        answer = plain(*arguments, **options)
        monkeypatch.setattr(module, "generate", plain)
        use(beside, RAW, 2.0)
        return answer

    monkeypatch.setattr(module, "generate", interrupted)
    late = bench.generate("Who is late?").result(SOON)
    again = bench.generate("Who is late?").result(SOON)
    records = bench._replay.queries
    assert records[late.query_id].generated.reading == bench.query_space_id == beside.query_space_id
    np.testing.assert_allclose(records[late.query_id].activation, records[again.query_id].activation, rtol=1e-4, atol=1e-5)
    assert_is_the_journals(studio, bench)


def test_a_change_of_epsilon_that_another_process_overtook_is_refused(studio: Studio) -> None:
    store = Contended(studio.url)
    bench = studio.open(store)
    studio.write(event_of(studio.model, bench.codebook, PROMPT, "answer", "e0", 0))
    beside = studio.open()
    store.others = [lambda: use(beside, RAW, 2.0)]
    with pytest.raises(StudioError, match="read otherwise"):
        bench.set_epsilon(0.3)
    assert {edit.epsilon for edit in beside.codebook.edits} == {2.0}
    assert not [event for event in studio.events() if isinstance(event.data, EpsilonUndone)]


def test_an_answer_is_logged_though_the_reading_changes_right_before_it_is_written(studio: Studio) -> None:
    store = Contended(studio.url)
    bench = studio.open(store)
    beside = studio.open()
    store.others = [lambda: use(beside, RAW, 2.0), lambda: said(beside, OTHER), lambda: beside.return_to("").result(SOON)]
    late = bench.generate("Who is late?").result(SOON)
    assert not store.others
    assert bench._replay.queries[late.query_id].generated.reading == bench.query_space_id == ""
    again = bench.generate("Who is late?").result(SOON)
    first, second = (bench._replay.queries[one.query_id].activation for one in (late, again))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)
    assert_is_the_journals(studio, bench)


class Failing(JournalStore):
    """A store that loses its database after `after` events of the next look at what is new."""

    after: int | None = None

    def events(self, *arguments: Any, **options: Any) -> Iterator[StoredEvent]:
        last, self.after = self.after, None
        for count, event in enumerate(super().events(*arguments, **options)):
            if count == last:
                raise JournalError("The database is gone.")
            yield event


def test_the_codebook_follows_though_reading_the_journal_broke_off(studio: Studio) -> None:
    store = Failing(studio.url)
    bench, beside = studio.open(store), studio.open()
    said(bench, PROMPT)
    use(beside, RAW, 2.0)
    said(beside, "Hi")
    store.after = 1  # another reading came, and what follows it did not
    with pytest.raises(JournalError, match="gone"):
        bench.revision()
    assert bench.status().queries == 2
    assert_same(bench.codebook, beside.codebook)
    assert bench.map_view().query_vectors.tobytes() == beside.map_view().query_vectors.tobytes()
    assert_is_the_journals(studio, bench)


# The pages' other looks


class Slow(Projection):
    """A projection that takes its time: meanwhile something else happens, once."""

    meanwhile: Callable[[], object] | None = None

    def layout(self, view: MapView, *, opened: bool = False) -> Layout:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().layout(view, opened=opened)


@pytest.mark.parametrize("reread", [True, False])
def test_the_map_is_of_one_moment_whatever_changes_while_it_is_laid_out(studio: Studio, reread: bool) -> None:
    more: dict[str, Any] = {"directions": 64}  # more than the background has prompts for, so that its width grows with them
    bench = studio.open(**more)
    for index, prompt in enumerate((PROMPT, OTHER)):
        studio.write(event_of(studio.model, bench.codebook, prompt, f"answer {index}", f"e{index}", index), **more)
    for text in QUERIES:
        said(bench, text)
    probe = bench.try_prompt(PROMPT).result(SOON)
    expected = MapDesk(bench, Projection()).look("e0", tries(probe))
    projection = Slow()
    desk = MapDesk(bench, projection)
    change = (lambda: bench.use_query_space(RAW, 2.0)) if reread else bench.recalibrate
    width = bench.codebook.encoder.dimensions
    projection.meanwhile = lambda: change().result(SOON)
    look = desk.look("e0", tries(probe))
    assert bench.codebook.encoder.dimensions != width
    assert (look.scene.distance, look.radial, look.landed) == ("cosine", expected.radial, expected.landed)
    after = desk.look("e0", tries(probe))
    assert after.scene.distance == bench.codebook.config.distance
    assert len(after.landed) == (0 if reread else 1)


def test_a_probe_says_nothing_in_another_reading(bench: Workbench) -> None:
    desk = MapDesk(bench, Projection())
    probe = bench.try_prompt(PROMPT).result(SOON)
    assert len(desk.look(None, tries(probe)).landed) == 1
    place = desk.look(None).scene.layout.layout_id
    use(bench, RAW, 2.0)
    look = desk.look(None, tries(probe))
    assert look.landed == ()
    assert look.scene.layout.layout_id != place
    (fresh,) = desk.look(None, tries(probe, bench.try_prompt(PROMPT).result(SOON))).landed
    assert fresh.key is not None
    assert (fresh.key.edit_id, fresh.matched) == ("e0", True)


def test_the_labs_phrasings_are_read_anew(studio: Studio, bench: Workbench) -> None:
    first = bench.yardstick().result(SOON)
    use(bench, RAW, 2.0)
    then = bench.yardstick().result(SOON)
    assert (first.query_space_id, then.query_space_id) == ("", bench.query_space_id)
    assert then.unrelated == first.unrelated
    assert not np.array_equal(then.unrelated_activations, first.unrelated_activations)
    assert bench.moment().query_space_id == bench.query_space_id


# Recalibrating by hand


def test_the_journals_prompts_join_the_encoder_and_it_says_before_what_changes(studio: Studio, bench: Workbench) -> None:
    bench.set_epsilon(0.9)
    before, first = answered(bench), bench.codebook.encoder
    found = bench.foresee_recalibration()
    assert bench.codebook.encoder is first
    done = bench.recalibrate(seen=found.foreseen.seen, author="Ada").result(SOON)
    assert done.changed == found.foreseen.changed
    after = answered(bench)
    assert {key for key, one in after.items() if one != before[key]} == {c.query.query_id for c in done.changed}
    step = studio.events()[-1]
    assert isinstance(step.data, Calibrated)
    assert (step.author, step.data.version, len(step.data.prompts)) == ("Ada", 2, found.edits + found.queries)
    assert len(set(step.data.prompts)) == len(step.data.prompts)
    assert not set(step.data.prompts) & set(bench._replay.calibrations[0].prompts)
    assert "Hi" in step.data.prompts
    assert_is_the_journals(studio, bench)
    encoder = bench.codebook.encoder
    bench.undo("e0")
    assert bench.codebook.encoder is encoder
    with pytest.raises(InputError, match="nothing to join"):
        bench.foresee_recalibration()


def test_a_recalibration_that_no_longer_is_what_was_seen_is_not_made(bench: Workbench) -> None:
    seen = bench.foresee_recalibration().foreseen.seen
    answer = bench.generate("Something new?").result(SOON)
    with pytest.raises(InputError, match="changed since you looked"):
        bench.recalibrate(seen=seen).result(SOON)
    seen = bench.foresee_recalibration().foreseen.seen
    bench.mark(answer.query_id, 0, 1, "fine")  # changes no answer
    bench.recalibrate(seen=seen).result(SOON)
    assert bench.codebook.encoder.version == 2


def test_raw_queries_have_no_encoder_to_calibrate(bench: Workbench) -> None:
    use(bench, RAW, 2.0)
    with pytest.raises(InputError, match="no encoder to calibrate"):
        bench.foresee_recalibration()
    with pytest.raises(InputError, match="no encoder to calibrate"):
        bench.recalibrate().result(SOON)
