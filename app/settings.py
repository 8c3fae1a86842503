"""Flags and environment variables → one frozen `Settings`, made once at the start.

Each option is declared once, in `OPTIONS`: the command line, the environment, the messages and the
reference's table follow it.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from app.errors import SettingsError
from grace_core.config import PRESETS, Preset
from grace_core.models.sources.resolve import default_cache_dir
from grace_core.models.sources.types import DEFAULT_MODEL

ENV_PREFIX = "GRACE_STUDIO_"


def default_data_dir() -> Path:
    """grace-studio under XDG_DATA_HOME, else ~/.local/share/grace-studio: the same journal from every folder."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "grace-studio"


def space_host() -> tuple[str, ...]:
    """The name that a Hugging Face Space goes by, where this is one."""
    host = os.environ.get("SPACE_HOST")
    return (host,) if host else ()


@dataclass(frozen=True)
class Settings:
    """Everything a person can choose when starting; see `OPTIONS` for each in words.

    layer, key_layer, epsilon: None leaves the preset's choice. database_url: "" means SQLite in data_dir
    (`effective_database_url`).
    """

    model: str = DEFAULT_MODEL
    preset: Preset = "robust"
    layer: int | None = None
    key_layer: int | None = None
    epsilon: float | None = None
    data_dir: Path = field(default_factory=default_data_dir)
    database_url: str = field(default="", repr=False)  # may hold a password
    cache_dir: Path = field(default_factory=default_cache_dir)
    host: str = "127.0.0.1"
    port: int = 7860
    allowed_hosts: tuple[str, ...] = field(default_factory=space_host)
    share: bool = False
    max_new_tokens: int = 128
    in_context: bool = False

    def __post_init__(self) -> None:
        _require(bool(self.model.strip()), "model", self.model, "give a hub id or a folder")
        _require(self.preset in PRESETS, "preset", self.preset, f"choose one of {', '.join(PRESETS)}")
        _require(bool(self.host.strip()), "host", self.host, "give an address such as 127.0.0.1")
        _require(1 <= self.port <= 65535, "port", self.port, "give a number from 1 to 65535")
        _require(self.max_new_tokens >= 1, "max_new_tokens", self.max_new_tokens, "give a number of at least 1")
        positive = self.epsilon is None or (math.isfinite(self.epsilon) and self.epsilon > 0)
        _require(positive, "epsilon", self.epsilon, "give a number above 0")

    @property
    def effective_database_url(self) -> str:
        """The journal's SQLAlchemy URL."""
        if self.database_url:
            return self.database_url
        from sqlalchemy.engine import URL  # half a second that `--help` should not wait for

        file = (self.data_dir / "journal.sqlite").absolute()
        return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)

    @property
    def config_overrides(self) -> dict[str, Any]:
        """What the person chose against the preset, by the names of GraceConfig's fields."""
        chosen = {"value_layer": self.layer, "key_layer": self.key_layer, "epsilon": self.epsilon}
        return {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True)
class Option:
    """One setting as a person meets it.

    name: the flag's name (`--data-dir` for data_dir) and the variable's (GRACE_STUDIO_DATA_DIR).
    parse: its text → its value; a ValueError's text says what is expected.
    default: the default in words, for help texts.
    """

    name: str
    attribute: str
    parse: Callable[[str], Any]
    metavar: str
    default: str
    help: str
    is_switch: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENV_PREFIX + self.name.upper()


N = TypeVar("N", int, float)


def _as(kind: Callable[[str], N], expected: str) -> Callable[[str], N]:
    """Reads a number. expected: what to give, for messages."""

    def read(text: str) -> N:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(expected) from None

    return read


_WHOLE, _NUMBER = _as(int, "give a whole number"), _as(float, "give a number")
_LAYER = _as(int, "give the number of a block; 1 is the first")


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _switch(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise ValueError("give true or false")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if any(set(name) & set("/: ") for name in names):
        raise ValueError("give names as in an address, without http:// and port, with commas between them")
    return names


def _own_words(text: str) -> str:
    return text.strip()


OPTIONS: tuple[Option, ...] = (
    Option("model", "model", _own_words, "ID_OR_FOLDER", DEFAULT_MODEL, "model on the Hugging Face hub, or a folder"),
    Option(
        "preset",
        "preset",
        _own_words,
        "NAME",
        "robust",
        "robust (as this project recommends), early (its former default) or paper (as published)",
    ),
    Option("layer", "layer", _LAYER, "LAYER", "by preset", "block whose output a value replaces; 1 is the first"),
    Option("key_layer", "key_layer", _LAYER, "LAYER", "by preset", "block after which the query is read; 1 is the first"),
    Option("epsilon", "epsilon", _NUMBER, "NUMBER", "by preset", "radius that a new key asks for"),
    Option("data_dir", "data_dir", _path, "FOLDER", "~/.local/share/grace-studio", "where the journal of all work is kept"),
    Option("database_url", "database_url", _own_words, "URL", "SQLite in the data folder", "SQLAlchemy URL of the journal"),
    Option(
        "cache",
        "cache_dir",
        _path,
        "FOLDER",
        "~/.cache/grace-studio",
        "the packaged model, which commit of another is used, prompts sampled; downloads: HF_HOME",
    ),
    Option("host", "host", _own_words, "ADDRESS", "127.0.0.1", "address to listen on; 0.0.0.0 for every network"),
    Option("port", "port", _WHOLE, "PORT", "7860", "port to listen on"),
    Option(
        "allowed_host",
        "allowed_hosts",
        _names,
        "NAMES",
        "that of the Space",
        "more names that the studio goes by, such as that of a proxy; *.example.org for all below one",
    ),
    Option("share", "share", _switch, "", "off", "also open a public gradio.live link", is_switch=True),
    Option("max_new_tokens", "max_new_tokens", _WHOLE, "COUNT", "128", "longest answer, in tokens"),
    Option(
        "in_context",
        "in_context",
        _switch,
        "",
        "off",
        "where no edit answers, put the fact of one about the same subject before the prompt; who asks may say otherwise",
        is_switch=True,
    ),
)


def make_settings(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    """Flags win over environment variables, and these over the defaults; an empty variable counts as not set.

    Args:
        flags: option name → text as typed; None or absent where the flag was not given.
        environment: as os.environ.

    Raises:
        SettingsError: something received makes no sense; the message names the flag or variable it came from.
    """
    values: dict[str, Any] = {}
    for option in OPTIONS:
        text, origin = flags.get(option.name), option.flag
        if text is None:
            text, origin = environment.get(option.variable) or None, option.variable
        if text is None:
            continue
        try:
            values[option.attribute] = option.parse(text)
        except ValueError as error:
            raise SettingsError(f"{origin} received “{text}”: {error}.") from error
    return Settings(**values)


def prepare_data_dir(settings: Settings) -> None:
    """Make the data folder and prove that it can be written, before anything slow starts."""
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise SettingsError(
            f"The data folder {folder} cannot be written: {error.strerror or error}. Make it writable, make room, or "
            f"choose another one with {_option('data_dir').flag} or {_option('data_dir').variable}."
        ) from error


def _option(attribute: str) -> Option:
    return next(option for option in OPTIONS if option.attribute == attribute)


def _require(condition: bool, attribute: str, received: object, advice: str) -> None:
    if not condition:
        option = _option(attribute)
        raise SettingsError(f"{option.flag} ({option.variable}) received “{received}”: {advice}.")


assert {option.attribute for option in OPTIONS} == {entry.name for entry in fields(Settings)}
