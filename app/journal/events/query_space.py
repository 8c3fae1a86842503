"""How prompts become queries: calibrations of the encoder, another query space, the return to a former one.

On disk a query space is a `reading`, its name in the first releases.
"""

from __future__ import annotations

import json
from dataclasses import field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from app.journal.events.base import Event, Matrix, StoredEvent, Vector, kind
from app.journal.state.answers import Answers
from app.journal.state.edits import Edits
from app.journal.state.query_space import FIRST, QuerySpace, QuerySpaces, radius_problem
from grace_core.codebook.learned import LearnedEncoder, encoder_of_tensors, tensors_of
from grace_core.config import Distance, Encoding, Pool

if TYPE_CHECKING:
    from app.journal.state.journal_state import JournalState


@kind("calibrated")
class Calibrated(Event):
    """The encoder got a new version. activations: (rows, width), raw, joining the background of the query space's encoder."""

    version: int
    reason: str
    prompts: tuple[str, ...]
    activations: Matrix = field(repr=False)
    reading: str = ""

    def problem(self, state: JournalState) -> str | None:
        spaces = state.part(QuerySpaces)
        return spaces.version_problem(self.version) or spaces.elsewhere(self.reading)

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        spaces = state.part(QuerySpaces)
        spaces.present.calibrations.append(self)
        spaces.version = self.version


@kind("fitted")
class Fitted(Event):
    """A learned encoder, for the query space that the codebook begins with (`begins`), or for one that a `Reread` makes.

    encoder: its name, a SHA-256 over its tensors. layout: their names and shapes as JSON, in the order in which
    `parameters` (numbers,) holds them.
    """

    encoder: str
    layout: str
    begins: bool
    parameters: Vector = field(repr=False)

    @classmethod
    def of(cls, learned: LearnedEncoder, *, begins: bool) -> Fitted:
        """As the journal keeps this encoder."""
        tensors = tensors_of(learned)
        layout = json.dumps([[name, list(tensor.shape)] for name, tensor in tensors.items()])
        parameters = np.concatenate([tensor.ravel() for tensor in tensors.values()])
        return cls(learned.name, layout, begins, parameters.astype(np.float32))

    @cached_property
    def learned(self) -> LearnedEncoder:
        """The encoder itself.

        Raises:
            ValueError: it is not the one that was written.
        """
        tensors, at = {}, 0
        for name, shape in json.loads(self.layout):
            size = prod(shape)
            tensors[name] = self.parameters[at : at + size].reshape(shape)
            at += size
        learned = encoder_of_tensors(tensors)
        if learned.name != self.encoder:
            raise ValueError(f"its name is {self.encoder:.12}…, and its tensors give {learned.name:.12}…")
        return learned

    def problem(self, state: JournalState) -> str | None:
        try:
            _ = self.learned
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return f"the encoder cannot be read ({error})"
        if self.begins and state.part(QuerySpaces).by_id[FIRST].encoder is not None:
            return "the codebook has begun with another encoder"
        return None

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        spaces = state.part(QuerySpaces)
        spaces.encoders[self.encoder] = self.learned
        if self.begins:
            spaces.by_id[FIRST].encoder = self.learned


@kind("reread")
class Reread(Event):
    """From here on queries are read otherwise: a new query space, in which everything known so far was read anew.

    Values stay what they are. What an event holds that depends on the query space (activations, radii, calibrations) is
    of the one that it names; "" is the one that the codebook began with. Nothing of it is lost: see `Returned`.

    version: of the encoder that this makes; above that of any encoder before it, in whichever query space.
    epsilon: what every edit made so far asks for in this query space, and what a later one begins with.
    encoder: the name of the learned one (see `Fitted`); "" where the encoding is another.
    background: what the encoder is calibrated on; token weights are counted on the first `weighed` of them.
    background_activations: (background, width); (0, width) where the encoding is raw, which has nothing to calibrate.
    prompts: the distinct texts of all edits, withdrawn or not, and of all logged queries. activations: (prompts, width).
    """

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
    encoder: str = ""

    def problem(self, state: JournalState) -> str | None:
        spaces = state.part(QuerySpaces)
        if (self.encoding == "learned") != (self.encoder in spaces.encoders):
            return f"the encoder {self.encoder!r} does not go with the encoding {self.encoding!r}, or it is not there"
        if wrong := spaces.version_problem(self.version):
            return wrong
        if self.reading_id in spaces.by_id:
            return f"the reading {self.reading_id!r} is already there"
        rows = (len(self.background),) if self.encoding == "whiten" else (0, len(self.background))
        if len(self.background_activations) not in rows or not 0 <= self.weighed <= len(self.background):
            return f"there are {len(self.background)} background prompts and {len(self.background_activations)} activations"
        return radius_problem(self.epsilon) or _unread_problem(state, None, self)

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        spaces = state.part(QuerySpaces)
        spaces.version = self.version
        first = Calibrated(self.version, "reread", self.background, self.background_activations, self.reading_id)
        made = QuerySpace(self.reading_id, self, event, calibrations=[first], encoder=spaces.encoders.get(self.encoder))
        spaces.by_id[self.reading_id] = made
        _enter(state, self)


@kind("returned")
class Returned(Event):
    """A former query space is in force again, with its encoder, its activations and its changes of ε as they were left.

    Only what was made since is new to it. epsilon: what those edits ask for there. prompts: the texts of the edits and
    logged queries that it has not seen. activations: (prompts, width).
    """

    reading_id: str
    epsilon: float
    prompts: tuple[str, ...]
    activations: Matrix = field(repr=False)

    def problem(self, state: JournalState) -> str | None:
        spaces = state.part(QuerySpaces)
        there = spaces.by_id.get(self.reading_id)
        if there is None:
            return f"the reading {self.reading_id!r} is not there"
        if there is spaces.present:
            return f"the reading {self.reading_id!r} is already in force"
        return radius_problem(self.epsilon) or _unread_problem(state, there, self)

    def fold(self, state: JournalState, event: StoredEvent) -> None:
        _enter(state, self)


def _unread_problem(state: JournalState, space: QuerySpace | None, data: Reread | Returned) -> str | None:
    if len(data.prompts) != len(data.activations):
        return f"there are {len(data.prompts)} prompts and {len(data.activations)} activations"
    lacking = state.unread(space) - set(data.prompts)
    return f"{len(lacking)} prompts of edits or logged queries were not read" if lacking else None


def _enter(state: JournalState, data: Reread | Returned) -> None:
    """Put a query space in force, with what it has not seen yet."""
    spaces, edits, answers = state.part(QuerySpaces), state.part(Edits), state.part(Answers)
    space = spaces.present = spaces.by_id[data.reading_id]
    read = dict(zip(data.prompts, data.activations, strict=True))
    space.take_in((record.edit for record in edits.records.values()), answers.texts(), read, data.epsilon)
    edits.read_as(space.asked())
    answers.read_as(space.queries)
