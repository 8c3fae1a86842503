"""The query space: put another one in force, go back to a former one, or calibrate the present one on the journal's prompts.

What would change is found by folding the very event that would be written, so the prediction is what the codebook then
says. It is written only where the journal is still the one that the event was made for; otherwise what is new is read
first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.errors import StudioError
from app.journal.events import Calibrated, Reread, Returned
from app.journal.state.journal_state import JournalState
from app.journal.state.query_space import QuerySpace as SpaceState
from app.studio.epsilon import moment_of
from app.studio.jobs import Job
from app.studio.live import LiveCodebook, Snapshot
from app.studio.model_thread import ModelThread
from app.studio.progress import Stage
from app.studio.query_space_reader import Rereader, calibrated_on
from app.studio.texts import checked_author
from app.studio.views import QuerySpace, QuerySpaceRow
from grace_core.editing.fitting import joining_calibration
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.distances import Choice
from grace_core.measuring.what_if import ChangedAnswer, changed_answers
from grace_core.models.language_model import LanguageModel

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


class QuerySpaces:
    """Everything about how prompts are read. One event for each change; `Returned` takes a `Reread` back, exactly."""

    def __init__(self, live: LiveCodebook, thread: ModelThread) -> None:
        """Of this codebook."""
        self._live, self._thread = live, thread
        self._reader: Rereader | None = None

    @property
    def query_space_id(self) -> str:
        """The id of the query space in force."""
        return self._live.now().query_space_id

    def query_space(self) -> QuerySpace:
        """How queries are read and where values are put in at present."""
        return QuerySpace(self._live.now().codebook.config, len(self._thread.model.blocks))

    def query_spaces(self) -> tuple[QuerySpaceRow, ...]:
        """All query spaces that this codebook has had, newest first; the last one is that which it began with."""
        now = self._live.now()
        return tuple(self._row(now, space) for space in reversed(now.state.query_spaces.values()))

    def calibrated_on(self) -> tuple[tuple[str, ...], int]:
        """All prompts that the encoder of another query space would be calibrated on; token weights count the first so many."""
        return calibrated_on(self._thread.model, self._live.now().state)

    def foresee_query_space(self, choice: Choice, epsilon: float, *, asker: str = "") -> Job[Foreseen]:
        """Which logged queries another choice, with this ε for every edit, would answer otherwise. Writes nothing."""

        def work(model: LanguageModel, job: Job[Foreseen]) -> Foreseen:
            now = self._live.now()
            return self._foreseen(now, self._reread(model, job, now.state, choice, epsilon))

        return self._thread.submit(work, asker)

    def use_query_space(
        self, choice: Choice, epsilon: float, *, seen: int | None = None, author: str = "", asker: str = ""
    ) -> Job[Foreseen]:  # fmt: skip
        """Read queries under another choice from now on, every edit asking for this ε."""
        author = checked_author(author)

        def work(model: LanguageModel, job: Job[Foreseen]) -> Foreseen:
            return self._switch(job, lambda state: self._reread(model, job, state, choice, epsilon), seen, author)

        return self._thread.submit(work, asker)

    def return_to(self, query_space_id: str, *, author: str = "", asker: str = "") -> Job[Foreseen]:
        """Read queries as before: bit for bit the encoder, the queries and the radii that it was left with."""
        author = checked_author(author)

        def work(model: LanguageModel, job: Job[Foreseen]) -> Foreseen:
            reader = self._rereader(model)
            return self._switch(
                job, lambda state: reader.returned(state, query_space_id, _reporting(job), lambda: job.cancelled), None, author
            )

        return self._thread.submit(work, asker)

    def foresee_recalibration(self) -> Recalibration:
        """Which logged queries would be answered otherwise if the journal's prompts joined the encoder's background."""
        now = self._live.now()
        step = self._joining(now.state)
        edits = {edit.prompt for edit in now.state.active_edits()}
        own = sum(text in edits for text in step.prompts)
        return Recalibration(own, len(step.prompts) - own, self._foreseen(now, step))

    def recalibrate(self, *, seen: int | None = None, author: str = "", asker: str = "") -> Job[Foreseen]:
        """Let the prompts of the edits in force and of all logged queries join the encoder's background. One event."""
        author = checked_author(author)

        def work(_model: LanguageModel, job: Job[Foreseen]) -> Foreseen:
            for _ in range(_ATTEMPTS):
                now = self._live.now()
                step = self._joining(now.state)
                found = self._foreseen(now, step)
                if seen is not None and found.seen != seen:
                    raise InputError(_CHANGED)
                if job.cancelled:
                    raise Cancelled("Stopped; nothing was changed.")
                if self._live.commit_at(now, step, author=author):
                    return found
            raise _busy()

        return self._thread.submit(work, asker)

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _switch(
        self, job: Job[Foreseen], make: Callable[[JournalState], Reread | Returned], seen: int | None, author: str
    ) -> Foreseen:  # fmt: skip
        for _ in range(_ATTEMPTS):
            now = self._live.now()
            if seen is not None and now.state.folded != seen:
                raise InputError(_CHANGED)
            event = make(now.state)
            found = self._foreseen(now, event)
            if job.cancelled:
                raise Cancelled("Stopped; nothing was changed.")
            # Where somebody wrote meanwhile, only what is new has to be read for the next attempt.
            if self._live.commit_at(now, event, author=author):
                return found
        raise _busy()

    def _foreseen(self, now: Snapshot, event: Reread | Returned | Calibrated) -> Foreseen:
        """What the event changes. A calibration is about the queries too."""
        seen = now.state.folded
        if isinstance(event, Calibrated) and now.state.queries:
            seen = max(seen, next(reversed(now.state.queries.values())).event.seq)
        before, after = moment_of(now), self._live.foreseen(now, event)
        changed = changed_answers(before.queries, before.matches, [one.match for one in after.matched])
        return Foreseen(changed, len(before.queries), seen)

    def _rereader(self, model: LanguageModel) -> Rereader:
        if self._reader is None:
            self._reader = Rereader(model, self._live.base)
        return self._reader

    def _reread(self, model: LanguageModel, job: Job[Foreseen], state: JournalState, choice: Choice, epsilon: float) -> Reread:
        return self._rereader(model).reread(state, choice, epsilon, _reporting(job), lambda: job.cancelled)

    def _joining(self, state: JournalState) -> Calibrated:
        space = state.query_space
        if space.config(self._live.base).encoding == "raw":
            raise InputError(_RAW)
        rows = [(edit.prompt, edit.activation) for edit in state.active_edits()]
        rows += [(record.generated.prompt, record.activation) for record in state.queries.values()]
        step = joining_calibration(state.next_version, _REASON, set(space.background), rows)
        if step is None:
            raise InputError("The encoder knows all prompts of this journal already; there is nothing to join.")
        return Calibrated(step.version, step.reason, step.prompts, step.activations, space.reading_id)

    def _row(self, now: Snapshot, space: SpaceState) -> QuerySpaceRow:
        config, event = space.config(self._live.base), space.event
        assert config.key_layer is not None  # resolved
        return QuerySpaceRow(
            space.reading_id, config.key_layer, config.pool, config.encoding, config.epsilon,
            event.author if event is not None else None, event.at if event is not None else None,
            space is now.state.query_space,
        )  # fmt: skip


def _reporting(job: Job[Foreseen]) -> Callable[[int, int], None]:
    return lambda done, total: job.report(Stage.counted("Reading prompts", done, total))


def _busy() -> StudioError:
    return StudioError("Others kept writing to this journal meanwhile; nothing was changed. Try once more.")
