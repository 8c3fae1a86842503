"""The codebooks of a journal: what each is known by, and what a listing says of them. Functions on an open connection."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.errors import JournalError
from app.journal.checksums import checksum
from app.journal.tables import codebooks, events, streams

_VALUES = tuple(name for name in codebooks.c.keys() if name != "checksum")  # noqa: SIM118


@dataclass(frozen=True)
class PromptForm:
    """How a model puts prompts into tokens, as it was when a codebook began.

    fingerprint: of the tokenizer and the template. head, tail: what the chat template puts around the user's text.
    """

    fingerprint: str
    head: str
    tail: str


@dataclass(frozen=True)
class CodebookInfo:
    """A codebook as a journal lists it. prompt_form: None until a model has opened it. kinds: how many events of each kind."""

    codebook_id: str
    fingerprint: str
    model_name: str
    config: dict[str, Any]
    at: str
    prompt_form: PromptForm | None
    kinds: dict[str, int]


def listed(connection: Connection, label: str) -> tuple[CodebookInfo, ...]:
    """All codebooks, oldest first. JournalError for a row that is not as it was written."""
    count = select(events.c.stream, events.c.kind, func.count()).group_by(events.c.stream, events.c.kind)
    kinds: dict[str, dict[str, int]] = {}
    for stream, kind, number in connection.execute(count.order_by(events.c.kind)):
        kinds.setdefault(stream, {})[kind] = number
    rows = connection.execute(select(codebooks).order_by(codebooks.c.at, codebooks.c.id)).mappings().all()
    return tuple(_info(row, kinds.get(row["id"], {}), label) for row in rows)


def found(connection: Connection, fingerprint: str, config: dict[str, Any], kept: Collection[str], label: str) -> str | None:
    """The id of the codebook of this model with equal config, or with one that differs in `kept` alone (the oldest)."""
    own = [info for info in listed(connection, label) if info.fingerprint == fingerprint]
    config = json.loads(config_text(config))
    for names in ((), tuple(kept)):
        for info in own:
            if config == info.config | {name: config[name] for name in names}:
                return info.codebook_id
    return None


def make(connection: Connection, fingerprint: str, model_name: str, config: dict[str, Any]) -> str:
    """A new codebook and its stream, or the one that another process makes at this moment."""
    text = config_text(config)
    row: dict[str, Any] = dict.fromkeys(_VALUES) | {
        "id": uuid.uuid4().hex, "fingerprint": fingerprint, "model_name": model_name, "config": text,
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(), "at": datetime.now(UTC).isoformat(timespec="microseconds"),
    }  # fmt: skip
    # Insert first: whoever is second, in whichever process, finds the first one's row.
    dialect_insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(dialect_insert(codebooks).values(row | {"checksum": _sum(row)}).on_conflict_do_nothing())
    same = (codebooks.c.fingerprint == fingerprint, codebooks.c.config_sha256 == row["config_sha256"])
    made = str(connection.execute(select(codebooks.c.id).where(*same)).scalar_one())
    if made == row["id"]:
        connection.execute(insert(streams).values(id=made, length=0))
    return made


def keep_prompt_form(connection: Connection, codebook_id: str, form: PromptForm) -> None:
    """Note how prompts are put into tokens, where that is not noted yet."""
    row = connection.execute(select(codebooks).where(codebooks.c.id == codebook_id).with_for_update()).mappings().one()
    if row["prompt_fingerprint"] is None:
        new = {"prompt_fingerprint": form.fingerprint, "template_head": form.head, "template_tail": form.tail}
        change = update(codebooks).where(codebooks.c.id == codebook_id)
        connection.execute(change.values(**new, checksum=_sum(dict(row) | new)))


def config_text(config: dict[str, Any]) -> str:
    """The config as it is stored and compared."""
    return json.dumps(config, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _sum(row: Any) -> str:
    return checksum(*(row[name] for name in _VALUES))


def _info(row: Any, kinds: dict[str, int], label: str) -> CodebookInfo:
    where = f"The codebook {row['id']!r} in the journal {label} is damaged"
    cure = "Restore the journal from a backup, or choose another data directory."
    if _sum(row) != row["checksum"]:
        raise JournalError(f"{where}: its checksum does not fit, so its row was changed after it was written. {cure}")
    try:
        config = json.loads(row["config"])
    except (ValueError, RecursionError) as error:
        raise JournalError(f"{where}: its config is not JSON ({error}). {cure}") from error
    if not isinstance(config, dict):
        raise JournalError(f"{where}: its config is {config!r:.80}. {cure}")
    form = PromptForm(row["prompt_fingerprint"], row["template_head"] or "", row["template_tail"] or "")
    return CodebookInfo(
        row["id"], row["fingerprint"], row["model_name"], config, row["at"],
        form if row["prompt_fingerprint"] is not None else None, kinds,
    )  # fmt: skip
