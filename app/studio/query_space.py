"""The query space: put another one in force, go back to a former one, or move to the learned encoder.

What would change is found by folding the very event that would be written, so the prediction is what the codebook then
says. It is written only where the journal is still the one that the event was made for; otherwise what is new is read
first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.errors import StudioError
from app.journal.events import Event, Fitted
from app.journal.state.journal_state import JournalState
from app.journal.state.query_space import QuerySpace as SpaceState
from app.journal.state.query_space import QuerySpaces as SpacesState
from app.studio.epsilon import moment_of
from app.studio.jobs import Job
from app.studio.live import LiveCodebook, Snapshot
from app.studio.model_thread import ModelThread
from app.studio.progress import Stage
from app.studio.query_space_reader import Rereader, calibrated_on
from app.studio.texts import checked_author
from app.studio.views import QuerySpace, QuerySpaceRow
from grace_core.config import GraceConfig
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.distances import Choice
from grace_core.measuring.what_if import ChangedAnswer, changed_answers
from grace_core.models.language_model import LanguageModel

_ATTEMPTS = 3
_LEARNED_EPSILON = GraceConfig.robust().epsilon
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
            return self._foreseen(now, *self._reread(model, job, now.state, choice, epsilon))

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
                job, lambda state: (reader.returned(state, query_space_id, _reporting(job), lambda: job.cancelled),), None, author
            )

        return self._thread.submit(work, asker)

    def foresee_learned(self, *, asker: str = "") -> Job[Foreseen]:
        """Which logged queries would be answered otherwise if this codebook moved to the learned encoder. Writes nothing."""
        return self.foresee_query_space(Choice.learned(self._live.base), _LEARNED_EPSILON, asker=asker)

    def use_learned(self, *, seen: int | None = None, author: str = "", asker: str = "") -> Job[Foreseen]:
        """Move this codebook to the learned encoder."""
        choice = Choice.learned(self._live.base)
        return self.use_query_space(choice, _LEARNED_EPSILON, seen=seen, author=author, asker=asker)

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _switch(
        self, job: Job[Foreseen], make: Callable[[JournalState], Sequence[Event]], seen: int | None, author: str
    ) -> Foreseen:  # fmt: skip
        for _ in range(_ATTEMPTS):
            now = self._live.now()
            if seen is not None and now.state.folded != seen:
                raise InputError(_CHANGED)
            events = make(now.state)
            found = self._foreseen(now, *events)
            if job.cancelled:
                raise Cancelled("Stopped; nothing was changed.")
            # Where somebody wrote meanwhile, only what is new has to be read for the next attempt.
            if self._live.commit_at(now, *events, author=author):
                return found
        raise _busy()

    def _foreseen(self, now: Snapshot, *events: Event) -> Foreseen:
        """What these events, in one go, would change."""
        before, after = moment_of(now), self._live.foreseen(now, *events)
        changed = changed_answers(
            before.queries, before.matches, [one.match for one in after.matched], after.codebook,
            (one.vector for one in after.matched),
        )  # fmt: skip
        return Foreseen(changed, len(before.queries), now.state.folded)

    def _rereader(self, model: LanguageModel) -> Rereader:
        if self._reader is None:
            self._reader = Rereader(model, self._live.base)
        return self._reader

    def _reread(
        self, model: LanguageModel, job: Job[Foreseen], state: JournalState, choice: Choice, epsilon: float
    ) -> tuple[Event, ...]:
        """The event that puts a choice in force, behind the encoder that it needs where the journal has none yet."""
        reader = self._rereader(model)
        event = reader.reread(state, choice, epsilon, _reporting(job), lambda: job.cancelled)
        if event.encoding != "learned" or event.encoder in state.part(SpacesState).encoders:
            return (event,)
        return (Fitted.of(reader.encoder(choice.config(self._live.base, epsilon)), begins=False), event)

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
