"""Lab, Calibrate: put another reading in force, go back to a former one, or calibrate the present one on the journal's prompts.

What would change is found by folding the very event that would be written, so the prediction is what the codebook then
says. Writing checks under the lock that the journal is still the one that the event was made for; otherwise what is
new is read first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from app.errors import JournalConflict, StudioError
from app.journal.events import Calibrated, EventData, Reread, Returned, StoredEvent
from app.journal.readings import Reading
from app.journal.replay import Replay
from app.studio.epsilon import EpsilonDesk
from app.studio.jobs import Job
from app.studio.live import codebook_of
from app.studio.progress import Stage
from app.studio.query_space_reader import Rereader, calibrated_on
from app.studio.views import QuerySpace, QuerySpaceRow
from grace_core.codebook.codebook import Codebook, Match
from grace_core.editing.fitting import joining_calibration
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.distances import Choice
from grace_core.measuring.what_if import ChangedAnswer, LoggedQuery, changed_answers

_ATTEMPTS = 3
_REASON = "prompts of the journal, joined by hand"
_RAW = "Raw queries are compared as they are: there is no encoder to calibrate. Choose a whitened encoding first."
_CHANGED = "The codebook was changed since you looked; nothing was written. Look again at what would change."


@dataclass(frozen=True)
class Foreseen:
    """What one event would change, or has changed: of `queries` logged ones, those with another answer.

    seen: what the answer was found on; whoever writes the event hands it back, so that a codebook which has changed
    since is noticed.
    """

    changed: tuple[ChangedAnswer, ...]
    queries: int
    seen: int


@dataclass(frozen=True)
class Recalibration:
    """Foreseen of joining the journal's prompts. edits, queries: how many prompts of each are new to the background."""

    edits: int
    queries: int
    foreseen: Foreseen


@dataclass(frozen=True, eq=False)
class _Moment:
    """The state at one moment, to look at what an event would make of it."""

    state: Replay
    before: Codebook
    queries: tuple[LoggedQuery, ...]
    matches: tuple[Match, ...] = field(repr=False)


class ReadingDesk(EpsilonDesk):
    """Everything about how prompts are read. One event for each change; `Returned` takes a `Reread` back, exactly."""

    _kept: Rereader | None = None

    @property
    def query_space_id(self) -> str:
        """The id of the reading in force."""
        with self._lock:
            self._catch_up()
            return self._replay.reading.reading_id

    def query_space(self) -> QuerySpace:
        """How queries are read and where values are put in at present."""
        return QuerySpace(self.present().config, len(self._model.blocks))

    def query_spaces(self) -> tuple[QuerySpaceRow, ...]:
        """All readings that this codebook has had, newest first; the last one is that which it began with."""
        with self._lock:
            self._catch_up()
            return tuple(self._reading_row(reading) for reading in reversed(self._replay.readings.values()))

    def calibrated_on(self) -> tuple[tuple[str, ...], int]:
        """All prompts that the encoder of another reading would be calibrated on; token weights count the first so many."""
        with self._lock:
            self._catch_up()
            return calibrated_on(self._model, self._replay)

    def foresee_query_space(self, choice: Choice, epsilon: float, *, asker: str = "") -> Job[Foreseen]:
        """Which logged queries another choice, with this ε for every edit, would answer otherwise. Writes nothing.

        The job reports `Stage`s; what it reads is kept for `use_query_space`. It raises what `Rereader.reread` does.
        """

        def work(job: Job[Foreseen]) -> Foreseen:
            moment = self._moment()
            return self._fold(moment, self._reread(job, moment.state, choice, epsilon))

        return self._worker.submit(work, asker)

    def use_query_space(
        self, choice: Choice, epsilon: float, *, seen: int | None = None, author: str = "", asker: str = ""
    ) -> Job[Foreseen]:
        """Read queries under another choice from now on, every edit asking for this ε. The job reports `Stage`s.

        seen: `Foreseen.seen` of the preview that this is to hold for. The job raises what `Rereader.reread` does, and
        InputError where the codebook has changed since then.
        """
        return self._worker.submit(
            lambda job: self._switch(job, lambda state: self._reread(job, state, choice, epsilon), seen, author), asker
        )

    def return_to(self, query_space_id: str, *, author: str = "", asker: str = "") -> Job[Foreseen]:
        """Read queries as before: bit for bit the encoder, the queries and the radii that this reading was left with.

        Edits and queries made since are read there. The job reports `Stage`s and raises what `Rereader.returned` does.
        """

        def make(job: Job[Foreseen], state: Replay) -> Returned:
            return self._rereader().returned(state, query_space_id, _reporting(job), lambda: job.cancelled)

        return self._worker.submit(lambda job: self._switch(job, lambda state: make(job, state), None, author), asker)

    def foresee_recalibration(self) -> Recalibration:
        """Which logged queries would be answered otherwise if the journal's prompts joined the encoder's background.

        From stored activations; no model runs, nothing is written.

        Raises:
            InputError: the encoding is raw, or the background holds all prompts already.
        """
        moment = self._moment()
        step = self._joining(moment.state)
        edits = {edit.prompt for edit in moment.state.active_edits()}
        own = sum(text in edits for text in step.prompts)
        return Recalibration(own, len(step.prompts) - own, self._fold(moment, step))

    def recalibrate(self, *, seen: int | None = None, author: str = "", asker: str = "") -> Job[Foreseen]:
        """Let the prompts of the edits in force and of all logged queries join the encoder's background. One event.

        An undone edit leaves the encoder as it is, so this stays whatever is undone; its turn comes after running edits,
        which would otherwise be lost. seen: `Foreseen.seen` of the preview that this is to hold for. The job raises what
        `foresee_recalibration` does, and InputError where the codebook or the queries have changed since the preview.
        """

        def work(job: Job[Foreseen]) -> Foreseen:
            for _ in range(_ATTEMPTS):
                moment = self._moment()
                step = self._joining(moment.state)
                found = self._fold(moment, step)
                if seen is not None and found.seen != seen:
                    raise InputError(_CHANGED)
                if job.cancelled:
                    raise Cancelled("Stopped; nothing was changed.")
                if self._append_at(moment.state.revision, step, author):
                    return found
            raise _busy()

        return self._worker.submit(work, asker)

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _switch(self, job: Job[Foreseen], make: Callable[[Replay], Reread | Returned], seen: int | None, author: str) -> Foreseen:
        for _ in range(_ATTEMPTS):
            moment = self._moment()
            if seen is not None and moment.state.folded != seen:
                raise InputError(_CHANGED)
            event = make(moment.state)
            found = self._fold(moment, event)
            if job.cancelled:
                raise Cancelled("Stopped; nothing was changed.")
            # Where somebody wrote meanwhile, only what is new has to be read for the next attempt.
            if self._append_at(moment.state.revision, event, author):
                return found
        raise _busy()

    def _moment(self) -> _Moment:
        with self._lock:
            self._catch_up()
            matched = self._query_matches(self._codebook)
            queries = tuple(self._logged(record) for record, _, _ in matched)
            return _Moment(self._replay.copied(), self._codebook, queries, tuple(match for _, _, match in matched))

    def _fold(self, moment: _Moment, event: Reread | Returned | Calibrated) -> Foreseen:
        """What the event changes, by applying it to a copy of the state. A calibration is about the queries too."""
        state = moment.state.copied()
        seen = state.folded
        if isinstance(event, Calibrated) and state.queries:
            seen = max(seen, next(reversed(state.queries.values())).event.seq)
        state.apply(StoredEvent(state.revision + 1, self._id, datetime.now(UTC), "", event))
        after = codebook_of(self._model, self._base, state)
        activations = [record.activation for record in state.queries.values()]
        matches = after.match(after.encoder(np.stack(activations))) if activations else ()
        return Foreseen(changed_answers(moment.queries, moment.matches, matches), len(moment.queries), seen)

    def _append_at(self, revision: int, event: EventData, author: str) -> bool:
        """Write an event that was made for this revision; False, with nothing written, where the journal has gone on."""
        with self._lock:
            self._catch_up()
            if self._replay.revision != revision:
                return False
            try:
                self._append(event, author=author.strip())
            except JournalConflict:
                return False
            self._swap()
            return True

    def _rereader(self) -> Rereader:
        if self._kept is None:
            self._kept = Rereader(self._model, self._base)
        return self._kept

    def _reread(self, job: Job[Foreseen], state: Replay, choice: Choice, epsilon: float) -> Reread:
        return self._rereader().reread(state, choice, epsilon, _reporting(job), lambda: job.cancelled)

    def _joining(self, state: Replay) -> Calibrated:
        reading = state.reading
        if reading.config(self._base).encoding == "raw":
            raise InputError(_RAW)
        rows = [(edit.prompt, edit.activation) for edit in state.active_edits()]
        rows += [(record.generated.prompt, record.activation) for record in state.queries.values()]
        step = joining_calibration(state.next_version, _REASON, set(reading.background), rows)
        if step is None:
            raise InputError("The encoder knows all prompts of this journal already; there is nothing to join.")
        return Calibrated(step.version, step.reason, step.prompts, step.activations, reading.reading_id)

    def _reading_row(self, reading: Reading) -> QuerySpaceRow:
        config, event = reading.config(self._base), reading.event
        assert config.key_layer is not None  # resolved
        return QuerySpaceRow(
            reading.reading_id, config.key_layer, config.pool, config.encoding, config.epsilon,
            event.author if event is not None else None, event.at if event is not None else None,
            reading is self._replay.reading,
        )  # fmt: skip


def _reporting(job: Job[Foreseen]) -> Callable[[int, int], None]:
    return lambda done, total: job.report(Stage.counted("Reading prompts", done, total))


def _busy() -> StudioError:
    return StudioError("Others kept writing to this journal meanwhile; nothing was changed. Try once more.")
