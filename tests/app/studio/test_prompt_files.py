from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.studio.prompt_files import MOST_ROWS, read_prompts, read_rows
from grace_core.errors import InputError


def written(folder: Path, content: bytes, name: str = "own.csv") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def test_the_prompt_column_in_its_order(tmp_path: Path) -> None:
    text = '\ufeffid,Prompt\r\n1,"Who, then?"\r\n2,\r\n3,Why?\r\n4,"Who, then?"\r\n5,"two\nlines"\r\n6\r\n'
    assert read_prompts(written(tmp_path, text.encode())) == ("Who, then?", "Why?", "two\nlines")


@pytest.mark.parametrize("lines", [True, False])
def test_an_array_and_one_object_a_line_are_the_same(tmp_path: Path, lines: bool) -> None:
    # U+2028 and U+0085 end a line for Python's splitlines, but not in JSON Lines.
    rows = [{"prompt": "ä\u2028b\u0085c", "target": "x\ny"}, {"prompt": "p", "target": "t"}]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n" if lines else json.dumps(rows)
    file = written(tmp_path, text.encode(), "data.json")
    assert read_rows(file) == rows
    assert read_prompts(file) == ("ä\u2028b\u0085c", "p")


def test_empty_lines_and_windows_line_ends_do_not_count(tmp_path: Path) -> None:
    content = b'\r\n{"prompt": "p"}\r\n\r\n  \r\n{"prompt": "q"}'
    assert read_prompts(written(tmp_path, content, "a.jsonl")) == ("p", "q")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("own.csv", b"question\nWho?\n", "“question”"),
        ("own.csv", b"", "nothing"),
        ("own.csv", b"prompt\n\n", "holds no prompt"),
        ("own.csv", b"prompt\n\xff\xfe\n", "not text in UTF-8"),
        ("own.csv", b"prompt\n" + b"x\n" * (MOST_ROWS + 1), "more than"),
        ("own.csv", b"prompt\nWho\0?\n", "prompt in row 1 of own.csv has a NUL at position 3"),
        ("own.csv", b'prompt\nWho?\n"never closed' + b" x" * 10_001, "Row 2 of own.csv has 20,0.. characters"),
        ("own.csv", b'prompt\n"' + b"x" * 140_000, "cannot be read as CSV"),
        ("own.json", b"prompt,target\n", "is not JSON .*give a JSON array, or one object a line"),
        ("own.json", b'{"prompt": "p",\n "target": "t"}', "is not JSON"),
        ("own.json", b'[{"prompt": "p"}', "is not JSON"),
        ("own.json", b"[" * 100_000, "is not JSON"),
        ("own.json", b'["p"]', "something other than objects; give one object for each row"),
        ("own.json", b'"p"\n', "something other than objects"),
        ("own.json", b"\xff\xfe\x00", "is not text in UTF-8"),
        ("own.json", b'[{"prompt": "p"}, {"text": "p"}]', "Row 2 of .*has no “prompt”"),
        ("own.json", b'[{"prompt": "p"}, {"prompt": 5}]', "Row 2 of .*has no “prompt”"),
    ],
)
def test_what_it_refuses(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=f"(?s)(?=.*{name}).*{words}"):
        read_prompts(written(tmp_path, content, name))


def test_of_a_persons_own_machine_more_rows_are_taken(tmp_path: Path) -> None:
    many = "\n".join(f"p{number}" for number in range(MOST_ROWS + 1))
    assert len(read_prompts(written(tmp_path, f"prompt\n{many}".encode()), most=None)) == MOST_ROWS + 1


def test_a_missing_file_and_a_folder_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No such file.*check the path"):
        read_rows(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match=r"cannot be read .*check the path"):
        read_rows(tmp_path)
