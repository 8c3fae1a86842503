"""Read all that a journal knows under another choice of layer, pooling and encoding: makes the event, writes nothing.

Each distinct text is read once, and not at all where its activation is stored: only the encoding changes, say, or the
same place was read before. An edited prompt is read alone, without padding, as an edit reads it; all other texts are
read in batches, whose rounding may differ in the last bits.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.journal.events import Reread, Returned
from app.journal.state.journal_state import JournalState
from app.journal.state.query_space import QuerySpace
from grace_core.codebook.codebook import checked_epsilon
from grace_core.codebook.encoder import Reader
from grace_core.codebook.learned import LearnedEncoder
from grace_core.config import GraceConfig, Pool
from grace_core.editing.fitting import background_prompts, weights_of
from grace_core.editing.learned_encoders import learned_encoder
from grace_core.errors import InputError
from grace_core.measuring.distances import Choice
from grace_core.models.activations import activations_of, stop_if
from grace_core.models.language_model import LanguageModel

Row = NDArray[np.float32]
Report = Callable[[int, int], None]
_AT_ONCE = 256


@dataclass(frozen=True)
class Place:
    """What an activation depends on.

    weighed: the prompts that token weights are counted on; () where none count. encoder: the learned one's name, or "".
    """

    layer: int
    pool: Pool
    weighed: tuple[str, ...]
    encoder: str

    @classmethod
    def of(cls, config: GraceConfig, weighed: tuple[str, ...], learned: LearnedEncoder | None) -> Place:
        """Where this configuration reads."""
        assert config.key_layer is not None  # resolved
        if config.encoding == "learned":
            return cls(config.key_layer, config.pool, (), "" if learned is None else learned.name)
        return cls(config.key_layer, config.pool, weighed if config.pool == "weighted" else (), "")


def calibrated_on(model: LanguageModel, state: JournalState) -> tuple[tuple[str, ...], int]:
    """What another query space would be calibrated on, and on how many of these prompts, the first, token weights are counted."""
    weighed = state.query_space.weighed or background_prompts(model)
    known = dict.fromkeys(text for space in state.query_spaces.values() for text in space.background)
    edited = dict.fromkeys(edit.prompt for edit in state.active_edits())
    own = set(weighed)
    return (*weighed, *(text for text in (known | edited) if text not in own)), len(weighed)


class Rereader:
    """Makes `Reread` and `Returned` events; keeps what was read at the last place, so that a preview is not read again.

    One job at a time: it runs the model.
    """

    def __init__(self, model: LanguageModel, base: GraceConfig) -> None:
        """base: the configuration that the codebook began with, resolved."""
        self._model, self._base = model, base
        self._encoder: LearnedEncoder | None = None
        self._place: Place | None = None
        self._alone: dict[str, Row] = {}
        self._others: dict[str, Row] = {}

    def reread(
        self, state: JournalState, choice: Choice, epsilon: float, report: Report, cancelled: Callable[[], bool]
    ) -> Reread:
        """The event that puts another choice in force. It is calibrated on all that any query space was, and on the edits.

        Raises:
            InputError: a radius that cannot be, a choice that is in force already, or one above the value layer.
            Cancelled: as soon as `cancelled` says so; what was read so far is kept for the next time.
        """
        present = state.query_space.config(self._base)
        config = choice.config(present, epsilon)
        checked_epsilon(epsilon, config)
        if config.value_layer != present.value_layer:
            raise InputError(
                f"A query read after block {choice.layer} comes too late for the values, which are put in after block "
                f"{present.value_layer}: they would have to be learned anew. Choose a layer up to {present.value_layer}, or "
                "start the studio with the command below, which begins another codebook."
            )
        if (config.key_layer, config.pool, config.encoding) == (present.key_layer, present.pool, present.encoding):
            raise InputError("This codebook reads its queries this way already; try another ε under “What if ε?”.")
        background, count = calibrated_on(self._model, state)
        weighed = background[:count]
        prompts = self._texts(state, None)
        whitened = choice.encoding == "whiten"
        learned = self.encoder(config, cancelled) if choice.encoding == "learned" else None
        texts = [*prompts, *(background if whitened else ())]
        self._read(state, config, weighed, learned, texts, report, cancelled)
        return Reread(
            reading_id=uuid.uuid4().hex,
            key_layer=choice.layer,
            pool=choice.pool,
            encoding=choice.encoding,
            distance=choice.distance,
            epsilon=float(epsilon),
            version=state.next_version,
            background=background,
            weighed=count,
            prompts=prompts,
            background_activations=self._rows(background if whitened else ()),
            activations=self._rows(prompts, learned),
            encoder="" if learned is None else learned.name,
        )

    def encoder(self, config: GraceConfig, cancelled: Callable[[], bool] = lambda: False) -> LearnedEncoder:
        """The model's learned encoder, found or fitted once."""
        if self._encoder is None:
            self._encoder = learned_encoder(self._model, config, cancelled=cancelled)
        return self._encoder

    def returned(self, state: JournalState, query_space_id: str, report: Report, cancelled: Callable[[], bool]) -> Returned:
        """The event that puts a former query space in force again; edits made since ask there for the ε that it began with.

        Raises:
            InputError: no such query space, or the one that is in force.
            Cancelled: as soon as `cancelled` says so.
        """
        space = state.query_spaces.get(query_space_id)
        if space is None:
            raise InputError(f"There is no query space {query_space_id!r} in this codebook; the Lab page lists those that are.")
        if space is state.query_space:
            raise InputError("This codebook reads its queries this way already; there is nothing to go back to.")
        config = space.config(self._base)
        prompts = self._texts(state, space)
        self._read(state, config, space.weighed, space.encoder, prompts, report, cancelled)
        return Returned(query_space_id, config.epsilon, prompts, self._rows(prompts, space.encoder))

    @staticmethod
    def _texts(state: JournalState, space: QuerySpace | None) -> tuple[str, ...]:
        """What a query space (None: a new one) has not seen, in the order of the journal."""
        lacking = state.unread(space)
        edited = (record.edited.prompt for record in state.edits.values())
        asked = (record.generated.prompt for record in state.queries.values())
        return tuple(text for text in dict.fromkeys((*edited, *asked)) if text in lacking)

    def _read(
        self, state: JournalState, config: GraceConfig, weighed: tuple[str, ...], learned: LearnedEncoder | None,
        texts: Sequence[str], report: Report, cancelled: Callable[[], bool],
    ) -> None:  # fmt: skip
        """See to it that each text has an activation at the place of this configuration."""
        place = Place.of(config, weighed, learned)
        if place != self._place:
            self._place, self._alone, self._others = place, {}, {}
        self._take_stored(state, place)
        model = self._model
        reader = Reader.of(config, weights_of(model, config, weighed) if learned is None else learned.weights, learned)
        edited = {record.edited.prompt for record in state.edits.values()}
        distinct = list(dict.fromkeys(texts))
        alone = [text for text in distinct if text in edited and text not in self._alone]
        others = [text for text in distinct if text not in edited and text not in self._others]
        total = len(alone) + len(others)
        for done, text in enumerate(alone):
            stop_if(cancelled)
            report(done, total)
            self._alone[text] = activations_of(model, reader, [model.prompt(text)])[0]
        for start in range(0, len(others), _AT_ONCE):
            done = len(alone) + start
            report(done, total)
            some = others[start : start + _AT_ONCE]

            def on_read(count: int, before: int = done) -> None:
                report(before + count, total)

            prompts = [model.prompt(text) for text in some]
            read = activations_of(model, reader, prompts, rows_at_once=16, share_start=True, on_read=on_read, cancelled=cancelled)
            self._others.update(zip(some, read, strict=True))

    def _take_stored(self, state: JournalState, place: Place) -> None:
        """Activations that the journal has of this very place, whatever was made of them there."""
        for space in state.query_spaces.values():
            if Place.of(space.config(self._base), space.weighed, space.encoder) != place:
                continue
            for step in space.calibrations:
                if len(step.prompts) == len(step.activations):
                    self._others.update(zip(step.prompts, step.activations, strict=True))
            for query_id, activation in space.queries.items():
                self._others[state.queries[query_id].generated.prompt] = activation
            for edit in space.edits.values():
                self._alone[edit.prompt] = edit.activation

    def _rows(self, texts: Sequence[str], learned: LearnedEncoder | None = None) -> Row:
        """(texts, width) activations that were read."""
        if not texts:
            return np.zeros((0, self._model.width if learned is None else learned.dimensions), np.float32)
        return np.stack([self._alone[text] if text in self._alone else self._others[text] for text in texts])
