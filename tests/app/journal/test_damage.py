"""Damage is noticed, and its place is named: in a row, in an array, between rows, in the file as a whole."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.errors import DamagedEvent, JournalError
from app.journal.checksums import checksum, event_id, time_of
from app.journal.events import Broken, Calibrated, Redone, StoredEvent, Undone
from app.journal.state.journal_state import JournalState
from app.journal.store import JournalStore
from tests.app.journal.samples import edited, generated, one_of_each, vector

STEPS = (
    Calibrated(1, "first", ("a",), vector(9)[None]),
    edited("e1"),
    edited("e2", prompt="p", activation=vector(4)),
    Undone("e1"),
)


def _change(store: JournalStore, statement: str, **values: Any) -> None:
    with store._database.write() as connection:
        assert connection.execute(text(statement), values).rowcount == 1


def _opened(store: JournalStore, codebook_id: str) -> JournalState:
    return JournalState.of(store.events(codebook_id))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE arrays SET data = :other WHERE event_seq = 3 AND name = 'value'", "the checksum of its value does not fit"),
        ("UPDATE events SET payload = replace(payload, 'London', 'Londun') WHERE seq = 3", "its checksum does not fit"),
        ("UPDATE events SET author = 'eve' WHERE seq = 3", "its checksum does not fit"),
        ("UPDATE events SET at = 'yesterday' WHERE seq = 3", "its checksum does not fit"),
        ("UPDATE events SET payload = :deep WHERE seq = 3", "its checksum does not fit"),
        ("DELETE FROM arrays WHERE event_seq = 3 AND name = 'value'", "Edited.__init__"),
    ],
)
def test_damage_to_one_edit_leaves_the_others_in_force(
    store: JournalStore, codebook_id: str, statement: str, reason: str
) -> None:
    stored = store.append(codebook_id, *STEPS, author="ada")
    values = {"other": vector(99)[None].tobytes(), "deep": "[" * 100_000}
    _change(store, statement, **{name: value for name, value in values.items() if f":{name}" in statement})
    state = _opened(store, codebook_id)
    assert state.active_edits() == ()
    (broken,) = state.broken
    assert (broken.broken.kind, broken.broken.about, broken.undone) == ("edited", "e2", False)
    assert reason in broken.broken.reason
    assert abs((broken.event.at - stored[2].at).total_seconds()) < 1
    state.apply(store.append(codebook_id, Undone("e2"))[0])
    state.apply(store.append(codebook_id, Redone("e1"))[0])
    again = _opened(store, codebook_id)
    assert [edit.edit_id for edit in again.active_edits()] == ["e1"]
    assert [one.undone for one in again.broken] == [True]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "UPDATE events SET payload = replace(payload, 'e1', 'e2') WHERE seq = 4",
            r"Event 4 .* \(undone\) is damaged: its check",
        ),
        (
            "UPDATE arrays SET data = :other WHERE event_seq = 1",
            r"Event 1 .* \(calibrated\) is damaged: the checksum of its acti",
        ),
        ("UPDATE events SET subject = 'e9' WHERE seq = 3", r"Event 3 .* \(edited\) is damaged: its checksum"),
        (
            "UPDATE events SET payload = replace(payload, 'e2', 'e9') WHERE seq = 3",
            r"Event 3 .* \(edited\) is damaged: its checksum",
        ),
        ("UPDATE events SET kind = 'merged' WHERE seq = 3", r"Event 3 .* \(merged\) is damaged: its checksum does not fit"),
        (
            "UPDATE streams SET length = 9 WHERE id <> 'studio'",
            r"is damaged at its end: after number 4 of .* come 5 that are missing",
        ),
        ("UPDATE codebooks SET config = '{'", r"The codebook '.*' in the journal .* is damaged: its checksum does not fit"),
    ],
)
def test_damage_that_leaves_the_fold_to_guessing_is_refused(
    store: JournalStore, codebook_id: str, statement: str, message: str
) -> None:
    store.append(codebook_id, *STEPS)
    _change(store, statement, **({"other": vector(99)[None].tobytes()} if ":other" in statement else {}))
    with pytest.raises(JournalError, match=message):
        (store.config_of(codebook_id), _opened(store, codebook_id))


@pytest.mark.parametrize(("seq", "where"), [(1, "before event 2"), (3, "before event 4"), (4, "at its end")])
def test_a_row_that_was_deleted_by_hand_is_missed(store: JournalStore, codebook_id: str, seq: int, where: str) -> None:
    store.append(codebook_id, *STEPS)
    known = _opened(store, codebook_id)
    with store._database.write() as connection:
        connection.execute(text(f"DELETE FROM arrays WHERE event_seq = {seq}"))
        connection.execute(text(f"DELETE FROM events WHERE seq = {seq}"))
    with pytest.raises(JournalError, match=rf"is damaged {where}: after number {seq - 1} of this codebook's events come 1 that"):
        _opened(store, codebook_id)
    (_, *rest) = [item for item in store.inspect(codebook_id) if isinstance(item, StoredEvent)]
    assert len(rest) == 2  # all else is still read, for whoever wants to know what there is
    if seq == 4:
        with pytest.raises(JournalError, match="at its end"):
            list(store.events(codebook_id, after=known.revision))


def test_a_config_that_is_no_json_is_refused_with_its_place(store: JournalStore, codebook_id: str) -> None:
    for config, reason in (("{", r"its config is not JSON"), ("[]", r"its config is \[\]")):
        with store._database.write() as connection:
            row = dict(connection.execute(text("SELECT * FROM codebooks")).mappings().one()) | {"config": config}
            own = checksum(*(value for name, value in row.items() if name != "checksum"))
            connection.execute(text("UPDATE codebooks SET config = :config, checksum = :own"), {"config": config, "own": own})
        with pytest.raises(JournalError, match=f"The codebook '{codebook_id}' in the journal .* is damaged: {reason}"):
            store.codebooks()


def test_an_old_journal_whose_config_is_no_json_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(Path(__file__).parent / "data" / "every_kind.db", path)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE codebooks SET config = '{' WHERE fingerprint = 'beef'")
        raw.execute("DELETE FROM migrations WHERE number = 3")
    raw.close()
    with JournalStore(f"sqlite:///{path}") as store, pytest.raises(JournalError, match="its config is not JSON"):
        store.codebooks()


def test_folding_an_event_twice_changes_nothing(store: JournalStore, codebook_id: str) -> None:
    stored = store.append(codebook_id, *one_of_each())
    state = _opened(store, codebook_id)
    marks = state.all_marks.copy()
    for event in stored:
        state.apply(event)
        state.copied().apply(event)
    assert (state.revision, state.all_marks, len(state.active_edits())) == (stored[-1].seq, marks, 1)


def test_a_broken_mark_can_be_removed_and_a_broken_answer_marked(store: JournalStore, codebook_id: str) -> None:
    mark = one_of_each()[1]
    store.append(codebook_id, generated("q1"), mark)
    with store._database.write() as connection:
        connection.execute(text("UPDATE events SET author = 'eve'"))
    state = _opened(store, codebook_id)
    assert [(one.broken.kind, one.broken.about) for one in state.broken] == [("generated", "q1"), ("marked", "m1")]
    assert (state.queries, state.marks("q1")) == ({}, ())
    for event in store.append(codebook_id, one_of_each()[5]):
        state.apply(event)
    assert [one.broken.about for one in state.broken] == ["q1"]


def test_an_id_says_when_it_was_made_and_sorts_by_it() -> None:
    ids = [event_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [own[:13] for own in sorted(ids)] == [own[:13] for own in ids]
    assert event_id(time_of(ids[0]), "seed") == event_id(time_of(ids[0]), "seed")
    assert time_of(event_id(time_of(ids[0]))) == time_of(ids[0])


class Sound(NamedTuple):
    """A small journal: its file, and all that is read from it. It is printed by its name: the file is long."""

    file: bytes
    read: list[tuple[Any, ...]]

    def __repr__(self) -> str:
        return "sound"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """Everything is in the file: nothing waits in a log beside it."""
    path = tmp_path_factory.mktemp("sound") / "journal.db"
    with JournalStore(f"sqlite:///{path}") as store:
        codebook_id = store.codebook_id(fingerprint="f00d", model_name="tiny", config={"key_layer": 1})
        store.append(codebook_id, *one_of_each(), edited("e2", reading="", prompt="Another", activation=vector(7)))
    return Sound(path.read_bytes(), _all(path))


def _all(path: Path) -> list[tuple[Any, ...]]:
    """All that a program learns from a journal by its names and by its events."""
    with JournalStore(f"sqlite:///{path}") as store:
        found: list[tuple[Any, ...]] = []
        for info in store.codebooks():
            state = JournalState.of(store.events(info.codebook_id))
            found.append((info.codebook_id, info.fingerprint, info.model_name, info.config, info.prompt_form))
            found += [(event.event_id, event.at, event.author, event.data) for event in store.events(info.codebook_id)]
            found.append((state.revision, len(state.broken)))
        return found


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_changes_nothing_or_is_noticed(sound: Sound, tmp_path: Path, data: st.DataObject) -> None:
    """Whatever bit of the file it is: the same journal, one row that is broken, or a refusal in words."""
    path, flipped = tmp_path / "journal.db", bytearray(sound.file)
    flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(flipped)
    try:
        changed = [new for old, new in zip(sound.read, _all(path), strict=True) if old != new]
    except JournalError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(row[-1], Broken) for row in changed if len(row) == 4)
        assert len(changed) <= 2  # the broken row, and the count of such rows
    finally:
        for rest in tmp_path.iterdir():
            rest.unlink()


def test_a_damaged_event_says_its_reason_alone() -> None:
    error = DamagedEvent("Event 3 of the journal x (edited)", "its checksum does not fit")
    assert (error.reason, str(error)[:45]) == ("its checksum does not fit", "Event 3 of the journal x (edited) is damaged:")
