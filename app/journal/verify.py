"""Everything that can be wrong with a journal, each with its place. Reads all of it; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import JournalError
from app.journal.events import Broken
from app.journal.state.journal_state import JournalState
from app.journal.store import JournalStore
from app.journal.tables import STUDIO


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    codebooks: int
    events: int
    problems: tuple[str, ...]


def verify(store: JournalStore) -> Verified:
    """Check the database itself, every checksum, every gap, and that the events of each codebook can be folded."""
    problems = [f"The database of the journal {store.label} is damaged: {said}." for said in store.database_problems()]
    try:
        codebooks = tuple(info.codebook_id for info in store.codebooks())
    except JournalError as error:
        return Verified(0, 0, (*problems, str(error)))
    events = 0
    for stream in (*codebooks, STUDIO):
        state: JournalState | None = JournalState()
        for item in store.inspect(stream):
            if isinstance(item, JournalError):
                problems.append(str(item))
                state = None  # what comes after is not folded on an unknown state
                continue
            events += 1
            if isinstance(item.data, Broken):
                broken = item.data
                problems.append(
                    f"Event {item.seq} of the journal {store.label} ({broken.kind} {broken.about!r}) is not in force, since "
                    f"it is damaged: {broken.reason}. The rest can be used; undo it, or restore the journal from a backup."
                )
            try:
                if state is not None:
                    state.apply(item)
            except JournalError as error:
                problems.append(str(error))
                state = None
    return Verified(len(codebooks), events, tuple(problems))
