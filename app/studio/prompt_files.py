"""A person's own prompts from a CSV file; the file is untrusted."""

from __future__ import annotations

import csv
from pathlib import Path

from grace_core.errors import InputError

COLUMN = "prompt"
MOST_ROWS = 5000


def read_prompts(path: Path) -> tuple[str, ...]:
    """The distinct, non-empty texts of the column `prompt`, in their order.

    Raises:
        InputError: not a CSV in UTF-8, no such column, no prompt in it, or too many rows.
    """
    texts: dict[str, None] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
            if COLUMN not in columns:
                found = ", ".join(f"“{name}”" for name in reader.fieldnames or ()) or "nothing"
                raise InputError(f"{path.name} has no column “{COLUMN}” (its first line has {found}); name a column “{COLUMN}”.")
            for number, row in enumerate(reader, start=1):
                if number > MOST_ROWS:
                    raise InputError(f"{path.name} has more than {MOST_ROWS:,} rows; give fewer prompts.")
                text = (row.get(columns[COLUMN]) or "").strip()
                if text:
                    texts[text] = None
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not text in UTF-8 ({error.reason}); save it as CSV UTF-8.") from error
    except (csv.Error, OSError) as error:
        raise InputError(f"{path.name} cannot be read as CSV ({error}); give a file with a column “{COLUMN}”.") from error
    if not texts:
        raise InputError(f"The column “{COLUMN}” of {path.name} is empty; give at least one prompt.")
    return tuple(texts)
