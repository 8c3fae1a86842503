"""Journals that the last release wrote (data/README.md) open, with all that they hold."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.errors import JournalError
from app.journal.codebooks import PromptForm
from app.journal.events import Edited, Redone, StoredEvent, Undone, Unmarked, encode
from app.journal.state.journal_state import JournalState
from app.journal.store import JournalStore

DATA = Path(__file__).parent / "data"
Open = Callable[[str], JournalStore]

ADDED = {"generated": {"in_context_of": None}, "edited": {"subject_epsilon": None}, "reread": {"encoder": ""}}
"""What events have got since, as an old one has it."""


@pytest.fixture
def old(tmp_path: Path) -> Open:
    """Opens a copy of one of the files."""

    def opened(name: str) -> JournalStore:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}-{name}"
        shutil.copy(DATA / name, path)
        return JournalStore(f"sqlite:///{path}")

    return opened


def _rows(query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{DATA / 'every_kind.db'}?mode=ro&immutable=1", uri=True) as raw:
        return raw.execute(query).fetchall()


def _events(store: JournalStore) -> list[StoredEvent]:
    return sorted((e for info in store.codebooks() for e in store.events(info.codebook_id)), key=lambda event: event.seq)


def test_every_event_is_what_it_was(old: Open) -> None:
    with old("every_kind.db") as store:
        read = _events(store)
    rows = _rows("SELECT seq, codebook_id, kind, at, author, payload FROM events ORDER BY seq")
    assert [(e.seq, e.stream, e.data.KIND, e.at.isoformat(timespec="microseconds"), e.author) for e in read if e.seq != 6] == [
        row[:5] for row in rows if row[0] != 6
    ]
    arrays = {(seq, name): data for seq, name, data in _rows("SELECT event_seq, name, data FROM arrays")}
    for event, row in zip(read, rows, strict=True):
        if event.seq == 6:  # a query with half an emoji in it: see below
            continue
        encoded = encode(event.data)
        assert json.loads(encoded.payload) == ADDED.get(event.data.KIND, {}) | json.loads(row[5])
        assert {(event.seq, name): array.data for name, array in encoded.arrays.items()} == {
            key: data for key, data in arrays.items() if key[0] == event.seq
        }
    assert len({row[2] for row in rows}) == 12  # all kinds that there were then


def test_the_state_is_what_it_was(old: Open) -> None:
    with old("every_kind.db") as store:
        first, second, third = [JournalState.of(store.events(info.codebook_id)) for info in store.codebooks()]
    assert [(edit.edit_id, edit.epsilon) for edit in first.active_edits()] == [("e1", 0.4), ("e2", 0.4), ("e3", 0.5)]
    assert (list(first.query_spaces), first.query_space.reading_id, first.next_version) == (["", "r1"], "", 5)
    assert [mark.mark_id for mark in first.marks("q1")] == ["m1"]
    assert [(one.broken.kind, one.broken.about) for one in first.broken] == [("generated", "q2")]
    assert [edit.edit_id for edit in second.active_edits()] == ["e1"]
    assert third.revision == 0


def test_two_copies_give_the_same_ids_and_each_is_its_own(old: Open) -> None:
    with old("every_kind.db") as one, old("every_kind.db") as two:
        ids = [event.event_id for event in _events(one)]
        assert [event.event_id for event in _events(two)] == ids
        assert len(set(ids)) == len(ids)
        assert {UUID(own).version for own in ids} == {7}
        (info, *_) = one.codebooks()
        mine, theirs = (store.append(info.codebook_id, Undone("e1"))[0] for store in (one, two))
        assert mine.event_id != theirs.event_id
        assert (mine.seq, UUID(mine.event_id).version) == (37, 7)


def test_a_codebook_is_found_again_and_notes_how_prompts_become_tokens_once(old: Open) -> None:
    with old("every_kind.db") as store:
        info = store.codebooks()[0]
        known = store.codebook_id(fingerprint=info.fingerprint, model_name="another name", config=info.config)
        assert (known, info.model_name, info.prompt_form) == (info.codebook_id, "tiny", None)
        assert (info.kinds["edited"], info.kinds["generated"], sum(info.kinds.values())) == (3, 3, 24)
        first, later = PromptForm("f1", "<user>", "</user> 24 Nov"), PromptForm("f1", "<user>", "</user> 25 Nov")
        assert store.prompt_form(known, first) == first
        assert store.prompt_form(known, later) == first
        assert store.codebook(known).prompt_form == first


def test_bad_rows_are_listed_as_broken_and_can_be_undone(old: Open) -> None:
    with old("bad_rows.db") as store:
        (info,) = store.codebooks()
        state = JournalState.of(store.events(info.codebook_id))
        assert {edit.edit_id for edit in state.active_edits()} == {"good", "half-source"}
        assert state.edits["half-source"].edited.source_url == "http://[half"  # unreadable, but nothing depends on it
        assert list(state.queries) == ["q1"]
        found = {one.broken.about: one for one in state.broken}
        assert {about: one.broken.reason for about, one in found.items()} == {
            "half-emoji": "source_url holds half a character",
            "nan-activation": "Edited.activation holds NaN or infinity in 8 of 8 places",
            "nan-value": "Edited.value holds NaN or infinity in 8 of 16 places",
            "negative-epsilon": "Edited.requested_epsilon must be greater than 0, got -1.0",
            "nan-query": "Generated.activation holds NaN or infinity in 8 of 8 places",
        }
        assert found["half-emoji"].broken.texts["source_url"] == "https://e.example/?"
        assert (found["half-emoji"].event.author, found["half-emoji"].broken.texts["prompt"]) == ("Zoë 🙂", "p2")
        for edit_id in ("half-emoji", "nan-activation", "nan-value", "negative-epsilon"):
            state.check(Undone(edit_id))
            state.apply(store.append(info.codebook_id, Undone(edit_id), expected_seq=state.revision)[0])
            with pytest.raises(JournalError, match="already undone"):
                state.check(Undone(edit_id))
        state.check(Redone("nan-value"))
        state.check(Unmarked("m1"))
        again = JournalState.of(store.events(info.codebook_id))
        assert {one.broken.about for one in again.broken if one.undone} == found.keys() - {"nan-query"}


def test_an_id_that_a_broken_row_has_is_taken(old: Open) -> None:
    with old("bad_rows.db") as store:
        (info,) = store.codebooks()
        state = JournalState.of(store.events(info.codebook_id))
        good = next(event.data for event in store.events(info.codebook_id, kinds=[Edited]))
        assert isinstance(good, Edited)
        with pytest.raises(JournalError, match="the edit 'good' is already there"):
            state.check(good)
        taken = Edited(**vars(good) | {"edit_id": "nan-value"})
        with pytest.raises(JournalError, match="the edit 'nan-value' is already there"):
            state.check(taken)
