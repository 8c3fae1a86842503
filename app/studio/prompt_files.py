"""A person's own prompts from a CSV file; the file is untrusted."""

from __future__ import annotations

import csv
from pathlib import Path

from app.studio.texts import checked_text, shown
from grace_core.errors import InputError

COLUMN = "prompt"
MOST_ROWS = 5000
MOST_BYTES = 4_000_000
MOST_CHARACTERS = 20_000
"""Of one prompt: more is a file with a quote that never ends."""


def read_prompts(path: Path) -> tuple[str, ...]:
    """The distinct, non-empty texts of the column `prompt`, in their order.

    Raises:
        InputError: not a CSV in UTF-8, too large, no such column, no prompt in it, too many rows, or a prompt that is no text.
    """
    texts: dict[str, None] = {}
    whose = shown(path.name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{whose} is larger than {MOST_BYTES // 1_000_000} MB; give fewer prompts.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
            if COLUMN not in columns:
                found = ", ".join(f"“{shown(name)}”" for name in reader.fieldnames or ())[:200] or "nothing"
                raise InputError(f"{whose} has no column “{COLUMN}” (its first line has {found}); name a column “{COLUMN}”.")
            for number, row in enumerate(reader, start=1):
                if number > MOST_ROWS:
                    raise InputError(f"{whose} has more than {MOST_ROWS:,} rows; give fewer prompts.")
                text = (row.get(columns[COLUMN]) or "").strip()
                if len(text) > MOST_CHARACTERS:
                    raise InputError(
                        f"Row {number} of {whose} has {len(text):,} characters; a prompt has {MOST_CHARACTERS:,} at most. "
                        "Look for a quotation mark that is not closed."
                    )
                if checked_text(text, f"prompt in row {number} of {whose}"):
                    texts[text] = None
    except UnicodeDecodeError as error:
        raise InputError(f"{whose} is not text in UTF-8 ({error.reason}); save it as CSV UTF-8.") from error
    except (csv.Error, OSError) as error:
        raise InputError(f"{whose} cannot be read as CSV ({error}); give a file with a column “{COLUMN}”.") from error
    if not texts:
        raise InputError(f"The column “{COLUMN}” of {whose} is empty; give at least one prompt.")
    return tuple(texts)
