"""Rows and prompts from files that a person gives: CSV, a JSON array, or one JSON object a line. A file is untrusted."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from app.studio.texts import checked_text, shown
from grace_core.errors import InputError

COLUMN = "prompt"
MOST_ROWS = 5000
MOST_BYTES = 4_000_000
"""Of what is sent through a page; a file on a person's own machine may be larger."""
MOST_CHARACTERS = 20_000
"""Of one prompt: more is a file with a quotation mark that is not closed."""
CSV, JSON = ".csv", (".json", ".jsonl")
SUFFIXES = (CSV, *JSON)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file (named so) with a first line of names, of a JSON array, or of one JSON object a line.

    Raises:
        InputError: no such file, or none of these.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path.name)} is not text in UTF-8 ({error.reason}); save it as UTF-8.") from error
    return _csv_rows(text, shown(path.name)) if path.suffix.lower() == CSV else _json_rows(text, shown(path.name))


def read_prompts(path: Path, most: int | None = MOST_ROWS) -> tuple[str, ...]:
    """The distinct, non-empty prompts of a file, in their order. most: rows (None: as many as there are).

    Raises:
        InputError: a file that cannot be read or holds too much, no prompt at all, or one that is no text.
    """
    rows = read_rows(path)
    if most is not None and len(rows) > most:
        raise InputError(f"{shown(path.name)} has more than {most:,} rows; give fewer prompts.")
    prompts = (_prompt(row, f"row {number} of {shown(path.name)}") for number, row in enumerate(rows, 1))
    distinct = tuple(dict.fromkeys(filter(None, prompts)))
    if not distinct:
        raise InputError(f"{shown(path.name)} holds no prompt; give at least one in “{COLUMN}”.")
    return distinct


def _prompt(row: dict[str, Any], place: str) -> str:
    text = row.get(COLUMN)
    if not isinstance(text, str):
        raise InputError(f"{place[0].upper()}{place[1:]} has no “{COLUMN}”; give each row a text of that name.")
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"{place[0].upper()}{place[1:]} has {len(text):,} characters; a prompt has {MOST_CHARACTERS:,} at most. "
            "Look for a quotation mark that is not closed."
        )
    return checked_text(text.strip(), f"prompt in {place}")


def _csv_rows(text: str, name: str) -> list[dict[str, Any]]:
    """Names are in lower case; what a short row lacks is empty."""
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
        columns = [(column or "").strip().lower() for column in reader.fieldnames or ()]
        if COLUMN not in columns:
            found = ", ".join(f"“{shown(column)}”" for column in columns)[:200] or "nothing"
            raise InputError(f"{name} has no column “{COLUMN}” (its first line has {found}); name a column “{COLUMN}”.")
        reader.fieldnames = columns
        return list(reader)
    except csv.Error as error:
        raise InputError(f"{name} cannot be read as CSV ({error}); give a file with a column “{COLUMN}”.") from error


def _json_rows(text: str, name: str) -> list[dict[str, Any]]:
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text)
        else:
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON ({error}); give a JSON array, or one object a line.") from error
    if not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{name} holds something other than objects; give one object for each row.")
    return list(rows)
