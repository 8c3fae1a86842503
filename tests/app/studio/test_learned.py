"""Codebooks with the learned encoder: begun with it, moved to it, and what no event does to another edit's key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import JournalError
from app.journal.events import Fitted, Reread
from app.journal.state.journal_state import JournalState
from app.journal.store import JournalStore
from app.studio.studio import OpenStudio
from grace_core.config import GraceConfig
from grace_core.editing.learned_encoders import learned_encoder
from grace_core.errors import InputError
from grace_core.models.language_model import LanguageModel
from tests.app.studios import OTHER, PROMPT, SOON, THIRD, Journal, edited, event_of
from tests.grace_core.builders import assert_same

SMALL: dict[str, Any] = {"siblings": 0, "contexts": 0, "max_steps": 60}


def opened(taught: LanguageModel, url: str, **overrides: Any) -> OpenStudio:
    return OpenStudio.open(taught, GraceConfig.robust(**(SMALL | overrides)), JournalStore(url), max_new_tokens=16)


def test_a_new_journal_begins_with_its_encoder_and_no_event_moves_another_key(taught: LanguageModel, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'j.db'}"
    studio = opened(taught, url)
    (first,) = studio.live._store.events(studio.live.codebook_id)
    assert isinstance(first.data, Fitted)
    keys: dict[str, bytes] = {}
    for prompt in (PROMPT, OTHER, THIRD):
        edited(studio, prompt)
        for entry in studio.codebook.entries:
            assert keys.setdefault(entry.edit_id, entry.key.tobytes()) == entry.key.tobytes()
    before = studio.codebook
    studio.undo(before.entries[1].edit_id)
    studio.redo(before.entries[1].edit_id)
    assert_same(studio.codebook, before)
    again = opened(taught, url)
    assert_same(again.codebook, before)
    assert again.codebook.encoder.learned is not None
    assert again.generate(PROMPT).result(SOON).text == before.entries[0].target
    for one in (studio, again):
        one.close()


def test_a_codebook_of_the_former_default_opens_as_it_was_and_can_be_moved_and_put_back(
    taught: LanguageModel, tmp_path: Path
) -> None:
    journal = Journal(taught, tmp_path)
    former = journal.open()
    for index, prompt in enumerate((PROMPT, OTHER, THIRD)):
        journal.write(event_of(taught, former.codebook, prompt, f"answer {index}", f"e{index}", index))
    for text in (PROMPT, "Hi", "Who was Ada Lovelace, then?"):
        former.generate(text).result(SOON)
    as_it_was = former.codebook

    studio = opened(taught, journal.url)
    assert studio.status().encoding == "whiten"
    assert_same(studio.codebook, as_it_was)
    found = studio.foresee_learned().result(SOON)
    assert studio.codebook.config.encoding == "whiten"
    done = studio.use_learned(seen=found.seen, author="Ada").result(SOON)
    assert done.changed == found.changed
    assert [type(event.data) for event in journal.events()[-2:]] == [Fitted, Reread]
    moved = studio.codebook
    assert (moved.config.encoding, moved.config.epsilon) == ("learned", 1.0)
    assert [entry.edit_id for entry in moved.entries] == ["e0", "e1", "e2"]
    vectors = np.stack([edit.activation for edit in moved.edits])
    assert [match.edit_id for match in moved.match(moved.encoder(vectors))] == ["e0", "e1", "e2"]
    with pytest.raises(InputError, match="this way already"):
        studio.use_learned().result(SOON)
    assert_same(opened(taught, journal.url).codebook, moved)

    studio.return_to("").result(SOON)
    assert_same(studio.codebook, as_it_was)
    studio.close()


def test_an_encoder_that_is_not_the_one_that_was_written_is_refused(taught: LanguageModel) -> None:
    config = GraceConfig.robust().resolved(len(taught.blocks))
    fitted = Fitted.of(learned_encoder(taught, config), begins=True)
    state = JournalState()
    state.check(fitted)
    parameters = fitted.parameters.copy()
    parameters[len(parameters) // 2] += 1
    with pytest.raises(JournalError, match="the encoder cannot be read"):
        state.check(Fitted(fitted.encoder, fitted.layout, True, parameters))
    with pytest.raises(JournalError, match="the encoder cannot be read"):
        state.check(Fitted(fitted.encoder, "[]", True, parameters))
