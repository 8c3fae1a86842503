"""The schema's steps: from blank, from an older state, and when they cannot be taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, inspect, text

from app.errors import JournalError
from app.journal.database import Database
from app.journal.events import encode
from app.journal.migrations import MIGRATIONS, Migration, migrate
from app.journal.store import JournalStore
from app.journal.tables import metadata as present
from grace_core.config import GraceConfig
from tests.app.journal.samples import one_of_each


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def _applied(database: Database) -> list[str]:
    with database.read() as connection:
        rows = connection.execute(text("SELECT number, name FROM migrations ORDER BY number"))
        return [f"{number:04d}_{name}" for number, name in rows]


def _tables(database: Database) -> set[str]:
    with database.read() as connection:
        return set(inspect(connection).get_table_names())


def test_from_blank_every_step_is_taken_once(database: Database) -> None:
    titles = tuple(migration.title for migration in MIGRATIONS)
    assert titles == (
        "0001_codebooks_and_events",
        "0002_events_by_codebook",
        "0003_codebooks_by_what_they_mean",
        "0004_ids_streams_and_checksums",
    )
    assert migrate(database) == titles
    assert migrate(database) == ()
    assert _applied(database) == list(titles)
    assert _tables(database) == {"migrations", "codebooks", "streams", "events", "arrays"}


def test_the_numbers_are_in_order() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_the_steps_arrive_at_the_schema_that_the_store_uses(database: Database) -> None:
    """The steps spell their tables out; the store has its own. Here they meet."""
    migrate(database)
    with database.write() as connection:
        stepped = _describe(connection)
        for table in ("arrays", "events", "streams", "codebooks", "migrations"):
            connection.execute(text(f"DROP TABLE {table}"))
        present.create_all(connection)
        assert _describe(connection) == stepped


def _describe(connection: Connection) -> dict[str, Any]:
    metadata = MetaData()
    metadata.reflect(connection)
    inspector = inspect(connection)
    return {
        name: {
            "columns": [(column.name, str(column.type), column.nullable) for column in table.columns],
            "key": [column.name for column in table.primary_key],
            "foreign": sorted(str(key.target_fullname) for key in table.foreign_keys),
            "indexes": sorted(str(index["column_names"]) for index in inspector.get_indexes(name)),
            "unique": sorted(str(unique["column_names"]) for unique in inspector.get_unique_constraints(name)),
        }
        for name, table in metadata.tables.items()
        if name != "migrations"
    }


def test_a_codebook_made_under_other_training_defaults_is_found_again(url: str) -> None:
    config = GraceConfig.early().resolved(30)
    old = Database(url)
    migrate(old, MIGRATIONS[:2])
    with old.write() as connection:
        for name, contexts in (("few", 4), ("many", 5), ("other", 6)):
            options = config.to_dict() | {"contexts": contexts, "key_layer": 2 if name == "other" else 1}
            connection.execute(
                text("INSERT INTO codebooks VALUES (:id, 'f00d', 'tiny', :config, :id, '2026-01-01T00:00:00+00:00')"),
                {"id": name, "config": json.dumps(options)},
            )
        event = encode(one_of_each()[0])
        for seq, owner in enumerate(("many", "few", "many"), start=1):
            connection.execute(
                text("INSERT INTO events VALUES (:seq, :own, :kind, '', '', :payload)"),
                {"seq": seq, "own": owner, "kind": event.kind, "payload": event.payload},
            )
    old.close()
    with JournalStore(url) as store:
        assert store.codebook_id(fingerprint="f00d", model_name="tiny", config=config.identity()) == "many"
        elsewhere = GraceConfig.early(key_layer=2).resolved(30).identity()
        assert store.codebook_id(fingerprint="f00d", model_name="tiny", config=elsewhere) == "other"
        assert store.codebook_id(fingerprint="beef", model_name="tiny", config=config.identity()) not in ("few", "many", "other")


@pytest.mark.parametrize("steps", range(1, len(MIGRATIONS)))
def test_an_older_journal_is_brought_up_to_date_with_all_that_it_holds(url: str, steps: int) -> None:
    """Rows are written by hand, as the program of that time wrote them."""
    history = [encode(data) for data in one_of_each()]
    old = Database(url)
    migrate(old, MIGRATIONS[:steps])
    with old.write() as connection:
        connection.execute(
            text("INSERT INTO codebooks VALUES ('c', 'f00d', 'tiny', '{}', 'a hash', '2026-01-01T00:00:00+00:00')")
        )
        for seq, event in enumerate(history, start=1):
            connection.execute(
                text(
                    "INSERT INTO events (seq, codebook_id, kind, at, author, payload) "
                    "VALUES (:seq, 'c', :kind, '2026-01-01T00:00:00+00:00', 'ada', :payload)"
                ),
                {"seq": seq, "kind": event.kind, "payload": event.payload},
            )
            for name, array in event.arrays.items():
                connection.execute(
                    text("INSERT INTO arrays VALUES (:seq, :name, :dtype, :shape, :data)"),
                    {"seq": seq, "name": name, **array._asdict()},
                )
    old.close()
    with JournalStore(url) as store:
        assert [event.data for event in store.events("c")] == list(one_of_each())
        assert _applied(store._database) == [migration.title for migration in MIGRATIONS]


def _break(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE half (id INTEGER)"))
    connection.execute(text("INSERT INTO nowhere VALUES (1)"))


def test_a_step_that_fails_leaves_nothing_and_can_be_taken_again(database: Database) -> None:
    with pytest.raises(JournalError, match="nowhere"):
        migrate(database, [*MIGRATIONS, Migration(5, "half", _break)])
    assert "half" not in _tables(database)
    assert _applied(database) == [migration.title for migration in MIGRATIONS]

    def mended(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))

    assert migrate(database, [*MIGRATIONS, Migration(5, "half", mended)]) == ("0005_half",)
    assert "half" in _tables(database)


def test_a_first_step_that_fails_leaves_a_blank_database(database: Database) -> None:
    with pytest.raises(JournalError):
        migrate(database, [Migration(1, "half", _break)])
    assert _tables(database) == set()


def test_a_newer_schema_is_refused_and_left_as_it_was(url: str, database: Database) -> None:
    migrate(database, [*MIGRATIONS, Migration(5, "teams", lambda connection: None)])
    with pytest.raises(JournalError) as caught:
        JournalStore(url)
    assert "has had the step 0005_teams, which this version does not know (its last is 0004_ids" in str(caught.value)
    assert "newer version of Grace Studio wrote it. Update Grace Studio" in str(caught.value)
    assert database.label in str(caught.value)
    assert len(_applied(database)) == 5


def test_another_history_of_steps_is_refused(database: Database) -> None:
    migrate(database, [Migration(1, "something_else", lambda connection: None)])
    with pytest.raises(JournalError, match="has had the step 0001_something_else"):
        migrate(database)


def test_another_programs_tables_are_refused_and_left_as_they_were(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE events (day INTEGER)"))
    with pytest.raises(JournalError, match=r"another program's database \(it has the tables events\)\. Choose another"):
        migrate(database)
    assert _tables(database) == {"events"}


def test_another_programs_migrations_table_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE migrations (id INTEGER)"))
    with pytest.raises(JournalError, match=r"another program's database \(it has the tables migrations\)"):
        migrate(database)


def test_programs_that_start_at_once_take_each_step_once(url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(JournalStore, [url] * 6))
    assert _applied(stores[0]._database) == [migration.title for migration in MIGRATIONS]
    for store in stores:
        store.close()
