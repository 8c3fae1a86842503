"""Where the journal is kept: any database that SQLAlchemy speaks to; SQLite unless told otherwise.

Append-only: there is no update and no delete. What `append` returned for is on the disk; what failed to be written did
not happen. Nothing here knows what events mean: that is app.journal.events.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from app.errors import JournalConflict, JournalError
from app.journal.database import BUSY_SECONDS, Database
from app.journal.events import EncodedArray, EventData, StoredEvent, decode, encode
from app.journal.migrations import migrate

# Events per round trip: 10,000 edits load in dozens of queries, and a batch stays a few megabytes.
BATCH = 500

metadata = MetaData()
_seq = BigInteger().with_variant(Integer(), "sqlite")

codebooks = Table(
    "codebooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("config_sha256", Text, nullable=False),
    Column("at", Text, nullable=False),
    UniqueConstraint("fingerprint", "config_sha256"),
)
events = Table(
    "events",
    metadata,
    Column("seq", _seq, primary_key=True, autoincrement=True),
    Column("codebook_id", Text, ForeignKey("codebooks.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Index("events_by_codebook", "codebook_id", "seq"),
    sqlite_autoincrement=True,
)
arrays = Table(
    "arrays",
    metadata,
    Column("event_seq", _seq, ForeignKey("events.seq"), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("dtype", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)


class JournalStore:
    """An open journal; safe to use from several threads, and beside other processes on the same database.

    Opening brings the schema up to date (and makes the file and its folder where they are missing). Every failure is a
    JournalError.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """url: any SQLAlchemy URL. busy_seconds: how long to wait for another process's write lock (SQLite)."""
        self._database = Database(url, busy_seconds=busy_seconds)
        try:
            migrate(self._database)
        except BaseException:
            self._database.close()
            raise

    @property
    def label(self) -> str:
        """The file's path, or the URL without its secrets."""
        return self._database.label

    def codebook_id(self, *, fingerprint: str, model_name: str, config: dict[str, Any], kept: Collection[str] = ()) -> str:
        """The id of the codebook with this model fingerprint and equal config, made where there is none.

        model_name is what people call the model: kept from the first time, and not part of the identity.
        kept: names in config that a codebook keeps as it began with them (`config_of`): where none is equal, the oldest
        one that differs in these alone is taken, so that a new default does not hide what was made under the old one.
        """
        text = json.dumps(config, sort_keys=True, allow_nan=False, separators=(",", ":"))
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        row = {
            "id": uuid.uuid4().hex,
            "fingerprint": _storable(fingerprint, "model fingerprint"),
            "model_name": _storable(model_name, "model name"),
            "config": text,
            "config_sha256": sha256,
            "at": _now().isoformat(timespec="microseconds"),
        }
        same = select(codebooks.c.id).where(codebooks.c.fingerprint == fingerprint, codebooks.c.config_sha256 == sha256)
        with self._database.write() as connection:
            if kept and connection.execute(same).first() is None:
                rows = select(codebooks.c.id, codebooks.c.config).where(codebooks.c.fingerprint == fingerprint)
                for known_id, known in connection.execute(rows.order_by(codebooks.c.at, codebooks.c.id)):
                    if config == json.loads(known) | {name: config[name] for name in kept}:
                        return str(known_id)
            # Insert first: whoever is second, in whichever process, finds the first one's row.
            dialect_insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
            connection.execute(dialect_insert(codebooks).values(row).on_conflict_do_nothing())
            return str(connection.execute(same).scalar_one())

    def config_of(self, codebook_id: str) -> dict[str, Any]:
        """The config that a codebook was made with."""
        with self._database.read() as connection:
            text = connection.execute(select(codebooks.c.config).where(codebooks.c.id == codebook_id)).scalar_one()
        config: dict[str, Any] = json.loads(text)
        return config

    def append(
        self,
        codebook_id: str,
        *data: EventData,
        author: str = "",
        at: datetime | None = None,
        expected_seq: int | None = None,
    ) -> tuple[StoredEvent, ...]:
        """Write events in one transaction: all of them, on the disk, or none.

        Returns them as any later reader will get them (a fresh copy: nothing shared with `data`). at: aware; now
        unless given. expected_seq: the codebook's last seq as the caller knows it (0: none); where somebody else has
        appended since, JournalConflict is raised and nothing is written.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError(f"at must be aware, got {at!r}")
        moment = _now() if at is None else at.astimezone(UTC)
        _storable(author, "author's name")
        encoded = [encode(item) for item in data]
        seqs: list[int] = []
        with self._database.write() as connection:
            self._lock_codebook(connection, codebook_id)
            if expected_seq is not None and (last := _last_seq(connection, codebook_id)) != expected_seq:
                raise JournalConflict(
                    f"The journal {self.label} has gone on to event {last} while this was decided at event "
                    f"{expected_seq}: somebody else wrote to it. Nothing was written; look at the new state, try again."
                )
            for event in encoded:
                values = {"codebook_id": codebook_id, "kind": event.kind, "payload": event.payload}
                values |= {"author": author, "at": moment.isoformat(timespec="microseconds")}
                seqs.append(connection.execute(insert(events).values(values).returning(events.c.seq)).scalar_one())
            rows = [
                {"event_seq": seq, "name": name, **array._asdict()}
                for seq, event in zip(seqs, encoded, strict=True)
                for name, array in event.arrays.items()
            ]
            if rows:
                connection.execute(insert(arrays), rows)
        return tuple(
            StoredEvent(seq, codebook_id, moment, author, self._decode(seq, event.kind, event.payload, event.arrays))
            for seq, event in zip(seqs, encoded, strict=True)
        )

    def events(
        self, codebook_id: str, *, kinds: Collection[type[EventData]] | None = None, after: int = 0
    ) -> Iterator[StoredEvent]:
        """The codebook's events with seq > after, in order of seq, a batch at a time.

        No transaction stays open between batches, so a reader may stop or append at any point; what is appended
        while it reads comes at the end.
        """
        with self._database.read() as connection:
            _require_codebook(connection, select(codebooks.c.id), codebook_id, self.label)
        return self._stream(codebook_id, None if kinds is None else sorted(kind.KIND for kind in kinds), after)

    def last_seq(self, codebook_id: str) -> int:
        """The seq of the codebook's last event, 0 where there is none. Cheap: for watching what others append."""
        with self._database.read() as connection:
            return _last_seq(connection, codebook_id)

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _stream(self, codebook_id: str, kinds: list[str] | None, after: int) -> Iterator[StoredEvent]:
        while True:
            batch = self._batch(codebook_id, kinds, after)
            yield from batch
            if len(batch) < BATCH:
                return
            after = batch[-1].seq

    def _batch(self, codebook_id: str, kinds: list[str] | None, after: int) -> list[StoredEvent]:
        """Up to BATCH events in two queries: the rows, then all their arrays."""
        wanted = select(events).where(events.c.codebook_id == codebook_id, events.c.seq > after)
        if kinds is not None:
            wanted = wanted.where(events.c.kind.in_(kinds))
        wanted = wanted.order_by(events.c.seq).limit(BATCH)
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
            found: dict[int, dict[str, EncodedArray]] = {row.seq: {} for row in rows}
            if rows:
                columns = (arrays.c.event_seq, arrays.c.name, arrays.c.dtype, arrays.c.shape, arrays.c.data)
                same = select(*columns).join(events, events.c.seq == arrays.c.event_seq)
                same = same.where(events.c.codebook_id == codebook_id, events.c.seq.between(rows[0].seq, rows[-1].seq))
                if kinds is not None:
                    same = same.where(events.c.kind.in_(kinds))
                for seq, name, dtype, shape, data in connection.execute(same):
                    found[seq][name] = EncodedArray(dtype, shape, data)
        return [
            StoredEvent(
                row.seq,
                row.codebook_id,
                self._decode_time(row.seq, row.at),
                row.author,
                self._decode(row.seq, row.kind, row.payload, found[row.seq]),
            )
            for row in rows
        ]

    def _lock_codebook(self, connection: Connection, codebook_id: str) -> None:
        """Make writers to one codebook queue, so that seqs become visible in order.

        PostgreSQL hands out numbers before it commits: without this, a reader could see 6, go on from there and miss
        5. SQLite has one writer at a time and ignores it.
        """
        _require_codebook(connection, select(codebooks.c.id).with_for_update(), codebook_id, self.label)

    def _decode(self, seq: int, kind: str, payload: str, found: dict[str, EncodedArray]) -> EventData:
        return decode(kind, payload, found, where=f"Event {seq} of the journal {self.label}")

    def _decode_time(self, seq: int, text: str) -> datetime:
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError as error:
            raise JournalError(
                f"Event {seq} of the journal {self.label} is damaged: {text!r} is no time. Restore the journal from a "
                "backup, or choose another data directory."
            ) from error


def _require_codebook(connection: Connection, ids: Select[tuple[str]], codebook_id: str, label: str) -> None:
    if connection.execute(ids.where(codebooks.c.id == codebook_id)).first() is None:
        raise JournalError(f"The journal {label} has no codebook {codebook_id!r}. Ask for one with codebook_id() first.")


def _last_seq(connection: Connection, codebook_id: str) -> int:
    last = connection.execute(select(func.max(events.c.seq)).where(events.c.codebook_id == codebook_id)).scalar_one()
    return last or 0


def _storable(text: str, what: str) -> str:
    """Refuse what a text column cannot hold: NUL (PostgreSQL) and lone surrogates (both)."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise JournalError(f"The {what} {text!r} holds characters that cannot be stored. Leave them out.")
    return text


def _now() -> datetime:
    return datetime.now(UTC)
