"""One SQLAlchemy engine: how it is opened, its transactions, and what to tell a person when it fails.

Nothing here knows an event or a table. Two kinds of transaction: `read()` and `write()`. A write takes SQLite's write
lock at its start (BEGIN IMMEDIATE), so that whatever it reads cannot change before it commits.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from app.errors import JournalError

BUSY_SECONDS = 15.0
_POLL_SECONDS = 0.02
_WRITES = "grace_writes"
_SECRET = re.compile(r"passw|passwd|pwd|secret|token|key", re.IGNORECASE)


class Database:
    """An open database. Every failure leaves as a JournalError that names it (passwords hidden)."""

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS, create: bool = True) -> None:
        """busy_seconds: how long to wait for another's lock. create: whether a missing file is made, or refused."""
        parsed = _parse(url)
        self.label = _label(parsed)
        self._busy_seconds = busy_seconds
        self._create = create
        self._closed = False
        # SQLite has one writer at a time anyway: threads of this process queue here rather than poll its lock.
        self._write_lock = threading.Lock()
        self._engine = self._create_engine(parsed)
        self.dialect = self._engine.dialect.name

    def _create_engine(self, url: URL) -> Engine:
        sqlite = url.get_backend_name() == "sqlite"
        if not sqlite and url.get_backend_name() != "postgresql":
            raise JournalError(
                f"The journal cannot be kept in {self.label}: it knows SQLite and PostgreSQL. Use "
                "sqlite:////path/to/journal.db or postgresql+psycopg://user:password@host/database."
            )
        options: dict[str, Any] = {"hide_parameters": True}  # a log should not hold prompts or vectors
        if sqlite and url.database in (None, "", ":memory:"):
            # One connection passed from thread to thread: every connection to memory would be a database of its own.
            options |= {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
            options |= {"connect_args": {"check_same_thread": False}}
        elif sqlite:
            _make_file(Path(str(url.database)), self._create)
        else:
            options |= {"pool_pre_ping": True}
        try:
            engine = create_engine(url, **options)
        except NoSuchModuleError as error:
            raise JournalError(
                f"No database driver is known for {self.label}. Use sqlite:///… or postgresql+psycopg://…."
            ) from error
        except ImportError as error:
            raise JournalError(f"{self.label} needs the Python package {error.name!r}: install it with pip.") from error
        if sqlite:
            event.listen(engine, "connect", self._set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _set_up_sqlite(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun by _begin_sqlite, not guessed by the driver
        # A damaged text is read as far as it goes, so that whoever checks its row can say where it is.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")
        # WAL: readers go on while one writes. FULL: a commit that returned survives a power cut, too.
        self._switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    def _switch_to_wal(self, cursor: sqlite3.Cursor) -> None:
        """Wait for whoever uses the file, as `busy_timeout` does elsewhere.

        Where several open a new file at once, SQLite refuses this one statement immediately: who switches has read the
        file already, and two who read and wait for each other would wait for ever.
        """
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: all its queries see the state that the first one saw."""
        with self._explained("read"), self._engine.connect() as connection:
            if self.dialect == "postgresql":  # its default shows each query what was committed meanwhile
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at its end, or leaves nothing behind."""
        with self._write_lock, self._explained("write"), self._engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def problems(self) -> tuple[str, ...]:
        """What the database finds wrong with itself, where it can say."""
        if self.dialect != "sqlite":
            return ()
        with self.read() as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        return tuple(str(line) for line in said if line != "ok")

    def copy_to(self, path: Path) -> None:
        """Write all of it into a new file, as it is at this moment; others may go on writing meanwhile."""
        if self.dialect != "sqlite":
            raise JournalError(f"{self.label} is no file: make a backup with the database's own program, such as pg_dump.")
        if path.exists():
            raise JournalError(f"{path} exists already. Choose another name for the backup.")
        with self._explained("copy"), self._engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # VACUUM wants no transaction around it
            connection.exec_driver_sql("VACUUM INTO ?", (str(path),))

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed = True
        self._engine.dispose()

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        if self._closed:
            raise JournalError(f"The journal {self.label} was closed; open it again to {action} it.")
        try:
            yield
        except UnicodeDecodeError as error:  # SQLite quotes a damaged schema in its message
            raise JournalError(
                f"The journal {self.label} is damaged (SQLite's own words about it cannot be read). Restore it from a backup, "
                "or choose another data directory."
            ) from error
        except DBAPIError as error:
            raise JournalError(_explain(self.label, action, error.orig, self._busy_seconds)) from error
        except SQLAlchemyError as error:
            raise JournalError(f"The journal {self.label} could not be used to {action}: {error}. Try again.") from error


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_file(path: Path, create: bool) -> None:
    """Make the folder and a blank database, at once with its first page, so that a file of 0 bytes is never ours."""
    if str(path).startswith("file:"):
        return
    if not create and not path.exists():
        raise JournalError(f"There is no journal {path}. Give its folder with --data-dir, or its URL with --database-url.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(
            f"The folder {path.parent} for the journal cannot be made ({error.strerror}). "
            "Make it writable, or choose another data directory."
        ) from error
    if not path.exists():
        blank = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with closing(sqlite3.connect(blank)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
            path.hardlink_to(blank)
        except (OSError, sqlite3.Error):
            return  # another process made it first, or SQLite says in a moment why it cannot be made
        finally:
            blank.unlink(missing_ok=True)
    elif path.is_file() and path.stat().st_size == 0:
        raise JournalError(
            f"The journal {path} is a file of 0 bytes, so whatever it held is lost. Restore it from a backup; where there "
            "was nothing in it, remove it and start again."
        )


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        shown = re.sub(r"(//[^:/@]*):.*@", r"\1:***@", url)
        raise JournalError(
            f"{shown!r} is not a database URL. Use sqlite:////path/to/journal.db or "
            "postgresql+psycopg://user:password@host/database."
        ) from error


def _label(url: URL) -> str:
    """A file's path, or the URL without its secrets."""
    if url.get_backend_name() == "sqlite":
        return str(url.database or ":memory:")
    hidden = {name: "***" for name in url.query if _SECRET.search(name)}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def _explain(label: str, action: str, error: BaseException | None, busy_seconds: float) -> str:
    """What happened and what to do about it."""
    # An extended code (SQLITE_READONLY_DIRECTORY, …) begins with its primary one.
    code = getattr(error, "sqlite_errorname", "") if isinstance(error, sqlite3.Error) else ""
    said = f" (SQLite says: {error})" if code else ""
    if code.startswith("SQLITE_FULL"):
        return f"The disk that holds the journal {label} is full{said}. Nothing of this was kept: free space, try again."
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return (
            f"The journal {label} cannot be opened for writing{said}. Make the file and its folder writable for this "
            "user, or choose another data directory."
        )
    if code.startswith("SQLITE_NOTADB"):
        return f"{label} is not a journal{said}. Move the file away, or choose another data directory."
    if code.startswith("SQLITE_CORRUPT"):
        return f"The journal {label} is damaged{said}. Restore it from a backup, or choose another data directory."
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            f"The journal {label} was locked by another process for more than {busy_seconds:g} s{said}. Try again, or "
            "close the program that holds it. Nothing of this was kept."
        )
    if code.startswith("SQLITE_IOERR"):
        return (
            f"The disk that holds the journal {label} failed to {action}{said}. Nothing of this was kept: check that "
            "it has free space and is in order, then try again."
        )
    reason = " ".join(str(error).split()).rstrip(".?")
    return f"The journal {label} could not be used to {action}: {reason}. Check that the database is up, then try again."
