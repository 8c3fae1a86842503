"""What can happen in a codebook: one frozen dataclass per kind of event, and their form on disk.

Nothing here knows a database. An event is JSON-able fields plus float32 arrays; arrays are kept apart from the JSON as
raw little-endian bytes, so that they come back bit for bit. Values are checked when an event is made, by the same code
for one that is about to be written and one that was read: a wrong type in a program is a TypeError, the same in a
stored row is a JournalError.

Evolving: a field may be added where it has a default (older rows then still load). A kind or field that this program
does not know was written by a newer one and is refused, since what it means for the state cannot be guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from app.errors import JournalError
from app.studio.views import Verdict
from grace_core.config import Distance, Encoding, Pool

DTYPE = "<f4"

Float32: TypeAlias = NDArray[np.float32]
# An array field is one annotated with its number of dimensions.
Vector: TypeAlias = Annotated[Float32, 1]
Matrix: TypeAlias = Annotated[Float32, 2]


@dataclass(frozen=True, eq=False)
class _Event:
    """Checks what it is made of; equal where every field is, arrays bit for bit (so that NaN equals itself)."""

    KIND: ClassVar[str]

    def __post_init__(self) -> None:
        for name, ndim in _FIELDS[self.KIND].arrays.items():
            value = getattr(self, name)
            if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim != ndim:
                raise TypeError(
                    f"{type(self).__name__}.{name} must be a float32 array of {ndim} dimension(s), got {_what(value)}"
                )
        for name, hint in _FIELDS[self.KIND].plain.items():
            if not _fits(getattr(self, name), hint):
                got = getattr(self, name)
                raise TypeError(f"{type(self).__name__}.{name} must be {_hint_name(hint)}, got {got!r:.80}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _FIELDS[self.KIND].plain) and all(
            getattr(self, name).shape == getattr(other, name).shape
            and getattr(self, name).tobytes() == getattr(other, name).tobytes()
            for name in _FIELDS[self.KIND].arrays
        )

    def __hash__(self) -> int:
        return hash((self.KIND, getattr(self, fields(self)[0].name)))  # the id, or the version


@dataclass(frozen=True, eq=False)
class Generated(_Event):
    """The model answered a prompt.

    activation: (width,) pooled hidden states before encoding, read as the reading `reading` says (see `Reread`).
    """

    KIND: ClassVar[str] = "generated"
    query_id: str
    prompt: str
    text: str
    edit_id: str | None
    nearest_edit_id: str | None
    distance: float | None
    epsilon: float | None
    truncated: bool
    activation: Vector = field(repr=False)
    reading: str = ""


@dataclass(frozen=True, eq=False)
class Marked(_Event):
    """A reviewer judged text[start:end] (code points) of one answer."""

    KIND: ClassVar[str] = "marked"
    mark_id: str
    query_id: str
    start: int
    end: int
    text: str
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Unmarked(_Event):
    """A mark was removed."""

    KIND: ClassVar[str] = "unmarked"
    mark_id: str


@dataclass(frozen=True, eq=False)
class Edited(_Event):
    """An edit took. It holds all that a fold needs, so that no replay ever has to train.

    change: what the edit did to the codebook then, as JSON (tuples come back as lists).
    requested_epsilon: the radius asked for; the one in force is the fold's to say.
    activation: (width,), read as the reading `reading` says; the radius is in its unit. value: (positions, width).
    """

    KIND: ClassVar[str] = "edited"
    edit_id: str
    query_id: str | None
    prompt: str
    target: str
    target_ids: tuple[int, ...]
    paraphrases: tuple[str, ...]
    source_url: str
    text_before: str
    text_after: str
    change: dict[str, Any]
    requested_epsilon: float
    losses: tuple[float, ...]
    seconds: float
    activation: Vector = field(repr=False)
    value: Matrix = field(repr=False)
    reading: str = ""


@dataclass(frozen=True, eq=False)
class Undone(_Event):
    """An edit was withdrawn."""

    KIND: ClassVar[str] = "undone"
    edit_id: str


@dataclass(frozen=True, eq=False)
class Redone(_Event):
    """A withdrawn edit was restored, at its old place in the order of edits."""

    KIND: ClassVar[str] = "redone"
    edit_id: str


@dataclass(frozen=True, eq=False)
class Calibrated(_Event):
    """The encoder got a new version. activations: (rows, width), raw, joining the background of the reading's encoder."""

    KIND: ClassVar[str] = "calibrated"
    version: int
    reason: str
    prompts: tuple[str, ...]
    activations: Matrix = field(repr=False)
    reading: str = ""


@dataclass(frozen=True, eq=False)
class EpsilonChanged(_Event):
    """Another radius was asked for, in the unit of the reading `reading`, and while that is in force.

    edit_ids: for these edits; None: for every edit made so far, withdrawn or not.
    """

    KIND: ClassVar[str] = "epsilon_changed"
    change_id: str
    edit_ids: tuple[str, ...] | None
    epsilon: float
    reading: str = ""


@dataclass(frozen=True, eq=False)
class EpsilonUndone(_Event):
    """A change of ε was withdrawn: each edit asks again for what it would ask for had the change never been made."""

    KIND: ClassVar[str] = "epsilon_undone"
    change_id: str


@dataclass(frozen=True, eq=False)
class EpsilonRedone(_Event):
    """A withdrawn change of ε was restored, at its old place in the order of changes."""

    KIND: ClassVar[str] = "epsilon_redone"
    change_id: str


@dataclass(frozen=True, eq=False)
class Reread(_Event):
    """From here on queries are read otherwise: a new reading, in which everything known so far was read anew.

    Values stay what they are. What an event holds that depends on the reading (activations, radii, calibrations) is of
    the reading that it names; "" is the one that the codebook began with. Nothing of a reading is lost: see `Returned`.

    version: of the encoder that this makes; above that of any encoder before it, in whichever reading.
    epsilon: what every edit made so far asks for in this reading, and what a later one begins with.
    background: what the encoder is calibrated on; token weights are counted on the first `weighed` of them.
    background_activations: (background, width); (0, width) where the encoding is raw, which has nothing to calibrate.
    prompts: the distinct texts of all edits, withdrawn or not, and of all logged queries. activations: (prompts, width).
    """

    KIND: ClassVar[str] = "reread"
    reading_id: str
    key_layer: int
    pool: Pool
    encoding: Encoding
    distance: Distance
    epsilon: float
    version: int
    background: tuple[str, ...]
    weighed: int
    prompts: tuple[str, ...]
    background_activations: Matrix = field(repr=False)
    activations: Matrix = field(repr=False)


@dataclass(frozen=True, eq=False)
class Returned(_Event):
    """A former reading is in force again, with its encoder, its activations and its changes of ε as they were left.

    Only what was made since is new to it. epsilon: what those edits ask for there. prompts: the texts of the edits and
    logged queries that the reading has not seen. activations: (prompts, width).
    """

    KIND: ClassVar[str] = "returned"
    reading_id: str
    epsilon: float
    prompts: tuple[str, ...]
    activations: Matrix = field(repr=False)


EventData: TypeAlias = (
    Generated
    | Marked
    | Unmarked
    | Edited
    | Undone
    | Redone
    | Calibrated
    | EpsilonChanged
    | EpsilonUndone
    | EpsilonRedone
    | Reread
    | Returned
)
EVENT_TYPES: tuple[type[EventData], ...] = get_args(EventData)
# After one of these the codebook is another one.
FOLDED = (Edited, Undone, Redone, Calibrated, EpsilonChanged, EpsilonUndone, EpsilonRedone, Reread, Returned)


class _Fields(NamedTuple):
    """How the fields of one kind are stored: those in the JSON → type hint; arrays → number of dimensions."""

    plain: dict[str, Any]
    arrays: dict[str, int]


def _read_fields(event_type: type[_Event]) -> _Fields:
    hints = get_type_hints(event_type, include_extras=True)
    own = {item.name: hints[item.name] for item in fields(event_type)}
    return _Fields(
        plain={name: hint for name, hint in own.items() if get_origin(hint) is not Annotated},
        arrays={name: hint.__metadata__[0] for name, hint in own.items() if get_origin(hint) is Annotated},
    )


_FIELDS: dict[str, _Fields] = {event_type.KIND: _read_fields(event_type) for event_type in EVENT_TYPES}
_BY_KIND: dict[str, type[EventData]] = {event_type.KIND: event_type for event_type in EVENT_TYPES}


@dataclass(frozen=True)
class StoredEvent:
    """An event with its place in the journal. seq rises within a codebook (with gaps); at is aware, in UTC."""

    seq: int
    codebook_id: str
    at: datetime
    author: str
    data: EventData


class EncodedArray(NamedTuple):
    """One array as stored: raw bytes in C order, and what is needed to read them."""

    dtype: str
    shape: str
    data: bytes


class EncodedEvent(NamedTuple):
    kind: str
    payload: str
    arrays: dict[str, EncodedArray]


def encode(data: EventData) -> EncodedEvent:
    """The event as it is stored. ValueError for what JSON cannot hold (NaN, infinity).

    ASCII only: user and model text may hold what a database's text column refuses (NUL, lone surrogates).
    """
    plain = {name: getattr(data, name) for name in _FIELDS[data.KIND].plain}
    payload = json.dumps(plain, allow_nan=False, separators=(",", ":"))
    arrays: dict[str, EncodedArray] = {}
    for name in _FIELDS[data.KIND].arrays:
        array: Float32 = getattr(data, name)
        raw = np.ascontiguousarray(array, dtype=DTYPE).tobytes()
        arrays[name] = EncodedArray(DTYPE, json.dumps(array.shape), raw)
    return EncodedEvent(data.KIND, payload, arrays)


def decode(kind: str, payload: str, arrays: Mapping[str, EncodedArray], *, where: str) -> EventData:
    """The event back from its stored form; arrays are read-only. `where` names the row in an error's message."""
    event_type = _BY_KIND.get(kind)
    if event_type is None:
        known = ", ".join(_BY_KIND)
        raise JournalError(
            f"{where} is of the kind {kind!r}, which this version does not know (it knows {known}): a newer version "
            "wrote it. Update Grace Studio, or choose another data directory."
        )
    try:
        values = json.loads(payload)
        if not isinstance(values, dict):
            raise TypeError(f"payload is {values!r:.80}")
        known_fields = _FIELDS[kind]
        if unknown := sorted((values.keys() - known_fields.plain) | (arrays.keys() - known_fields.arrays)):
            raise JournalError(
                f"{where} ({kind}) has fields that this version does not know ({', '.join(unknown)}): a newer version "
                "wrote it. Update Grace Studio, or choose another data directory."
            )
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        for name, array in arrays.items():
            values[name] = _decode_array(array)
        return event_type(**values)
    except (ValueError, TypeError) as error:
        raise JournalError(
            f"{where} ({kind}) is damaged: {error}. Restore the journal from a backup, or choose another data directory."
        ) from error


def _decode_array(array: EncodedArray) -> Float32:
    if array.dtype != DTYPE:
        raise ValueError(f"an array of dtype {array.dtype!r} instead of {DTYPE!r}")
    return np.frombuffer(array.data, dtype=DTYPE).reshape(json.loads(array.shape)).astype(np.float32, copy=False)


def _fits(value: object, hint: Any) -> bool:
    """Whether a value has the type that a field declares; only as much of typing as the events above use."""
    origin = get_origin(hint)
    if origin is Union or origin is UnionType:
        return any(_fits(value, option) for option in get_args(hint))
    if origin is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if origin is tuple:
        item_hint = get_args(hint)[0]
        # One look per type, not per item: a journal holds thousands of loss curves.
        return isinstance(value, tuple) and all(_type_fits(kind, item_hint) for kind in set(map(type, value)))
    return _type_fits(type(value), origin or hint)


def _type_fits(kind: type, hint: type) -> bool:
    if kind is bool:
        return hint is bool
    return issubclass(kind, (int, float) if hint is float else hint)


def _hint_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint).replace("typing.", "")


def _what(value: object) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
