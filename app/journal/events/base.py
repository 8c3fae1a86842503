"""What every kind of event has: a name on disk, checked fields, a check and a fold; and the form in which it is stored.

A kind is a frozen dataclass made by `@kind(name)`. It says in `problem` why it cannot follow on a state, and in `fold`
what it does to one. A new kind is one new module in this folder. Nothing here knows a database or a page.

An event is JSON-able fields plus float32 arrays; arrays are kept apart from the JSON as raw little-endian bytes, so that
they come back bit for bit. Values are checked when an event is made, by the same code for one that is about to be
written and one that was read: a wrong value in a program is a TypeError, the same in a stored row is a DamagedEvent.

Evolving: a field may be added where it has a default (older rows then still load). A kind or field that this program
does not know was written by a newer one and is refused, since what it means for the state cannot be guessed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, TypeAlias, TypeVar, dataclass_transform, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, create_model
from pydantic_core import CoreSchema, core_schema

from app.errors import DamagedEvent, JournalError
from app.journal.checksums import event_id

if TYPE_CHECKING:
    from app.journal.state.journal_state import JournalState

DTYPE = "<f4"
_HALF = "\\ud"  # how JSON begins to write a lone surrogate, and one half of any character above U+FFFF

Float32: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Array:
    """Marks a field as an array of so many dimensions, for pydantic and for the stored form."""

    ndim: int

    def checked(self, value: object) -> Float32:
        """The value itself; ValueError where it is another thing, or no number in some place."""
        if isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == self.ndim:
            if not np.isfinite(value).all():
                raise ValueError(f"holds NaN or infinity in {np.count_nonzero(~np.isfinite(value))} of {value.size} places")
            return value
        got = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise ValueError(f"must be a float32 array of {self.ndim} dimension(s), got {got}")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.checked)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"description": f"A float32 array of {self.ndim} dimension(s), kept apart from the payload.", "type": "object"}


Vector: TypeAlias = Annotated[Float32, Array(1)]
Matrix: TypeAlias = Annotated[Float32, Array(2)]


@dataclass(frozen=True, eq=False)
class Event:
    """Checks what it is made of; equal where every field is, arrays bit for bit.

    KIND: its name on disk. CHANGES_CODEBOOK: after it the codebook may be another one.
    STANDS_ALONE: what other events mean does not depend on what it holds, so that a damaged one is kept as `Broken`.
    """

    KIND: ClassVar[str]
    CHANGES_CODEBOOK: ClassVar[bool] = True
    STANDS_ALONE: ClassVar[bool] = False

    @property
    def subject(self) -> str:
        """The id of what it is about: its first field."""
        return str(getattr(self, fields(self)[0].name))

    def __post_init__(self) -> None:
        try:
            KINDS[self.KIND].checker.model_validate(vars(self))
        except ValidationError as error:
            raise TypeError(f"{type(self).__name__}.{_in_words(error)}") from None

    def problem(self, state: JournalState) -> str | None:
        """Why it cannot follow on this state: only what would make the fold ambiguous; None where it can."""
        return None

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        """Change the state. event: this event, with its place in the journal."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        arrays = KINDS[self.KIND].arrays
        return all(
            _same_bits(getattr(self, item.name), getattr(other, item.name))
            if item.name in arrays
            else getattr(self, item.name) == getattr(other, item.name)
            for item in fields(self)
        )

    def __hash__(self) -> int:
        return hash((self.KIND, self.subject))


class Kind(NamedTuple):
    """A registered kind. checker: its fields for pydantic; arrays: names of those that are kept apart from the JSON."""

    event_type: type[Event]
    checker: type[BaseModel]
    arrays: frozenset[str]


KINDS: dict[str, Kind] = {}
"""All kinds by their name on disk, in the order of registration."""

E = TypeVar("E", bound=Event)


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def kind(name: str, *, changes_codebook: bool = True, stands_alone: bool = False) -> Callable[[type[E]], type[E]]:
    """Make a class a frozen dataclass and register it under its name on disk."""

    def register(event_type: type[E]) -> type[E]:
        if name in KINDS:
            raise ValueError(f"The kind {name!r} is registered already, by {KINDS[name].event_type.__name__}.")
        event_type.KIND, event_type.CHANGES_CODEBOOK, event_type.STANDS_ALONE = name, changes_codebook, stands_alone
        made = dataclass(frozen=True, eq=False)(event_type)
        hints = get_type_hints(made, include_extras=True)
        own: dict[str, Any] = {item.name: (hints[item.name], ...) for item in fields(made)}
        checker = create_model(
            made.__name__, __config__=ConfigDict(strict=True, allow_inf_nan=False), __doc__=made.__doc__, **own
        )
        arrays = {name for name, (hint, _) in own.items() if any(isinstance(m, Array) for m in getattr(hint, "__metadata__", ()))}
        KINDS[name] = Kind(made, checker, frozenset(arrays))
        return made

    return register


@dataclass(frozen=True)
class StoredEvent:
    """An event with its place in the journal.

    seq: rises within a stream (with gaps). stream: a codebook's id, or `tables.STUDIO`. at: aware, in UTC.
    event_id: its own, in every journal that holds it.
    """

    seq: int
    stream: str
    at: datetime
    author: str
    data: Event
    event_id: str = field(default_factory=event_id)


class EncodedArray(NamedTuple):
    """One array as stored: raw bytes in C order, and what is needed to read them."""

    dtype: str
    shape: str
    data: bytes


class EncodedEvent(NamedTuple):
    kind: str
    payload: str
    arrays: dict[str, EncodedArray]


def encode(data: Event) -> EncodedEvent:
    """The event as it is stored, in ASCII: all that no text column takes is escaped. ValueError for what JSON cannot hold."""
    arrays = KINDS[data.KIND].arrays
    plain = {item.name: getattr(data, item.name) for item in fields(data) if item.name not in arrays}
    payload = json.dumps(plain, allow_nan=False, separators=(",", ":"))
    return EncodedEvent(data.KIND, payload, {name: _encode_array(getattr(data, name)) for name in sorted(arrays)})


def decode(kind: str, payload: str, arrays: Mapping[str, EncodedArray], *, where: str) -> Event:
    """The event back from its stored form; arrays are read-only. `where` names the row in an error's message."""
    known = KINDS.get(kind)
    if known is None:
        raise JournalError(
            f"{where} is of the kind {kind!r}, which this version does not know (it knows {', '.join(KINDS)}): a newer "
            "version wrote it. Update Grace Studio, or choose another data directory."
        )
    try:
        values = read_payload(payload)
        plain = {item.name for item in fields(known.event_type)} - known.arrays
        if unknown := sorted((values.keys() - plain) | (arrays.keys() - known.arrays)):
            raise JournalError(
                f"{where} ({kind}) has fields that this version does not know ({', '.join(unknown)}): a newer version "
                "wrote it. Update Grace Studio, or choose another data directory."
            )
        # A query space only quotes texts, also of rows that are broken for this; it is whole without them.
        if known.event_type.STANDS_ALONE and (name := _with_half_a_character(values, payload)):
            raise ValueError(f"{name} holds half a character")
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        for name, array in arrays.items():
            values[name] = _decode_array(array)
        return known.event_type(**values)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedEvent(f"{where} ({kind})", str(error)) from error


def refuse_half_characters(encoded: EncodedEvent) -> None:
    """Raise JournalError for a text with half a character in it, which no page and no file could show."""
    values = read_payload(encoded.payload) if _HALF in encoded.payload else {}
    if name := _with_half_a_character(values, encoded.payload):
        raise JournalError(f"The {name} {values[name]!r:.80} holds characters that cannot be stored. Leave them out.")


def read_payload(payload: str) -> dict[str, Any]:
    """The JSON fields. ValueError for anything else."""
    try:
        values = json.loads(payload)
    except RecursionError:
        raise ValueError("its payload is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError(f"its payload is {values!r:.80}")
    return values


def _with_half_a_character(values: Mapping[str, Any], payload: str) -> str | None:
    """The first field with a lone surrogate in it. Such a one is escaped in a payload, so most need no second look."""
    if _HALF not in payload:
        return None
    return next((name for name, value in values.items() if not _is_text(json.dumps(value, ensure_ascii=False))), None)


def _is_text(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _encode_array(array: Float32) -> EncodedArray:
    return EncodedArray(DTYPE, json.dumps(array.shape), np.ascontiguousarray(array, dtype=DTYPE).tobytes())


def _decode_array(array: EncodedArray) -> Float32:
    if array.dtype != DTYPE:
        raise ValueError(f"an array of dtype {array.dtype!r} instead of {DTYPE!r}")
    return np.frombuffer(array.data, dtype=DTYPE).reshape(json.loads(array.shape)).astype(np.float32, copy=False)


def _same_bits(one: Float32, other: Float32) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _in_words(error: ValidationError) -> str:
    """Which field, what is wrong with it and what it was: of the first thing that pydantic found."""
    first = error.errors(include_url=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"][:2])
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{where} {said}" if first["type"] == "value_error" else f"{where} {said}, got {first['input']!r:.80}"
