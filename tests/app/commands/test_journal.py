"""`grace-studio journal`: all of it without a model, and without torch."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import cli
from app.journal.events import KINDS
from app.journal.store import JournalStore

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "app" / "journal" / "data"
Say = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs the command on a folder with a copy of an old journal: exit status, lines, and what it complained of."""
    shutil.copy(DATA / "every_kind.db", tmp_path / "journal.sqlite")

    def said(*words: object) -> tuple[int, list[str], str]:
        status = cli.main(["journal", *map(str, words), "--data-dir", str(tmp_path)])
        out, complaint = capsys.readouterr()
        return status, out.splitlines(), complaint

    return said


WITHOUT_TORCH = """
import sys
for name in ("torch", "transformers", "gradio", "pandas", "sklearn", "plotly"):
    sys.modules[name] = None
from app import cli
raise SystemExit(cli.main(["journal", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("words", [["list"], ["show"], ["verify"], ["export"], ["undo", "good"], ["backup", "copy.db"]])
def test_it_needs_no_torch(words: list[str], tmp_path: Path) -> None:
    shutil.copy(DATA / "bad_rows.db", tmp_path / "journal.sqlite")
    command = [sys.executable, "-c", WITHOUT_TORCH, *words, "--data-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == (2 if words == ["verify"] else 0), done.stderr
    assert "Traceback" not in done.stderr


def test_list_names_every_codebook_and_counts(say: Say) -> None:
    status, lines, _ = say("list")
    assert (status, len(lines)) == (0, 3)
    assert "tiny  since " in lines[0]
    assert "3 edited" in lines[0]
    assert lines[2].endswith("(no events)")


def test_show_undo_and_redo(say: Say, tmp_path: Path) -> None:
    with JournalStore(f"sqlite:///{tmp_path / 'journal.sqlite'}") as store:
        own = store.codebooks()[0].codebook_id
    assert [line.split()[:2] for line in say("show", own[:6])[1]][:3] == [["e1", "in"], ["e2", "in"], ["e3", "in"]]
    assert say("undo", "e2", "--author", "Ada")[0] == 0
    assert [line.split()[1] for line in say("show", own)[1]] == ["in", "undone", "in", "broken"]
    status, _, complaint = say("undo", "e2")
    assert (status, complaint.count("the edit 'e2' is already undone")) == (2, 1)
    assert say("redo", "e2")[0] == 0
    with JournalStore(f"sqlite:///{tmp_path / 'journal.sqlite'}") as store:
        assert [event.author for event in store.events(own)][-2:] == ["Ada", "command line"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["undo"], "journal undo needs the id of the edit"),
        (["undo", "nope"], "There is no edit 'nope' in the journal"),
        (["show"], "The journal holds 3 codebooks; give the id of one of those"),
        (["show", "zz"], "0 codebooks fit 'zz'"),
        (["backup"], "needs the file to write"),
        (["export", "/nowhere/file"], "/nowhere/file cannot be written (No such file"),
    ],
)
def test_what_cannot_be_done_is_said(words: list[str], complaint: str, say: Say) -> None:
    status, lines, said = say(*words)
    assert (status, lines) == (2, [])
    assert complaint in said


def test_a_missing_journal_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["journal", "list", "--data-dir", str(tmp_path / "new")]) == 2
    assert "There is no journal " in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_verify_names_each_place(say: Say, tmp_path: Path) -> None:
    status, lines, _ = say("verify")
    assert (status, len(lines)) == (2, 2)  # the query with half an emoji in it, and no other problem
    assert lines[0].endswith("3 codebooks, 36 events, 1 problem.")
    assert "Event 6 of the journal" in lines[1]
    assert "text holds half a character" in lines[1] or "prompt holds half a character" in lines[1]
    with sqlite3.connect(tmp_path / "journal.sqlite") as raw:
        raw.execute("UPDATE arrays SET data = zeroblob(32) WHERE event_seq = 7 AND name = 'activation'")
        raw.execute("DELETE FROM events WHERE seq = 10")
        raw.execute("UPDATE events SET author = 'eve' WHERE seq = 36")
    raw.close()
    status, lines, complaint = say("verify")
    assert status == 2
    assert "has 4 problems, listed above" in complaint
    for part in ("Event 6 ", "Event 7 of", "before event 11: after number 9 of", "Event 36 of"):
        assert any(part in line for line in lines)


def _exported(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_export_holds_every_event(say: Say, tmp_path: Path) -> None:
    head, *events = _exported(say("export")[1])
    assert (head["format"], head["schema"], len(head["codebooks"])) == (
        "grace-studio journal",
        "0004_ids_streams_and_checksums",
        3,
    )
    assert len(events) == 36
    assert len({event["kind"] for event in events}) == 12  # all kinds that there were when the file was written
    edited = next(event for event in events if event["kind"] == "edited")
    assert edited["arrays"]["value"]["shape"] == [2, 8]
    bare = _exported(say("export", "--without-vectors")[1])[1:]
    assert all("arrays" not in event for event in bare)
    assert [event["id"] for event in bare] == [event["id"] for event in events]
    assert say("export", tmp_path / "all.jsonl")[0] == 0
    assert _exported((tmp_path / "all.jsonl").read_text().splitlines()) == [head, *events]


def test_the_schema_describes_every_kind(say: Say) -> None:
    (schema,) = _exported(say("export", "--schema")[1])
    assert schema.keys() == set(KINDS)
    assert schema["marked"]["properties"]["verdict"]["enum"][:2] == ["fabricated", "wrong"]
    assert "float32 array of 2 dimension(s)" in schema["edited"]["properties"]["value"]["description"]


def test_a_backup_is_a_whole_journal(say: Say, tmp_path: Path) -> None:
    assert say("backup", tmp_path / "copy.db")[0] == 0
    with (
        JournalStore(f"sqlite:///{tmp_path / 'copy.db'}") as copy,
        JournalStore(f"sqlite:///{tmp_path / 'journal.sqlite'}") as own,
    ):
        for info in own.codebooks():
            assert list(copy.events(info.codebook_id)) == list(own.events(info.codebook_id))
    status, _, complaint = say("backup", tmp_path / "copy.db")
    assert (status, "exists already" in complaint) == (2, True)
