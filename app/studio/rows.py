"""How one edit, its neighbours and what it changed are shown: views of a snapshot, which is not changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.journal.state.edits import EditRecord
from app.studio.live import Matched, Snapshot
from app.studio.views import ChangeShown, EditDetail, EditRow, EditState, MatchedQuery, Neighbor
from grace_core.codebook.change import Change
from grace_core.codebook.codebook import Codebook, Entry
from grace_core.codebook.geometry import pair_distances

NEIGHBORS_SHOWN = 5


def edit_state(now: Snapshot, record: EditRecord) -> EditState:
    """Whether it counts, and if not, why."""
    if record.undone:
        return "undone"
    return "superseded" if now.codebook.entry_of(record.edit.edit_id) is None else "active"


def edit_row(now: Snapshot, record: EditRecord) -> EditRow:
    """One edit in a list."""
    edit = record.edit
    entry = now.codebook.entry_of(edit.edit_id)
    return EditRow(
        edit_id=edit.edit_id, prompt=edit.prompt, target=edit.target, author=record.event.author, at=record.event.at,
        epsilon=float(entry.epsilon) if entry is not None else None, matches=len(now.answered_by(edit.edit_id)),
        state=edit_state(now, record), change=record.edited.change.get("kind", "added"), paraphrases=edit.paraphrases,
        source_url=record.edited.source_url,
    )  # fmt: skip


def edit_detail(now: Snapshot, record: EditRecord) -> EditDetail:
    """One edit in full."""
    entry = now.codebook.entry_of(record.edit.edit_id)
    query = now.codebook.encoder(record.edit.activation[None])[0]
    return EditDetail(
        row=edit_row(now, record),
        serves=() if entry is None else entry.edit_ids,
        text_before=record.edited.text_before,
        text_after=record.edited.text_after,
        change=_told(record.edited.change),
        neighbors=_neighbors(now.codebook, query, entry, 0.0 if entry is None else entry.epsilon),
        matched=tuple(sorted(map(_matched, now.answered_by(record.edit.edit_id)), key=lambda row: row.distance)),
    )


def change_shown(change: Change, codebook: Codebook) -> ChangeShown:
    """What an edit did, with the prompts of those that it names. codebook: with the edit in it."""
    entry, near = change.entry, change.nearest
    nearest = None
    if near.entry is not None and near.distance is not None:
        nearest = _neighbor(codebook, near.entry, near.distance, entry.epsilon)
    prompts = {e.edit_id: e.prompt for e in codebook.entries}
    shrunk = tuple((s.edit_id, prompts.get(s.edit_id, ""), float(s.before), float(s.after)) for s in change.shrunk)
    return ChangeShown(change.kind, float(entry.epsilon), nearest, shrunk, change.superseded)


def _matched(one: Matched) -> MatchedQuery:
    said, distance = one.record.generated, one.match.distance
    assert distance is not None  # it matched
    return MatchedQuery(said.query_id, said.prompt, said.text, distance, one.record.event.at, said_by=said.edit_id)


def _told(stored: Mapping[str, Any]) -> str:
    """What an edit did, in today's words where the journal keeps enough to say it anew."""
    change = ChangeShown.of(stored)
    return str(stored.get("sentence", "")) if change is None else change.sentence()


def _neighbor(codebook: Codebook, entry: Entry, distance: float, epsilon: float) -> Neighbor:
    now = codebook.entry_of(entry.edit_id) or entry
    return Neighbor(
        entry.edit_id, entry.prompt, entry.target, distance, float(now.epsilon), distance - epsilon - float(now.epsilon)
    )


def _neighbors(codebook: Codebook, query: NDArray[np.float32], own: Entry | None, epsilon: float) -> tuple[Neighbor, ...]:
    others = [entry for entry in codebook.entries if entry is not own]
    if not others:
        return ()
    distances = pair_distances(query, np.stack([entry.key for entry in others]), codebook.config.distance)
    order = np.argsort(distances, kind="stable")[:NEIGHBORS_SHOWN]
    return tuple(_neighbor(codebook, others[i], float(distances[i]), epsilon) for i in order)
