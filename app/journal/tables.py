"""The tables as they are now; `migrations.py` says how they became so."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

STUDIO = "studio"
"""The stream of events that belong to no codebook."""

metadata = MetaData()
_seq = BigInteger().with_variant(Integer(), "sqlite")

codebooks = Table(
    "codebooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("config_sha256", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("prompt_fingerprint", Text),
    Column("template_head", Text),
    Column("template_tail", Text),
    Column("checksum", Text, nullable=False, server_default=""),
    UniqueConstraint("fingerprint", "config_sha256"),
)
# A codebook, or the studio as a whole. length: how many events it has, so that a missing last one is noticed.
streams = Table(
    "streams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("length", Integer, nullable=False),
)
# position: 1, 2, 3, … within the stream, without gaps. subject: the id of what the event is about, as in its payload.
events = Table(
    "events",
    metadata,
    Column("seq", _seq, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("stream", Text, ForeignKey("streams.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("checksum", Text, nullable=False),
    UniqueConstraint("id"),
    UniqueConstraint("stream", "position"),
    Index("events_by_stream", "stream", "seq"),
    sqlite_autoincrement=True,
)
arrays = Table(
    "arrays",
    metadata,
    Column("event_seq", _seq, ForeignKey("events.seq"), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("dtype", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("checksum", Text, nullable=False),
)
