"""The contract of the store, tried on every kind of database that there is an address for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.errors import JournalConflict, JournalError
from app.journal import store as store_module
from app.journal.events import Edited, EventData, Generated, Redone, StoredEvent, Undone, encode
from app.journal.store import JournalStore
from app.journal.tables import STUDIO
from tests.app.journal.samples import edited, generated, histories, one_of_each, vector


def _codebook(store: JournalStore, fingerprint: str = "other") -> str:
    return store.codebook_id(fingerprint=fingerprint, model_name="tiny", config={})


def test_a_new_journal_is_empty(store: JournalStore, codebook_id: str) -> None:
    assert list(store.events(codebook_id)) == []
    assert store.last_seq(codebook_id) == 0


def test_every_kind_comes_back_as_it_was(store: JournalStore, codebook_id: str) -> None:
    history = one_of_each()
    before = datetime.now(UTC)
    stored = store.append(codebook_id, *history, author="Zoë")
    assert [event.data for event in stored] == list(history)
    assert list(store.events(codebook_id)) == list(stored)
    assert [event.seq for event in stored] == sorted({event.seq for event in stored})
    assert {event.author for event in stored} == {"Zoë"}
    assert {event.stream for event in stored} == {codebook_id}
    assert all(before <= event.at <= datetime.now(UTC) and event.at.utcoffset() == timedelta(0) for event in stored)


def test_it_is_still_there_after_a_reopening(url: str) -> None:
    with JournalStore(url) as store:
        codebook_id = _codebook(store)
        stored = store.append(codebook_id, *one_of_each(), author="a")
    with JournalStore(url) as again:
        assert _codebook(again) == codebook_id
        assert tuple(again.events(codebook_id)) == stored
        (later,) = again.append(codebook_id, Undone("e1"))
        assert later.seq > stored[-1].seq


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), data=st.data())
def test_any_history_reopened_is_bit_for_bit_the_same(url: str, history: list[EventData], data: st.DataObject) -> None:
    stored: list[StoredEvent] = []
    with JournalStore(url) as store:
        codebook_id = store.codebook_id(fingerprint=str(datetime.now(UTC)), model_name="tiny", config={})
        rest = history
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            stored += store.append(codebook_id, *rest[:size])
            rest = rest[size:]
    with JournalStore(url) as again:
        read = list(again.events(codebook_id))
    assert read == stored
    assert [event.data for event in read] == history
    assert [encode(event.data) for event in read] == [encode(item) for item in history]


def test_what_append_returns_shares_nothing_with_what_it_got(store: JournalStore, codebook_id: str) -> None:
    activation, change = vector(1), {"shrunk": [1]}
    (stored,) = store.append(codebook_id, edited(activation=activation, change=change))
    activation[:] = 0
    change["shrunk"].append(2)
    assert stored.data == edited(activation=vector(1), change={"shrunk": [1]})
    assert list(store.events(codebook_id)) == [stored]


def test_the_time_is_kept_to_the_microsecond_in_utc(store: JournalStore, codebook_id: str) -> None:
    at = datetime(2026, 3, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=2)))
    store.append(codebook_id, generated("q1"), at=at)
    store.append(codebook_id, generated("q2"), at=at.replace(microsecond=0))
    first, second = store.events(codebook_id)
    assert first.at == at
    assert second.at == at.replace(microsecond=0)
    assert first.at.tzinfo is UTC
    with pytest.raises(ValueError, match="must be aware"):
        store.append(codebook_id, generated("q3"), at=datetime(2026, 3, 1))  # noqa: DTZ001, RUF100


def test_kinds_and_after_select(store: JournalStore, codebook_id: str) -> None:
    stored = store.append(codebook_id, *one_of_each())
    assert [event.data.KIND for event in store.events(codebook_id, kinds={Edited, Undone, Redone})] == [
        "edited",
        "undone",
        "redone",
    ]
    assert tuple(store.events(codebook_id, after=stored[2].seq)) == stored[3:]
    assert list(store.events(codebook_id, kinds=[Generated], after=stored[0].seq)) == []
    assert list(store.events(codebook_id, kinds=[])) == []
    assert store.last_seq(codebook_id) == stored[-1].seq


def test_batches_meet_without_a_gap(store: JournalStore, codebook_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _codebook(store)
    monkeypatch.setattr(store_module, "BATCH", 3)
    for size in range(8):
        store.append(codebook_id, *(edited(f"e{size}-{index}", value=vector(index)[None]) for index in range(size)))
        store.append(other, edited(f"other{size}"))
        for kinds in (None, [Edited]):
            read = [event.data for event in store.events(codebook_id, kinds=kinds)]
            assert read == [edited(f"e{n}-{i}", value=vector(i)[None]) for n in range(size + 1) for i in range(n)]


def test_a_reader_may_stop_or_append_on_the_way(store: JournalStore, codebook_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BATCH", 2)
    store.append(codebook_id, *(generated(f"q{index}") for index in range(5)))
    reading = store.events(codebook_id)
    next(reading)
    store.append(codebook_id, generated("late"))
    assert len(list(reading)) == 5
    next(store.events(codebook_id))
    store.append(codebook_id, generated("later"))


def test_codebooks_are_apart(store: JournalStore, codebook_id: str) -> None:
    other = _codebook(store)
    mine = store.append(codebook_id, generated("q1"))
    theirs = store.append(other, generated("q1"))
    assert tuple(store.events(codebook_id)) == mine
    assert tuple(store.events(other)) == theirs


def test_a_codebook_is_found_by_fingerprint_and_equal_config(store: JournalStore) -> None:
    def ask(fingerprint: str = "a", model_name: str = "tiny", **config: Any) -> str:
        return store.codebook_id(fingerprint=fingerprint, model_name=model_name, config=config)

    first = ask(layer=1, pool="mean")
    assert ask(pool="mean", layer=1) == first
    assert ask(layer=1, pool="mean", model_name="the same by another name") == first
    assert len({first, ask(layer=2, pool="mean"), ask("b", layer=1, pool="mean"), ask(layer=1)}) == 4
    assert ask(layers=(1, 2), text="é" * 5000) == ask(layers=[1, 2], text="é" * 5000)


def test_a_codebook_asked_for_at_once_is_made_once(url: str) -> None:
    with JournalStore(url) as one, JournalStore(url) as two, ThreadPoolExecutor(8) as pool:
        ids = pool.map(lambda index: _codebook((one, two)[index % 2]), range(40))
        assert len(set(ids)) == 1


def test_an_unknown_codebook_is_refused(store: JournalStore) -> None:
    with pytest.raises(JournalError, match=r"has no codebook 'nope'\. Ask for one"):
        store.append("nope", generated())
    with pytest.raises(JournalError, match="has no codebook 'nope'"):
        store.events("nope")


def test_an_author_that_cannot_be_stored_is_refused(store: JournalStore, codebook_id: str) -> None:
    for author in ("a\0b", "\ud800"):
        with pytest.raises(JournalError, match="characters that cannot be stored"):
            store.append(codebook_id, generated(), author=author)


def test_an_append_is_all_or_nothing(store: JournalStore, codebook_id: str) -> None:
    # The third row cannot be written: the database itself refuses its array.
    with store._database.write() as connection:
        if store._database.dialect == "sqlite":
            connection.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON arrays WHEN NEW.shape = '[3]' "
                    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )
        else:
            connection.execute(text("ALTER TABLE arrays ADD CONSTRAINT refuse CHECK (shape <> '[3]')"))
    with pytest.raises(JournalError):
        store.append(codebook_id, generated("q1"), edited("e1"), generated("q2", activation=np.zeros(3, np.float32)))
    assert list(store.events(codebook_id)) == []
    store.append(codebook_id, generated("q1"))
    assert len(list(store.events(codebook_id))) == 1


def test_appending_nothing_writes_nothing(store: JournalStore, codebook_id: str) -> None:
    assert store.append(codebook_id) == ()
    assert store.last_seq(codebook_id) == 0


def test_expected_seq_keeps_a_stale_decision_out(url: str) -> None:
    with JournalStore(url) as mine, JournalStore(url) as theirs:
        codebook_id = _codebook(mine)
        (made,) = mine.append(codebook_id, edited("e1"), expected_seq=0)
        mine.append(_codebook(mine, "unrelated"), edited("e1"))
        (undone,) = theirs.append(codebook_id, Undone("e1"), expected_seq=made.seq)
        with pytest.raises(JournalConflict, match=f"gone on to event {undone.seq} .* at event {made.seq}: somebody"):
            mine.append(codebook_id, Undone("e1"), expected_seq=made.seq)
        assert [event.data for event in mine.events(codebook_id)] == [edited("e1"), Undone("e1")]


def test_many_threads_lose_nothing_and_read_in_order(url: str) -> None:
    """Two open stores stand for two processes. A reader that goes on from its last seq misses no event."""
    threads, each = 8, 15
    with JournalStore(url) as one, JournalStore(url) as two:
        codebook_id = _codebook(one)
        done = threading.Event()

        def write(worker: int) -> list[int]:
            store = (one, two)[worker % 2]
            pairs = (store.append(codebook_id, *_pair(worker, index)) for index in range(each))
            return [event.seq for pair in pairs for event in pair]

        def follow() -> list[int]:
            seen: list[int] = []
            while True:
                last_round = done.is_set()
                seen += [event.seq for event in one.events(codebook_id, after=seen[-1] if seen else 0)]
                if last_round:
                    return seen

        with ThreadPoolExecutor(threads + 1) as pool:
            follower = pool.submit(follow)
            seqs = [seq for future in [pool.submit(write, n) for n in range(threads)] for seq in future.result()]
            done.set()
            assert follower.result() == sorted(seqs)
        assert len(set(seqs)) == threads * each * 2
        read = [event.data for event in one.events(codebook_id)]
    for first, second in zip(read[::2], read[1::2], strict=True):  # a pair is one transaction: nothing comes between
        assert isinstance(first, Generated)
        assert isinstance(second, Generated)
        assert second.query_id == first.query_id + "b"


def _pair(worker: int, index: int) -> tuple[Generated, Generated]:
    return generated(f"{worker}-{index}"), generated(f"{worker}-{index}b")


def test_text_that_no_page_can_show_is_refused_in_every_field_of_every_event(store: JournalStore, codebook_id: str) -> None:
    half, tried = "Ada \ud83d", 0
    for event in one_of_each():
        for item in fields(event):
            value = getattr(event, item.name)
            if isinstance(value, str) and item.name != "verdict" and event.KIND + item.name not in CHOICES:
                changed: Any = half
            elif isinstance(value, tuple) and value and isinstance(value[0], str):
                changed = (half,)
            elif isinstance(value, dict):
                changed = {"shrunk": [[half]]}
            else:
                continue
            tried += 1
            with pytest.raises(JournalError, match=rf"The {item.name} .* holds characters that cannot be stored\. Leave"):
                store.append(codebook_id, replace(event, **{item.name: changed}))
    assert tried >= 25
    assert store.last_seq(codebook_id) == 0


CHOICES = {"reread" + name for name in ("pool", "encoding", "distance")}


def test_after_closing_it_says_so(store: JournalStore, codebook_id: str) -> None:
    store.close()
    store.close()
    with pytest.raises(JournalError, match="was closed; open it again"):
        store.append(codebook_id, generated())
    with pytest.raises(JournalError, match="was closed; open it again"):
        store.events(codebook_id)


def test_a_codebook_keeps_what_it_began_with_under_another_default(store: JournalStore) -> None:
    def found(**config: int) -> str:
        return store.codebook_id(fingerprint="f00d", model_name="tiny", config=config, kept=("directions",))

    began = found(key_layer=1, directions=256)
    assert found(key_layer=1, directions=384) == began
    assert store.config_of(began) == {"key_layer": 1, "directions": 256}
    assert found(key_layer=2, directions=384) != began
    exact = store.codebook_id(fingerprint="f00d", model_name="tiny", config={"key_layer": 1, "directions": 384})
    assert exact != began
    assert found(key_layer=1, directions=384) == exact
    assert store.config_of(exact)["directions"] == 384


def test_one_read_sees_one_state(url: str) -> None:
    """What others commit between two of its queries stays out."""
    with JournalStore(url) as mine, JournalStore(url) as theirs:
        codebook_id = _codebook(mine)
        mine.append(codebook_id, edited("e1"))
        count = text("SELECT count(*) FROM events")
        with mine._database.read() as connection:
            assert connection.execute(count).scalar_one() == 1
            theirs.append(codebook_id, edited("e2"))
            assert connection.execute(count).scalar_one() == 1
        with mine._database.read() as connection:
            assert connection.execute(count).scalar_one() == 2
        mine.append(codebook_id, Undone("e1"))  # writes are as before


def test_the_studio_has_a_stream_of_its_own(store: JournalStore, codebook_id: str) -> None:
    (event,) = store.append(STUDIO, generated("q1"))
    assert (event.stream, list(store.events(STUDIO))) == ("studio", [event])
    assert store.last_seq(codebook_id) == 0
