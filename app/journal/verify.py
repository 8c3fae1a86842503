"""Everything that can be wrong with a journal, each with its place. Reads all of it; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import JournalError
from app.journal.events import Broken, StoredEvent
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
        damaged: list[StoredEvent] = []
        for item in store.inspect(stream):
            if isinstance(item, JournalError):
                problems.append(str(item))
                state = None  # what comes after is not folded on an unknown state
                continue
            events += 1
            if isinstance(item.data, Broken):
                damaged.append(item)
            try:
                if state is not None:
                    state.apply(item)
            except JournalError as error:
                problems.append(str(error))
                state = None
        undone = {one.event.seq for one in state.broken if one.undone} if state is not None else set()
        problems += [_of_one(event, store.label, event.seq in undone) for event in damaged]
    return Verified(len(codebooks), events, tuple(problems))


def _of_one(event: StoredEvent, label: str, undone: bool) -> str:
    """What is wrong with a damaged event on which nothing else depends, and what can be done."""
    broken = event.data
    assert isinstance(broken, Broken)
    if undone:
        cure = "It was undone, so nothing is to be done."
    elif broken.kind == "edited":
        cure = "The rest can be used; undo this edit, or restore the journal from a backup."
    else:
        cure = "Nothing depends on it; only a backup brings it back."
    return f"Event {event.seq} of the journal {label} ({broken.kind} {broken.about!r}) is not in force: {broken.reason}. {cure}"
