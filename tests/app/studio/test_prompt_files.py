from __future__ import annotations

from pathlib import Path

import pytest

from app.studio.prompt_files import MOST_BYTES, MOST_ROWS, read_prompts
from grace_core.errors import InputError


def written(folder: Path, content: bytes) -> Path:
    file = folder / "own.csv"
    file.write_bytes(content)
    return file


def test_the_prompt_column_in_its_order(tmp_path: Path) -> None:
    text = '\ufeffid,Prompt\r\n1,"Who, then?"\r\n2,\r\n3,Why?\r\n4,"Who, then?"\r\n5,"two\nlines"\r\n6\r\n'
    assert read_prompts(written(tmp_path, text.encode())) == ("Who, then?", "Why?", "two\nlines")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"question\nWho?\n", "“question”"),
        (b"", "nothing"),
        (b"prompt\n\n", "is empty"),
        (b"prompt\n\xff\xfe\n", "UTF-8"),
        (b"prompt\n" + b"x\n" * (MOST_ROWS + 1), "more than"),
        (b"prompt\nWho\0?\n", "prompt in row 1 of own.csv has a NUL at position 3"),
        (b'prompt\nWho?\n"never closed' + b" x" * 10_001, "Row 2 of own.csv has 20,0.. characters"),
        (b'prompt\n"' + b"x" * 140_000, "cannot be read as CSV"),
        (b"prompt\n" + b"x" * MOST_BYTES, "larger than 4 MB"),
    ],
)
def test_what_it_refuses(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_prompts(written(tmp_path, content))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_prompts(tmp_path / "none.csv")
