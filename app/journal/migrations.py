"""The journal's schema as an ordered list of numbered, named steps.

A database records which steps it has had. Each step runs in one transaction together with its record, so it happened
or it did not. Steps are never changed once released: a new need is a new step at the end. They spell their tables out
rather than import them from `tables.py`, since they say what the schema was, not what it is.
Ours rather than Alembic's: it has no shorter way to say what happens to the rows, and brings an environment and a table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)

from app.errors import JournalError
from app.journal.checksums import checksum, event_id
from app.journal.database import Database

# Any constant does: PostgreSQL's advisory lock that keeps two starting programs from migrating at once.
_POSTGRESQL_LOCK = 0x6772616365

_applied = Table(
    "migrations",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("at", Text, nullable=False),
)


@dataclass(frozen=True)
class Migration:
    """One step. `apply` works on the connection that it is given and neither commits nor rolls back."""

    number: int
    name: str
    apply: Callable[[Connection], None]

    @property
    def title(self) -> str:
        return f"{self.number:04d}_{self.name}"


def _codebooks_and_events(connection: Connection) -> None:
    metadata = MetaData()
    Table(
        "codebooks",
        metadata,
        Column("id", Text, primary_key=True),
        Column("fingerprint", Text, nullable=False),
        Column("model_name", Text, nullable=False),
        Column("config", Text, nullable=False),
        # Stands for the config in the constraint: PostgreSQL's indexes refuse long texts.
        Column("config_sha256", Text, nullable=False),
        Column("at", Text, nullable=False),
        UniqueConstraint("fingerprint", "config_sha256"),
    )
    # SQLite numbers rows itself only where the key's type is INTEGER; AUTOINCREMENT keeps a number from coming back.
    seq = BigInteger().with_variant(Integer(), "sqlite")
    Table(
        "events",
        metadata,
        Column("seq", seq, primary_key=True, autoincrement=True),
        Column("codebook_id", Text, ForeignKey("codebooks.id"), nullable=False),
        Column("kind", Text, nullable=False),
        Column("at", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("payload", Text, nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "arrays",
        metadata,
        Column("event_seq", seq, ForeignKey("events.seq"), primary_key=True, autoincrement=False),
        Column("name", Text, primary_key=True),
        Column("dtype", Text, nullable=False),
        Column("shape", Text, nullable=False),
        Column("data", LargeBinary, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)


def _events_by_codebook(connection: Connection) -> None:
    """One codebook is read in order of seq, from anywhere: without this, past all events of all others."""
    events = Table("events", MetaData(), Column("codebook_id", Text), Column("seq", BigInteger))
    Index("events_by_codebook", events.c.codebook_id, events.c.seq).create(connection)


_IDENTITY = ("key_layer", "value_layer", "span", "pool", "token_weight", "encoding", "directions", "distance", "rule")


def _codebooks_by_what_they_mean(connection: Connection) -> None:
    """A codebook was known by all options, so a new default of training hid it; now by those that its contents depend on.

    Where several become one, the one with the most events is it; the others stay as they are.
    """
    codebooks = Table(
        "codebooks", MetaData(),
        Column("id", Text), Column("fingerprint", Text), Column("config", Text), Column("config_sha256", Text),
    )  # fmt: skip
    events = Table("events", MetaData(), Column("codebook_id", Text), Column("seq", BigInteger))
    count = func.count(events.c.seq)
    joined = codebooks.outerjoin(events, codebooks.c.id == events.c.codebook_id)
    rows = connection.execute(
        select(codebooks.c.id, codebooks.c.fingerprint, codebooks.c.config)
        .select_from(joined)
        .group_by(codebooks.c.id, codebooks.c.fingerprint, codebooks.c.config)
        .order_by(count.desc(), codebooks.c.id)
    ).all()
    taken: set[tuple[str, str]] = set()
    for own, fingerprint, config in rows:
        try:
            options = json.loads(config)
        except (ValueError, RecursionError):
            continue  # it is refused, with its place, by whoever reads it
        if not isinstance(options, dict) or not set(_IDENTITY) <= set(options):
            continue
        text = json.dumps({name: options[name] for name in _IDENTITY}, sort_keys=True, allow_nan=False, separators=(",", ":"))
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        if (fingerprint, sha256) not in taken:
            taken.add((fingerprint, sha256))
            connection.execute(update(codebooks).where(codebooks.c.id == own).values(config=text, config_sha256=sha256))


_ID_FIELDS = {
    "generated": "query_id", "marked": "mark_id", "unmarked": "mark_id", "edited": "edit_id", "undone": "edit_id",
    "redone": "edit_id", "calibrated": "version", "epsilon_changed": "change_id", "epsilon_undone": "change_id",
    "epsilon_redone": "change_id", "reread": "reading_id", "returned": "reading_id",
}  # fmt: skip


def _tables_with_checksums() -> MetaData:
    """Streams, events and arrays, as the fourth step makes them."""
    metadata = MetaData()
    seq = BigInteger().with_variant(Integer(), "sqlite")
    Table("streams", metadata, Column("id", Text, primary_key=True), Column("length", Integer, nullable=False))
    Table(
        "events",
        metadata,
        Column("seq", seq, primary_key=True, autoincrement=True),
        Column("id", Text, nullable=False),
        Column("stream", Text, ForeignKey("streams.id"), nullable=False),
        Column("position", Integer, nullable=False),
        Column("kind", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("at", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("checksum", Text, nullable=False),
        UniqueConstraint("id"),
        UniqueConstraint("stream", "position"),
        Index("events_by_stream", "stream", "seq"),
        sqlite_autoincrement=True,
    )
    Table(
        "arrays",
        metadata,
        Column("event_seq", seq, ForeignKey("events.seq"), primary_key=True, autoincrement=False),
        Column("name", Text, primary_key=True),
        Column("dtype", Text, nullable=False),
        Column("shape", Text, nullable=False),
        Column("data", LargeBinary, nullable=False),
        Column("checksum", Text, nullable=False),
    )
    return metadata


def _ids_streams_and_checksums(connection: Connection) -> None:
    """Every event gets an id, a stream, a place in it and a checksum; so does every array and codebook.

    An id is made from the event as it stands, so that two copies of one journal agree. Tables are made anew, since SQLite
    cannot change what a column refers to.
    """
    Index("events_by_codebook", Table("events", MetaData(), Column("codebook_id", Text)).c.codebook_id).drop(connection)
    for name in ("events", "arrays"):
        connection.execute(DDL(f"ALTER TABLE {name} RENAME TO {name}_3"))
    for name, ending in (
        ("prompt_fingerprint", ""),
        ("template_head", ""),
        ("template_tail", ""),
        ("checksum", " NOT NULL DEFAULT ''"),
    ):
        connection.execute(DDL(f"ALTER TABLE codebooks ADD COLUMN {name} TEXT{ending}"))
    metadata = _tables_with_checksums()
    metadata.create_all(connection, checkfirst=False)
    codebooks = Table("codebooks", MetaData(), autoload_with=connection)
    lengths = {"studio": 0}
    for row in connection.execute(select(codebooks)).mappings().all():
        lengths[row["id"]] = 0
        values = [value for name, value in row.items() if name != "checksum"]
        connection.execute(update(codebooks).where(codebooks.c.id == row["id"]).values(checksum=checksum(*values)))
    streams = metadata.tables["streams"]
    connection.execute(insert(streams), [{"id": stream, "length": 0} for stream in lengths])
    _copy_events(connection, metadata, lengths)
    for stream, length in lengths.items():
        connection.execute(update(streams).where(streams.c.id == stream).values(length=length))
    _go_on_numbering(connection, metadata.tables["events"])
    for name in ("arrays_3", "events_3"):
        connection.execute(DDL(f"DROP TABLE {name}"))


def _copy_events(connection: Connection, metadata: MetaData, lengths: dict[str, int]) -> None:
    """Copy all rows, some at a time; counts the events of each stream in `lengths`."""
    events, arrays = metadata.tables["events"], metadata.tables["arrays"]
    old_events = Table("events_3", MetaData(), autoload_with=connection)
    old_arrays = Table("arrays_3", MetaData(), autoload_with=connection)
    after = 0
    while rows := connection.execute(
        select(old_events).where(old_events.c.seq > after).order_by(old_events.c.seq).limit(500)
    ).all():
        ids: dict[int, str] = {}
        for row in rows:
            position = lengths[row.codebook_id] = lengths[row.codebook_id] + 1
            facts = (row.codebook_id, position, row.kind, _subject(row.kind, row.payload), row.at, row.author, row.payload)
            own = ids[row.seq] = event_id(_time(row.at), "\n".join(map(str, facts)))
            connection.execute(
                insert(events).values(
                    seq=row.seq, id=own, stream=row.codebook_id, position=position, kind=row.kind, subject=facts[3],
                    at=row.at, author=row.author, payload=row.payload, checksum=checksum(own, *facts),
                )
            )  # fmt: skip
        between = old_arrays.c.event_seq.between(rows[0].seq, rows[-1].seq)
        for row in connection.execute(select(old_arrays).where(between)).all():
            own_sum = checksum(ids[row.event_seq], row.name, row.dtype, row.shape, row.data)
            connection.execute(insert(arrays).values(**row._mapping, checksum=own_sum))
        after = rows[-1].seq


def _subject(kind: str, payload: str) -> str:
    try:
        return str(json.loads(payload)[_ID_FIELDS[kind]])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""  # a row that is refused, or shown as broken, when it is read


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _go_on_numbering(connection: Connection, events: Table) -> None:
    """The next event gets a number that none ever had."""
    if connection.dialect.name == "postgresql":
        last = connection.execute(select(func.max(events.c.seq))).scalar_one()
        own = func.pg_get_serial_sequence("events", "seq")
        connection.execute(select(func.setval(own, last or 1, last is not None)))
        return
    numbers = Table("sqlite_sequence", MetaData(), Column("name", Text), Column("seq", Integer))
    last = connection.execute(select(numbers.c.seq).where(numbers.c.name == "events_3")).scalar()
    connection.execute(delete(numbers).where(numbers.c.name == "events"))
    connection.execute(insert(numbers).values(name="events", seq=last or 0))


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "codebooks_and_events", _codebooks_and_events),
    Migration(2, "events_by_codebook", _events_by_codebook),
    Migration(3, "codebooks_by_what_they_mean", _codebooks_by_what_they_mean),
    Migration(4, "ids_streams_and_checksums", _ids_streams_and_checksums),
)


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> tuple[str, ...]:
    """Apply what the database has not had; returns the titles of the steps taken now.

    Raises JournalError for a database that a newer program or another one made; it is left as it was.
    """
    taken: list[str] = []
    while (title := _step(database, migrations)) is not None:
        taken.append(title)
    return tuple(taken)


def _step(database: Database, migrations: Sequence[Migration]) -> str | None:
    """Apply the next step in its own transaction. What is next is read inside: another process may be at it, too."""
    with database.write() as connection:
        if database.dialect == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)))
        done = _done(connection, database.label)
        known = [(migration.number, migration.name) for migration in migrations]
        if done != known[: len(done)]:
            first = next(step for index, step in enumerate(done) if known[index : index + 1] != [step])
            raise JournalError(
                f"The journal {database.label} has had the step {first[0]:04d}_{first[1]}, which this version does not "
                f"know (its last is {migrations[-1].title}): a newer version of Grace Studio wrote it. Update Grace "
                "Studio, or choose another data directory."
            )
        if len(done) == len(known):
            return None
        migration = migrations[len(done)]
        if not done:
            _applied.create(connection)
        migration.apply(connection)
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        connection.execute(insert(_applied).values(number=migration.number, name=migration.name, at=now))
        return migration.title


def _done(connection: Connection, label: str) -> list[tuple[int, str]]:
    """The steps a database has had. A blank one has had none."""
    tables = set(inspect(connection).get_table_names())
    if _applied.name in tables:
        columns = {column["name"] for column in inspect(connection).get_columns(_applied.name)}
        if columns == set(_applied.c.keys()):
            rows = connection.execute(select(_applied.c.number, _applied.c.name).order_by(_applied.c.number))
            return [(number, name) for number, name in rows]
    elif not (tables if connection.dialect.name == "sqlite" else tables & {"codebooks", "events", "arrays"}):
        return []  # PostgreSQL's schema may be shared, a file may not
    raise JournalError(
        f"{label} is another program's database (it has the tables {', '.join(sorted(tables))}). Choose another data "
        "directory, or a database of its own."
    )
