"""What commits: a journal in use, with its state and the codebook that follows from it, one snapshot after another.

Append first, then swap: what the journal did not take did not happen. A snapshot is never changed, so readers need no
lock. The next one is prepared beside it, by whoever writes or sees first that another process wrote, and swapped in.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import JournalConflict, NotFound, StudioError
from app.journal.codebooks import PromptForm
from app.journal.events import Calibrated, Edited, Event, Fitted, StoredEvent
from app.journal.state.answers import QueryRecord
from app.journal.state.broken import BrokenRecord, BrokenRecords
from app.journal.state.edits import EditRecord
from app.journal.state.journal_state import JournalState
from app.journal.state.query_space import QuerySpace
from app.journal.store import JournalStore
from app.studio.texts import checked_author
from grace_core.codebook.codebook import Codebook, Match
from grace_core.codebook.encoder import Encoder
from grace_core.codebook.template import Template
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig
from grace_core.editing.fitting import Calibration, encoder_after, encoder_of, first_calibration, stored_encoder
from grace_core.editing.learned_encoders import learned_encoder
from grace_core.models.language_model import LanguageModel

# How often what is to be written is decided anew because another process wrote in between. Each time that process got
# its event in, so two that write as fast as they can hinder each other a few times, and never for ever.
_ATTEMPTS = 50
_KEPT = ("directions",)
_SHARED = ("value_layer", "span", "token_weight", "rule", "siblings", "contexts", "learning_rate", "max_steps", "stop_loss")
"""What two presets can have in common: where values are put in and how they are learned, not how queries are read."""


class Matched(NamedTuple):
    """A logged query, its vector (dimensions,), and what the codebook says of it."""

    record: QueryRecord
    vector: NDArray[np.float32]
    match: Match


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment of a journal in use. Never changed.

    matched: every logged query, in journal order.
    """

    state: JournalState
    codebook: Codebook
    matched: tuple[Matched, ...] = field(repr=False)

    @property
    def query_space_id(self) -> str:
        """Of the query space in force."""
        return self.state.query_space.reading_id

    @cached_property
    def _answered(self) -> dict[str, list[Matched]]:
        found: dict[str, list[Matched]] = {}
        for one in self.matched:
            if one.match.edit_id is not None:
                found.setdefault(one.match.edit_id, []).append(one)
        return found

    @cached_property
    def _place(self) -> dict[str, int]:
        return {one.record.generated.query_id: place for place, one in enumerate(self.matched)}

    def answers_now(self, query_id: str) -> str | None:
        """The edit that the present codebook lets answer a logged query; None: the model itself."""
        return self.matched[self._place[query_id]].match.edit_id

    def answered_by(self, edit_id: str) -> Sequence[Matched]:
        """The logged queries that the key of this edit answers now; none where it has no key."""
        entry = self.codebook.entry_of(edit_id)
        return () if entry is None else self._answered.get(entry.edit_id, ())

    @cached_property
    def all_edits(self) -> tuple[EditRecord | BrokenRecord, ...]:
        """Every edit, also those whose row is damaged, newest first."""
        broken = [record for record in self.state.broken if record.broken.kind == Edited.KIND]
        return tuple(sorted((*self.state.edits.values(), *broken), key=lambda record: -record.event.seq))

    def edit_or_broken(self, edit_id: str) -> EditRecord | BrokenRecord:
        """An edit, also one whose row is damaged.

        Raises:
            NotFound: there is none with this id.
        """
        broken = self.state.part(BrokenRecords).get(Edited.KIND, edit_id)
        return self.edit(edit_id) if broken is None else broken

    def edit(self, edit_id: str) -> EditRecord:
        """An edit, in force or not.

        Raises:
            NotFound: there is none with this id.
        """
        record = self.state.edits.get(edit_id)
        if record is None:
            raise NotFound(f"There is no edit {edit_id!r} in this codebook; the Edits page lists those that are.")
        return record

    def query(self, query_id: str) -> QueryRecord:
        """A logged answer.

        Raises:
            NotFound: there is none with this id.
        """
        record = self.state.queries.get(query_id)
        if record is None:
            raise NotFound(f"There is no logged answer {query_id!r}; prompt the model again.")
        return record


class LiveCodebook:
    """Safe to call from any thread. No reader waits for a writer: it gets the snapshot that there is.

    base: the configuration that the codebook began with; the one in force is `now().codebook.config`.
    """

    def __init__(
        self, store: JournalStore, codebook_id: str, model: LanguageModel | None = None, base: GraceConfig | None = None
    ) -> None:
        """Read the journal of a codebook that is there.

        model: None where there are no weights at hand: all but reading and answering prompts works, see `attach`.
        base: resolved; None: as the journal knows it, with today's defaults for what it leaves open.
        """
        self.codebook_id, self.info = codebook_id, store.codebook(codebook_id)
        self.base = GraceConfig.of_identity(self.info.config) if base is None else base
        self._store = store
        self.model = None if model is None else self._as_it_was(model)
        self._writing = threading.RLock()  # one thread at a time prepares the next snapshot
        state = JournalState.of(store.events(codebook_id))
        self._snapshot = self._matched_anew(state, self._folded(state))

    @classmethod
    def of_model(
        cls, store: JournalStore, model: LanguageModel, config: GraceConfig, progress: Callable[[str, float], None]
    ) -> LiveCodebook:
        """Read the journal of this model and these layers, or begin one. `config` need not be resolved."""
        base = _former(store, model, config.resolved(len(model.blocks)))
        codebook_id = store.codebook_id(fingerprint=model.fingerprint, model_name=model.name, config=base.identity(), kept=_KEPT)
        base = replace(base, directions=store.config_of(codebook_id)["directions"])
        progress("Reading the journal", 0.0)
        if base.encoding != "raw" and next(store.events(codebook_id, kinds=[Calibrated, Fitted]), None) is None:
            last, begun = store.last_seq(codebook_id), _begun(model, base, progress)
            with suppress(JournalConflict):  # another process began the same codebook meanwhile; its encoder counts
                store.append(codebook_id, begun, expected_seq=last)
        return cls(store, codebook_id, model, base)

    def attach(self, model: LanguageModel) -> LanguageModel:
        """Go on with the model, which came later; returns it with the chat template that this codebook began with.

        Raises:
            StudioError: it is another model than the codebook's.
        """
        if model.fingerprint != self.info.fingerprint:
            raise StudioError(f"This codebook was made with the model {self.info.model_name}; {model.name} has other weights.")
        with self._writing:
            self.model = self._as_it_was(model)
            state = self._snapshot.state
            self._snapshot = self._matched_anew(state, self._folded(state))
        return self.model

    def _as_it_was(self, model: LanguageModel) -> LanguageModel:
        """The model with its template as it was rendered when the codebook began, whatever day it is today."""
        today = model.template
        form = PromptForm(today.tokenizer, json.dumps(today.head), json.dumps(today.tail))
        kept = self._store.prompt_form(self.codebook_id, form)
        return model.with_template(Template(kept.fingerprint, tuple(json.loads(kept.head)), tuple(json.loads(kept.tail))))

    @property
    def label(self) -> str:
        """Where the journal is."""
        return self._store.label

    @property
    def snapshot(self) -> Snapshot:
        """The last snapshot, without a look at the journal."""
        return self._snapshot

    def now(self) -> Snapshot:
        """The present snapshot, with what other processes wrote, unless some thread is taking that in already."""
        if self._writing.acquire(blocking=False):
            try:
                self._catch_up()
            finally:
                self._writing.release()
        return self._snapshot

    def commit(self, decide: Callable[[Snapshot], Sequence[Event]], *, author: str = "") -> Snapshot:
        """Write what `decide` makes of the present snapshot, in one transaction; returns the snapshot with it.

        Where another process writes in between, that is taken in and `decide` is asked again. Where it makes nothing or
        raises, nothing is written. It is called while others wait to write, so it must not take long.

        Raises:
            JournalError: the journal did not take it; nothing has changed.
        """
        author = checked_author(author)
        with self._writing:
            for attempt in range(_ATTEMPTS):
                self._catch_up()
                before = self._snapshot
                data = decide(before)
                if not data:
                    break
                self._check(before.state, data)
                try:
                    seq = before.state.revision
                    stored = self._store.append(self.codebook_id, *data, author=author, expected_seq=seq)
                except JournalConflict:
                    if attempt + 1 == _ATTEMPTS:
                        raise
                else:
                    self._snapshot = self._advanced(before, stored)
                    break
            return self._snapshot

    def commit_at(self, seen: Snapshot, *data: Event, author: str = "") -> bool:
        """Write what was made for this snapshot; False, with nothing written, where the journal has gone on since."""

        def decide(now: Snapshot) -> Sequence[Event]:
            if now.state.revision != seen.state.revision:
                raise _GoneOn
            return data

        try:
            self.commit(decide, author=author)
        except _GoneOn:
            return False
        return True

    def foreseen(self, now: Snapshot, *data: Event) -> Snapshot:
        """What the snapshot would be after some more events. Writes nothing."""
        return self._advanced(now, self._imagined(now.state, data))

    def _imagined(self, state: JournalState, data: Sequence[Event]) -> list[StoredEvent]:
        moment = datetime.now(UTC)
        return [StoredEvent(seq, self.codebook_id, moment, "", item) for seq, item in enumerate(data, state.revision + 1)]

    def _check(self, state: JournalState, data: Sequence[Event]) -> None:
        """Each event where those before it have happened.

        Raises:
            JournalError: one that cannot happen then.
        """
        if len(data) > 1:
            state = state.copied()
        for stored in self._imagined(state, data):
            state.check(stored.data)
            if len(data) > 1:
                state.apply(stored)

    def _catch_up(self) -> None:
        """Take in what another process wrote to the same journal."""
        revision = self._snapshot.state.revision
        if self._store.last_seq(self.codebook_id) != revision:
            self._snapshot = self._advanced(self._snapshot, self._store.events(self.codebook_id, after=revision))

    def _advanced(self, before: Snapshot, events: Iterable[StoredEvent]) -> Snapshot:
        state = before.state.copied()
        for event in events:
            state.apply(event)
        codebook = before.codebook if state.folded == before.state.folded else self._folded(state, before)
        if codebook.encoder is not before.codebook.encoder:
            return self._matched_anew(state, codebook)
        # After an edit or an undo only those are matched again whose answer that can have changed.
        matched = before.matched
        if codebook is not before.codebook and matched:
            vectors = np.stack([one.vector for one in matched])
            again = codebook.match_again(vectors, before.codebook, [one.match for one in matched])
            matched = tuple(Matched(one.record, one.vector, match) for one, match in zip(matched, again, strict=True))
        new = list(state.queries.values())[len(matched) :]
        return Snapshot(state, codebook, matched + _match(codebook, new))

    def _folded(self, state: JournalState, before: Snapshot | None = None) -> Codebook:
        """The codebook of a state; `before` saves work where it is of the same query space."""
        edits, space = state.active_edits(), state.query_space
        if before is not None and before.query_space_id == space.reading_id and before.codebook.encoder.width:
            known = before.codebook
            more = [_step(one, space) for one in space.calibrations if one.version > known.encoder.version]
            if not more:
                return known.with_edits(edits)
            if known.encoder.background is not None:
                return known.recalibrated(encoder_after(known.encoder, known.config, more), edits)
        config = space.config(self.base)
        template = None if self.model is None else self.model.template
        return Codebook(config, self._encoder(state, config), edits, fingerprint=self.info.fingerprint, template=template)

    def _encoder(self, state: JournalState, config: GraceConfig) -> Encoder:
        space = state.query_space
        if config.encoding == "learned":
            if space.encoder is None:
                raise StudioError(f"The journal {self._store.label} lacks the encoder of this codebook; restore a backup.")
            return Encoder.fixed(space.encoder)
        steps = [_step(one, space) for one in space.calibrations]
        if self.model is not None:
            return encoder_of(self.model, config, steps)
        stored = [one.activations for one in steps]
        stored += [*(one.activation for one in space.edits.values()), *space.queries.values()]
        width = stored[0].shape[-1] if stored else 0
        # Without a model no prompt is read, so no token is weighed.
        return stored_encoder(width, TokenWeights({}), config, steps) if steps else Encoder.raw(width)

    @staticmethod
    def _matched_anew(state: JournalState, codebook: Codebook) -> Snapshot:
        return Snapshot(state, codebook, _match(codebook, list(state.queries.values())))


def _former(store: JournalStore, model: LanguageModel, config: GraceConfig) -> GraceConfig:
    """`config`, or the former default's, where a codebook that began under that is there and none under this one.

    Such a codebook opens as it was; moving it to the learned encoder is a person's choice (`QuerySpaces.use_query_space`).
    """
    if config.encoding != "learned":
        return config
    early = GraceConfig.early(
        **{name: getattr(config, name) for name in _SHARED if getattr(config, name) is not None}
    ).resolved(len(model.blocks))  # fmt: skip

    def found(one: GraceConfig) -> str | None:
        return store.find_codebook(fingerprint=model.fingerprint, config=one.identity(), kept=_KEPT)

    return early if found(config) is None and found(early) is not None else config


def _begun(model: LanguageModel, config: GraceConfig, progress: Callable[[str, float], None]) -> Event:
    """What a new codebook's journal begins with."""
    if config.encoding == "learned":
        return Fitted.of(learned_encoder(model, config, progress=progress), begins=True)
    first = first_calibration(model, config, progress)
    assert first is not None  # only raw queries need none
    return Calibrated(first.version, first.reason, first.prompts, first.activations)


class _GoneOn(Exception):
    """Somebody wrote since."""


def _step(calibrated: Calibrated, space: QuerySpace) -> Calibration:
    c = calibrated
    return Calibration(c.version, c.reason, c.prompts, c.activations, len(space.weighed))


def _match(codebook: Codebook, records: Sequence[QueryRecord]) -> tuple[Matched, ...]:
    if not records:
        return ()
    vectors = codebook.encoder(np.stack([record.activation for record in records]))
    return tuple(map(Matched, records, vectors, codebook.match(vectors)))
