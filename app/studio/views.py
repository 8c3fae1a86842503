"""What the studio hands to a page or an endpoint: frozen, named, complete.

Nothing here knows a widget, a database row or a tensor hook.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np

from app.journal.events.answers import VERDICTS as VERDICTS
from app.journal.events.answers import Verdict as Verdict
from app.journal.state.answers import Mark as Mark
from app.studio.changes import ChangeShown, Neighbor
from grace_core.codebook.change import ChangeKind
from grace_core.codebook.codebook import Codebook, Edit, Parts
from grace_core.config import Encoding, GraceConfig, Pool
from grace_core.measuring.distances import Choice

EditState = Literal["active", "undone", "superseded", "broken"]


@dataclass(frozen=True)
class Status:
    """The line at the top of every page: which model, which codebook, how much is in it.

    Layers, pool, encoding and epsilon are those in force; reread: they are not those that the codebook began with.
    in_context: whether facts are put before prompts where whoever asks does not say.
    """

    model_name: str
    fingerprint: str
    preset: str
    key_layer: int
    value_layer: int
    epsilon: float
    active_edits: int
    queries: int
    data_dir: str
    codebook_id: str = ""
    pool: Pool = "weighted"
    encoding: Encoding = "whiten"
    reread: bool = False
    in_context: bool = False


@dataclass(frozen=True)
class FactGiven:
    """The edit whose fact was put before a prompt. parts: of the distance to its key; None where it is no longer in force."""

    edit_id: str
    parts: Parts | None


@dataclass(frozen=True)
class Answer:
    """One logged generation.

    distance: from the query to the nearest key, in the codebook's query space (None: no key yet).
    epsilon: the nearest key's ε. edit_id is set only where the nearest key matched (distance <= epsilon).
    All this as it was when it was asked; edit_id_now: the edit that the present codebook lets answer it.
    parts: of the distance to the nearest key, where that is still there and has two parts.
    fact: put before the prompt, where no edit answered and one is about its subject; None: the model got the prompt alone.
    """

    query_id: str
    prompt: str
    text: str
    edit_id: str | None
    nearest_edit_id: str | None
    distance: float | None
    epsilon: float | None
    at: datetime
    author: str = ""
    truncated: bool = False
    edit_id_now: str | None = None
    parts: Parts | None = None
    fact: FactGiven | None = None

    @property
    def past(self) -> bool:
        """Whether another edit, or none, would answer now: the text says what was answered, not what would be."""
        return self.edit_id_now != self.edit_id


@dataclass(frozen=True)
class PartialAnswer:
    """An answer while it is being generated: all text so far."""

    text: str


@dataclass(frozen=True)
class EditProgress:
    """Where a running edit stands. `losses` holds the mean loss of every step so far (nats per token)."""

    stage: str
    step: int
    limit: int
    losses: tuple[float, ...]


@dataclass(frozen=True)
class EditOutcome:
    """The end of one edit. Where success is False nothing was kept: edit_id and change are None, `reason` says why."""

    success: bool
    edit_id: str | None
    prompt: str
    target: str
    text_before: str
    text_after: str
    change: ChangeShown | None
    epsilon: float | None
    losses: tuple[float, ...]
    seconds: float
    reason: str = ""
    note: str = ""
    """What else a reviewer should know of a successful edit: phrasings not reached, logged queries answered otherwise."""


@dataclass(frozen=True)
class EditRow:
    """One edit in a list. epsilon is None where the edit is not in force. covered_by: see `ChangeShown` expanded."""

    edit_id: str
    prompt: str
    target: str
    author: str
    at: datetime
    epsilon: float | None
    matches: int
    state: EditState
    change: ChangeKind
    paraphrases: tuple[str, ...] = ()
    source_url: str = ""
    damage: str = ""
    """What is wrong with the row of a broken edit, which is not in force and can be undone; "" for any other."""


@dataclass(frozen=True)
class EditPage:
    """A page of edits, newest first. `total` counts those that pass the filter, `counts` all edits by state.

    offset: how many of them come before the page.
    """

    rows: tuple[EditRow, ...]
    total: int
    counts: dict[EditState, int]
    offset: int = 0


class EditsMark(NamedTuple):
    """What tells one state of the edits from another: the newest one, by whom, and how many are undone. Cheap to ask for.

    "" where there is no edit yet.
    """

    newest: str
    prompt: str
    author: str
    undone: int


@dataclass(frozen=True)
class MatchedQuery:
    """A logged query answered by an edit now; distance to that edit's key under the present encoder.

    text: what was answered when it was asked. said_by: the edit that gave that answer (None: the model itself).
    """

    query_id: str
    prompt: str
    text: str
    distance: float
    at: datetime
    said_by: str | None = None


@dataclass(frozen=True)
class EditDetail:
    row: EditRow
    text_before: str
    text_after: str
    change: str
    neighbors: tuple[Neighbor, ...]
    matched: tuple[MatchedQuery, ...]
    serves: tuple[str, ...] = ()
    """All edits that this one's key answers for, itself among them; none where it is not in force."""
    subject_end: float | None = None
    """With two keys, where the subject's part of its key ends, if that is before ε."""


@dataclass(frozen=True)
class MapKey:
    """A key in force; `edit_ids` are the edits it serves (the first one owns it).

    subject_end: with two keys, where the subject's part ends; None: at ε, as the question's.
    """

    edit_id: str
    edit_ids: tuple[str, ...]
    prompt: str
    target: str
    epsilon: float
    subject_end: float | None = None


@dataclass(frozen=True)
class MapQuery:
    query_id: str
    prompt: str
    text: str
    edit_id: str | None
    distance: float | None
    author: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class MapView:
    """Everything a map needs; vectors are in the codebook's query space, float32.

    key_vectors: (keys, width); query_vectors: (queries, width). `version` changes when any of it changes.
    query_space_id: of the one that the vectors are in; those in another one cannot be compared with them.
    """

    version: str
    keys: tuple[MapKey, ...]
    queries: tuple[MapQuery, ...]
    key_vectors: np.ndarray = field(repr=False)
    query_vectors: np.ndarray = field(repr=False)
    query_space_id: str = ""


class MapMoment(NamedTuple):
    """A map's points with the codebook and the query space that they are of: distances of another one would mislead."""

    view: MapView
    codebook: Codebook
    query_space_id: str


@dataclass(frozen=True, eq=False)
class UndoneKeys:
    """Undone edits, newest first, and where their keys would stand now.

    version: of the map view of the same moment. count: how many there are at all. vectors: (edits, dimensions).
    """

    version: str
    count: int
    edits: tuple[Edit, ...]
    vectors: np.ndarray


@dataclass(frozen=True)
class EpsilonRow:
    """One change of ε in the list of them. edit_id and prompt are None where it was about all edits of its time (`edits`)."""

    change_id: str
    epsilon: float
    edit_id: str | None
    prompt: str | None
    edits: int
    author: str
    at: datetime
    undone: bool


@dataclass(frozen=True)
class QuerySpace:
    """How queries are read and where values are put in. config: the one in force. blocks: of the model, numbered from 1."""

    config: GraceConfig
    blocks: int

    @property
    def key_layer(self) -> int:
        """Queries are read after this block."""
        assert self.config.key_layer is not None  # resolved
        return self.config.key_layer

    @property
    def choice(self) -> Choice:
        """Layer, pooling and encoding, as a scan measures them."""
        return Choice(self.key_layer, self.config.pool, self.config.encoding)


@dataclass(frozen=True)
class QuerySpaceRow:
    """One query space that this codebook has had. author, at: None for the one that it began with.

    epsilon: what its edits were given with it. in_force: prompts are read so now.
    """

    query_space_id: str
    key_layer: int
    pool: Pool
    encoding: Encoding
    epsilon: float
    author: str | None
    at: datetime | None
    in_force: bool


@dataclass(frozen=True, eq=False)
class Trial:
    """A prompt that was looked at, not logged: what a codebook needs to say what would answer it.

    activation: (width,) float32, pooled and not encoded, so that it stays true whatever is edited or recalibrated.
    query_space_id: of the one that it was read in; in another one it says nothing.
    """

    prompt: str
    activation: np.ndarray = field(repr=False)
    query_space_id: str = ""
