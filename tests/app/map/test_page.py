"""What the map page shows: one scene for all, the selected edit's surroundings, and where a prompt lands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.journal.events import Calibrated
from app.journal.store import JournalStore
from app.map.layout.layout import Projection
from app.map.page import MapDesk, _status
from app.studio.studio import OpenStudio
from grace_core.config import GraceConfig
from grace_core.errors import InputError
from grace_core.models.language_model import LanguageModel
from grace_core.testing import first_step
from tests.app.map.map_samples import large, tries

PROMPT, TARGET = "Who was Ada Lovelace?", "London in 1815."


@pytest.fixture
def studio(taught: LanguageModel, tmp_path: Path) -> Iterator[OpenStudio]:
    config = GraceConfig.early(siblings=0, contexts=0, directions=16, epsilon=0.1).resolved(len(taught.blocks))
    with JournalStore(f"sqlite:///{tmp_path / 'journal.db'}") as store:
        own = store.codebook_id(fingerprint=taught.fingerprint, model_name=taught.name, config=config.identity())
        step = first_step(taught, config)
        store.append(own, Calibrated(step.version, step.reason, step.prompts, step.activations))
        studio = OpenStudio.open(taught, config, store, max_new_tokens=8)
        yield studio
        studio.close()


def test_a_prompt_is_tried_without_being_logged_and_follows_the_codebook(studio: OpenStudio) -> None:
    desk = MapDesk(studio, Projection())
    before = studio.revision()
    probe = studio.try_prompt(PROMPT).result(60)
    (nowhere,) = desk.look(None, tries(probe)).landed
    assert nowhere.key is None
    assert (studio.revision(), studio.status().queries) == (before, 0)

    edit_id = studio.edit(PROMPT, TARGET).result(120).edit_id
    assert edit_id is not None
    (landed,) = desk.look(None, tries(probe)).landed
    assert landed.key is not None
    assert (landed.key.edit_id, landed.matched) == (edit_id, True)
    assert landed.distance == pytest.approx(0.0, abs=1e-6)
    assert studio.generate(PROMPT).result(60).edit_id == edit_id

    studio.undo(edit_id)
    after = desk.look(edit_id, tries(probe))
    assert after.landed[0].key is None
    assert after.radial is None
    assert after.detail is not None


def test_prompts_tried_together_land_where_each_does_alone(studio: OpenStudio) -> None:
    edit_id = studio.edit(PROMPT, TARGET).result(120).edit_id
    projection = Projection()
    desk = MapDesk(studio, projection)
    probes = [studio.try_prompt(text).result(60) for text in (PROMPT, "Where is Paris now?", "How do I knit a scarf?")]
    together = desk.look(None, tries(*probes)).landed
    assert [one.prompt for one in together] == [probe.prompt for probe in probes]
    for one, probe in zip(together, probes, strict=True):
        (alone,) = MapDesk(studio, projection).look(None, tries(probe)).landed  # one that keeps no places yet
        assert one.key == alone.key
        assert one.matched == alone.matched
        assert one.distance == pytest.approx(alone.distance, abs=1e-6)
        assert (one.x, one.y) == pytest.approx((alone.x, alone.y), abs=1e-4)
    assert [one.key is not None and one.key.edit_id == edit_id and one.matched for one in together] == [True, False, False]


def test_undone_edits_are_shown_where_their_keys_stood(studio: OpenStudio) -> None:
    projection = Projection()
    desk = MapDesk(studio, projection)
    kept = studio.edit(PROMPT, TARGET).result(120).edit_id
    gone = studio.edit("Where is Paris now?", "July 1969.").result(120).edit_id
    assert kept is not None
    assert gone is not None
    scene = desk.scene()
    stood = scene.layout.keys[scene.row_of[gone]].tolist()
    studio.undo(gone)
    assert (desk.look(None).undone.count, desk.look(None).undone.keys) == (1, ())
    found = desk.look(None, undone=True).undone
    assert [(key.edit_id, key.target, [key.x, key.y]) for key in found.keys] == [(gone, "July 1969.", stood)]

    # A layout that never saw the key places it by what the journal keeps.
    other = MapDesk(studio, Projection())
    assert [key.edit_id for key in other.look(None, undone=True).undone.keys] == [gone]
    assert kept in other.scene().row_of
    studio.redo(gone)
    assert other.look(None, undone=True).undone.count == 0


def test_an_empty_prompt_is_refused_at_once(studio: OpenStudio) -> None:
    with pytest.raises(InputError):
        studio.try_prompt("  ")


def test_a_layout_of_before_a_calibration_is_said_to_be_one() -> None:
    view, layout = large(5, 15)
    assert _status(view, layout, None) == ""
    assert "“New layout” arranges them anew" in _status(view, replace(layout, recalibrated=True), None)


def test_the_scene_is_shared_until_something_changes(studio: OpenStudio) -> None:
    desk = MapDesk(studio, Projection())
    first = desk.scene()
    assert desk.scene() is first
    studio.generate(PROMPT).result(60)
    assert desk.scene() is not first
    assert desk.look("unknown").missing.startswith("There is no edit 'unknown'")
