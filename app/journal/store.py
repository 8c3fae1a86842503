"""Where the journal is kept: any database that SQLAlchemy speaks to; SQLite unless told otherwise.

Append-only: there is no update and no delete of events. What `append` returned for is on the disk; what failed to be
written did not happen. Every row has a checksum and every event a position, so that damage and gaps are noticed when it
is read. Nothing here knows what events mean: that is `app.journal.events`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Row, func, insert, select, update

from app.errors import JournalConflict, JournalError
from app.journal.checksums import event_id
from app.journal.codebooks import CodebookInfo, PromptForm, found, keep_prompt_form, listed, make
from app.journal.database import BUSY_SECONDS, Database
from app.journal.events import Event, StoredEvent, decode, encode
from app.journal.events.base import refuse_half_characters
from app.journal.migrations import migrate
from app.journal.rows import read_event, rows_of
from app.journal.tables import arrays, events, streams

# Events per round trip: 10,000 edits load in dozens of queries, and a batch stays a few megabytes.
BATCH = 500


@dataclass(frozen=True)
class _Batch:
    """Some events in order. before: position of the last one that was read earlier. length: of the whole stream."""

    rows: Sequence[Row[Any]]
    arrays: dict[int, list[Row[Any]]]
    before: int
    length: int


class JournalStore:
    """An open journal; safe to use from several threads, and beside other processes on the same database.

    Opening brings the schema up to date (and makes the file and its folder where they are missing). Every failure is a
    JournalError.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS, create: bool = True) -> None:
        """url: any SQLAlchemy URL. busy_seconds: how long to wait for another process's write lock (SQLite).

        create: whether a missing file is made, or refused.
        """
        self._database = Database(url, busy_seconds=busy_seconds, create=create)
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
        _storable(fingerprint, "model fingerprint")
        _storable(model_name, "model name")
        with self._database.write() as connection:
            known = found(connection, fingerprint, config, kept, self.label)
            return known or make(connection, fingerprint, model_name, config)

    def find_codebook(self, *, fingerprint: str, config: dict[str, Any], kept: Collection[str] = ()) -> str | None:
        """`codebook_id` of one that is there; None where none is."""
        with self._database.read() as connection:
            return found(connection, fingerprint, config, kept, self.label)

    def codebooks(self) -> tuple[CodebookInfo, ...]:
        """All codebooks, oldest first. No model is needed."""
        with self._database.read() as connection:
            return listed(connection, self.label)

    def codebook(self, codebook_id: str) -> CodebookInfo:
        """One of them."""
        known = {info.codebook_id: info for info in self.codebooks()}
        if codebook_id not in known:
            raise _no_codebook(self.label, codebook_id)
        return known[codebook_id]

    def config_of(self, codebook_id: str) -> dict[str, Any]:
        """The config that a codebook was made with."""
        return self.codebook(codebook_id).config

    def prompt_form(self, codebook_id: str, present: PromptForm) -> PromptForm:
        """How prompts were put into tokens when this codebook began; `present` is kept as that where none is yet."""
        for text in (present.fingerprint, present.head, present.tail):
            _storable(text, "chat template")
        kept = self.codebook(codebook_id).prompt_form
        if kept is None:
            with self._database.write() as connection:
                keep_prompt_form(connection, codebook_id, present)
            kept = self.codebook(codebook_id).prompt_form
        return kept or present

    def append(
        self,
        stream: str,
        *data: Event,
        author: str = "",
        at: datetime | None = None,
        expected_seq: int | None = None,
    ) -> tuple[StoredEvent, ...]:
        """Write events in one transaction: all of them, on the disk, or none.

        Returns them as any later reader will get them (a fresh copy: nothing shared with `data`). stream: a codebook's id,
        or `tables.STUDIO`. at: aware; now unless given. expected_seq: the stream's last seq as the caller knows it (0:
        none); where somebody else has appended since, JournalConflict is raised and nothing is written.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError(f"at must be aware, got {at!r}")
        moment = datetime.now(UTC) if at is None else at.astimezone(UTC)
        _storable(author, "author's name")
        encoded = [encode(item) for item in data]
        for form in encoded:
            refuse_half_characters(form)
        stored: list[StoredEvent] = []
        numbers: list[dict[str, Any]] = []
        with self._database.write() as connection:
            length = self._locked_length(connection, stream)
            if expected_seq is not None and (last := self._last_seq(connection, stream)) != expected_seq:
                raise JournalConflict(
                    f"The journal {self.label} has gone on to event {last} while this was decided at event "
                    f"{expected_seq}: somebody else wrote to it. Nothing was written; look at the new state, try again."
                )
            place = {"stream": stream, "author": author, "at": moment.isoformat(timespec="microseconds")}
            for position, (item, form) in enumerate(zip(data, encoded, strict=True), start=length + 1):
                row, own = rows_of(item, form, id=event_id(), position=position, **place)
                seq = connection.execute(insert(events).returning(events.c.seq), row).scalar_one()
                numbers += [{"event_seq": seq, **array} for array in own]
                fresh = decode(form.kind, form.payload, form.arrays, where=f"Event {seq} of the journal {self.label}")
                stored.append(StoredEvent(seq, stream, moment, author, fresh, row["id"]))
            if numbers:
                connection.execute(insert(arrays), numbers)
            connection.execute(update(streams).where(streams.c.id == stream).values(length=length + len(stored)))
        return tuple(stored)

    def events(self, stream: str, *, kinds: Collection[type[Event]] | None = None, after: int = 0) -> Iterator[StoredEvent]:
        """The stream's events with seq > after, in order of seq, a batch at a time.

        No transaction stays open between batches, so a reader may stop or append at any point; what is appended
        while it reads comes at the end. A damaged row that nothing depends on comes as `Broken`; for any other, and for
        a missing one, JournalError is raised.
        """
        self.last_seq(stream)  # raises now, not at the first event
        return (_sound(item) for item in self.inspect(stream, kinds=kinds, after=after))

    def inspect(
        self, stream: str, *, kinds: Collection[type[Event]] | None = None, after: int = 0
    ) -> Iterator[StoredEvent | JournalError]:
        """As `events`, but what is wrong comes in its place, and reading goes on."""
        names = None if kinds is None else sorted(kind.KIND for kind in kinds)
        position: int | None = None
        while True:
            with self._database.read() as connection:
                batch = self._batch(connection, stream, names, after)
            position = batch.before if position is None else position
            for row in batch.rows:
                if names is None and row.position != position + 1:
                    yield self._gap(position, row.position - 1, f"before event {row.seq}")
                position = row.position
                yield self._read(row, batch, stream)
            if len(batch.rows) < BATCH:
                if names is None and position != batch.length:
                    yield self._gap(position, batch.length, "at its end")
                return
            after = batch.rows[-1].seq

    def last_seq(self, stream: str) -> int:
        """The seq of the stream's last event, 0 where there is none. Cheap: for watching what others append."""
        with self._database.read() as connection:
            return self._last_seq(connection, stream)

    def database_problems(self) -> tuple[str, ...]:
        """What the database finds wrong with its own pages and indexes, where it can say (SQLite)."""
        return self._database.problems()

    def copy_to(self, path: Path) -> None:
        """Write a backup: a new file that holds all of it, as it is at this moment."""
        self._database.copy_to(path)

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _batch(self, connection: Connection, stream: str, kinds: list[str] | None, after: int) -> _Batch:
        """Up to BATCH events: the rows, then all their arrays."""
        length = connection.execute(select(streams.c.length).where(streams.c.id == stream)).scalar()
        if length is None:
            raise _no_codebook(self.label, stream)
        own = events.c.stream == stream
        wanted = (own, events.c.seq > after) if kinds is None else (own, events.c.seq > after, events.c.kind.in_(kinds))
        before = connection.execute(select(func.max(events.c.position)).where(own, events.c.seq <= after)).scalar()
        rows = connection.execute(select(events).where(*wanted).order_by(events.c.seq).limit(BATCH)).all()
        of: dict[int, list[Row[Any]]] = {}
        if rows:
            same = select(arrays).join(events, events.c.seq == arrays.c.event_seq)
            for row in connection.execute(same.where(*wanted, events.c.seq <= rows[-1].seq)):
                of.setdefault(row.event_seq, []).append(row)
        return _Batch(rows, of, before or 0, length)

    def _read(self, row: Row[Any], batch: _Batch, stream: str) -> StoredEvent | JournalError:
        try:
            return read_event(row, batch.arrays.get(row.seq, []), stream, self.label)
        except JournalError as error:
            return error

    def _gap(self, last: int, next_one: int, where: str) -> JournalError:
        return JournalError(
            f"The journal {self.label} is damaged {where}: after number {last} of this codebook's events come "
            f"{next_one - last} that are missing. Restore the journal from a backup, or choose another data directory."
        )

    def _last_seq(self, connection: Connection, stream: str) -> int:
        last = select(func.max(events.c.seq)).where(events.c.stream == streams.c.id).scalar_subquery()
        row = connection.execute(select(last).where(streams.c.id == stream)).first()
        if row is None:
            raise _no_codebook(self.label, stream)
        return row[0] or 0

    def _locked_length(self, connection: Connection, stream: str) -> int:
        """How many events a stream has. Makes its writers queue, so that seqs become visible in order.

        PostgreSQL hands out numbers before it commits: without this, a reader could see 6, go on from there and miss
        5. SQLite has one writer at a time and ignores it.
        """
        length = connection.execute(select(streams.c.length).where(streams.c.id == stream).with_for_update()).scalar()
        if length is None:
            raise _no_codebook(self.label, stream)
        return length


def _no_codebook(label: str, codebook_id: str) -> JournalError:
    return JournalError(f"The journal {label} has no codebook {codebook_id!r}. Ask for one with codebook_id() first.")


def _sound(item: StoredEvent | JournalError) -> StoredEvent:
    if isinstance(item, JournalError):
        raise item
    return item


def _storable(text: str, what: str) -> str:
    """Refuse what a text column cannot hold: NUL (PostgreSQL) and lone surrogates (both)."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise JournalError(f"The {what} {text!r} holds characters that cannot be stored. Leave them out.")
    return text
