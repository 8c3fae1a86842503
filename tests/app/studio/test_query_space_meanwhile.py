"""Another query space is refused, called off or met by what others do; and what pages show of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from app.errors import JournalError, StudioError
from app.journal.events import EpsilonUndone, StoredEvent
from app.journal.store import JournalStore
from app.map.layout.layout import Layout, Projection
from app.map.page import MapDesk
from app.server.serve import unheeded
from app.studio.progress import Stage
from app.studio.studio import OpenStudio
from app.studio.views import MapView
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.distances import Choice
from tests.app.map.map_samples import tries
from tests.app.studio.query_spaces import LAYER, QUERIES, RAW, begun, use
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Contended,
    Journal,
    assert_is_the_journals,
    edited,
    event_of,
    id_of,
    other_than,
    said,
)
from tests.grace_core.builders import assert_same


@pytest.fixture
def studio(journal: Journal) -> OpenStudio:
    return begun(journal)


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


def test_an_answer_given_while_another_process_changed_the_reading_is_logged_in_the_new_one(journal: Journal) -> None:
    store = Contended(journal.url)
    studio, beside = journal.open(store), journal.open()
    store.others = [lambda: use(beside, RAW, 2.0)]
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
