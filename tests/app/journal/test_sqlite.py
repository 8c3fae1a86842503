"""What is particular to a file: durability, other processes, and everything that can be wrong with it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, text

from app.errors import JournalError
from app.journal.database import BUSY_SECONDS
from app.journal.events import Edited, Generated
from app.journal.state.journal_state import JournalState
from app.journal.store import JournalStore
from tests.app.journal.samples import edited, generated, vector

ROOT = Path(__file__).parents[3]


def _open(path: Path, busy_seconds: float = BUSY_SECONDS) -> JournalStore:
    return JournalStore(f"sqlite:///{path}", busy_seconds=busy_seconds)


def _codebook(store: JournalStore) -> str:
    return store.codebook_id(fingerprint="f00d", model_name="tiny", config={})


def _python(code: str, *arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)


def test_a_commit_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    with _open(tmp_path / "new" / "folder" / "journal.db") as store, store._database.read() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 15000}


def test_memory_is_one_journal_for_all_threads() -> None:
    with JournalStore("sqlite://") as store:
        codebook_id = _codebook(store)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda index: store.append(codebook_id, generated(f"q{index}")), range(20)))
        assert len(list(store.events(codebook_id))) == 20


APPENDING = """
    import sys
    from app.journal.store import JournalStore
    from tests.app.journal.samples import edited, generated, vector

    store = JournalStore("sqlite:///" + sys.argv[1])
    codebook_id = store.codebook_id(fingerprint="f00d", model_name="tiny", config={})
    for index in range(int(sys.argv[3])):
        name = f"{sys.argv[2]}-{index}"
        pair = generated("q" + name, activation=vector(index, 4096)), edited("e" + name, value=vector(index, 4096)[None])
        stored = store.append(codebook_id, *pair)
        print(stored[-1].seq, name, flush=True)
"""


@pytest.mark.parametrize("confirmed", [1, 20])
def test_a_kill_in_the_middle_of_appends_loses_nothing_confirmed(tmp_path: Path, confirmed: int) -> None:
    path = tmp_path / "journal.db"
    process = _python(APPENDING, path, "a", 100_000)
    assert process.stdout is not None
    printed = [process.stdout.readline() for _ in range(confirmed)]
    process.send_signal(signal.SIGKILL)
    printed += process.stdout.readlines()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    names = [line.split()[1] for line in printed if line.endswith("\n")]
    assert len(names) >= confirmed

    with _open(path) as store:
        codebook_id = _codebook(store)
        read = list(store.events(codebook_id))
        expected: list[Generated | Edited] = []
        for index in range(len(read) // 2):
            expected.append(generated(f"qa-{index}", activation=vector(index, 4096)))
            expected.append(edited(f"ea-{index}", value=vector(index, 4096)[None]))
        assert [item.data for item in read] == expected  # whole transactions only, arrays included
        assert len(read) >= 2 * len(names)  # all that append() returned for
        assert set(JournalState.of(read).edits) >= {"e" + name for name in names}
        store.append(codebook_id, generated("after"))
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        orphans = "SELECT count(*) FROM arrays LEFT JOIN events ON seq = event_seq WHERE seq IS NULL"
        assert raw.execute(orphans).fetchone() == (0,)


def test_processes_that_write_at_once_corrupt_nothing(tmp_path: Path) -> None:
    """All of them start on a blank folder, so they also race for the schema and the codebook."""
    path = tmp_path / "journal.db"
    processes = [_python(APPENDING, path, name, 10) for name in "abc"]
    lines = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    seqs = [[int(line.split()[0]) for line in own] for own in lines]
    assert all(own == sorted(own) for own in seqs)
    with _open(path) as store:
        read = list(store.events(_codebook(store)))
    assert [item.seq for item in read] == list(range(1, 61))
    assert sorted(seq for own in seqs for seq in own) == [item.seq for item in read][1::2]
    assert len(JournalState.of(read).edits) == 30


def test_a_number_never_comes_back(tmp_path: Path) -> None:
    with _open(tmp_path / "journal.db") as store:
        codebook_id = _codebook(store)
        store.append(codebook_id, generated("q1"))
        with store._database.write() as connection:
            connection.execute(text("DELETE FROM arrays"))
            connection.execute(text("DELETE FROM events"))
        (stored,) = store.append(codebook_id, generated("q2"))
    assert stored.seq == 2


def test_a_full_disk_keeps_what_was_there_and_takes_more_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with _open(path) as store:
        codebook_id = _codebook(store)
        store.append(codebook_id, generated("q1"))
    full = True
    with _open(path) as store:

        @event.listens_for(store._database._engine, "begin")
        def limit(connection: object) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()  # type: ignore[attr-defined]
            limit = pages + 2 if full else 1_000_000
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")  # type: ignore[attr-defined]

        with pytest.raises(JournalError) as caught:
            store.append(codebook_id, generated("q2"), edited("big", value=vector(1, 100_000)[None]))
        message = str(caught.value)
        assert message.startswith(f"The disk that holds the journal {path} is full (SQLite says: database or disk is")
        assert message.endswith("Nothing of this was kept: free space, try again.")
        assert [item.data for item in store.events(codebook_id)] == [generated("q1")]
        full = False
        store.append(codebook_id, edited("big", value=vector(1, 100_000)[None]))
        assert len(list(store.events(codebook_id))) == 2


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Permissions bind everybody but root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that another user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_folder_is_refused_at_once(shared_folder: Path) -> None:
    path = shared_folder / "journal.db"
    shared_folder.chmod(0o555)
    with _as_nobody(), pytest.raises(JournalError) as caught:
        _open(path)
    assert str(caught.value).startswith(f"The journal {path} cannot be opened for writing (SQLite says: unable to")
    assert "Make the file and its folder writable" in str(caught.value)


def test_a_read_only_journal_is_refused_at_once(shared_folder: Path) -> None:
    path = shared_folder / "journal.db"
    with _open(path) as store:
        _codebook(store)
    path.chmod(0o444)
    shared_folder.chmod(0o555)
    with _as_nobody(), pytest.raises(JournalError, match="cannot be opened for writing"):
        _open(path)


def test_a_folder_that_cannot_be_made_is_refused(shared_folder: Path) -> None:
    shared_folder.chmod(0o555)
    with _as_nobody(), pytest.raises(JournalError, match=r"The folder .*/new for the journal cannot be made \(Perm"):
        _open(shared_folder / "new" / "journal.db")
    (shared_folder / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be made"):
        _open(shared_folder / "file" / "journal.db")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened for writing"):
        _open(tmp_path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("Dear diary, " * 100)
    with pytest.raises(JournalError) as caught:
        _open(path)
    assert str(caught.value).startswith(f"{path} is not a journal (SQLite says: file is not a database). Move the file")
    assert path.read_text() == "Dear diary, " * 100


def test_a_file_of_0_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    with pytest.raises(JournalError, match=r"journal\.db is a file of 0 bytes, so whatever it held is lost\. Restore it"):
        _open(path)
    assert path.read_bytes() == b""


def test_a_new_file_is_never_seen_empty_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda index: _open(tmp_path / f"{index // 4}.db"), range(16)))
    for store in stores:
        store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.db", "1.db", "2.db", "3.db"]


def test_another_programs_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    with pytest.raises(JournalError, match=r"another program's database \(it has the tables bookmarks\)"):
        _open(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_a_damaged_file_is_a_journal_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with _open(path) as store:
        codebook_id = _codebook(store)
        store.append(codebook_id, *(edited(f"e{index}", value=vector(index, 2000)[None]) for index in range(50)))
    with path.open("r+b") as file:
        file.seek(4096 * 8)
        file.write(b"\xff" * (path.stat().st_size - 4096 * 8))
    with pytest.raises(JournalError, match=r"is damaged.* from a backup"), _open(path) as store:
        list(store.events(codebook_id))


def test_a_lock_that_is_held_too_long_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with _open(path, busy_seconds=0.2) as store:
        codebook_id = _codebook(store)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match=r"locked by another process for more than 0\.2 s.*Nothing of this was"):
            store.append(codebook_id, generated("q1"))
        assert list(store.events(codebook_id)) == []  # readers go on
        other.execute("ROLLBACK")
        other.close()
        store.append(codebook_id, generated("q1"))


def test_a_new_file_that_another_program_sets_up_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA user_version = 1")
    other.execute("BEGIN IMMEDIATE")  # here SQLite refuses the switch to WAL without waiting
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(_open, path)
        with pytest.raises(TimeoutError):
            opening.result(timeout=0.3)
        other.execute("ROLLBACK")
        other.close()
        with opening.result() as store:
            assert _codebook(store)


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_new_file_that_another_program_keeps_is_explained(tmp_path: Path, lock: str) -> None:
    path = tmp_path / "journal.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA user_version = 1")
    other.execute(f"BEGIN {lock}")
    with pytest.raises(JournalError, match=r"locked by another process for more than 0\.2 s"):
        _open(path, busy_seconds=0.2)
    other.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("journal.db", r"'journal\.db' is not a database URL\. Use sqlite:////path"),
        ("postgresql://ada:hunter2@host:port/x", r"'postgresql://ada:\*\*\*@host:port/x' is not a database URL"),
        ("mysql://ada:hunter2@host/x", r"cannot be kept in mysql://ada:\*\*\*@host/x: it knows SQLite and Postgre"),
        ("postgres://ada:hunter2@host/x", r"cannot be kept in postgres://ada:\*\*\*@host/x: it knows SQLite and"),
        ("postgresql+nope://ada:hunter2@host/x", r"No database driver .* postgresql\+nope://ada:\*\*\*@host/x"),
        ("postgresql+pygresql://ada:hunter2@host/x?sslpassword=hunter2", r"No database driver .*sslpassword=%2A%2A%2A"),
    ],
)
def test_a_url_that_cannot_be_used_is_shown_without_its_password(url: str, message: str) -> None:
    with pytest.raises(JournalError, match=message) as caught:
        JournalStore(url)
    assert "hunter2" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(JournalError, match="ada:\\*\\*\\*@host/x needs the Python package 'psycopg'"):
        JournalStore("postgresql+psycopg://ada:hunter2@host/x")
