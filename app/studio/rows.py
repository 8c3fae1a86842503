"""How one edit, its neighbours and what it changed are shown: views of a snapshot, which is not changed."""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from app.journal.events import Edited
from app.journal.state.broken import BrokenRecord
from app.journal.state.edits import EditRecord
from app.studio.changes import ChangeShown, CutShown, Neighbor
from app.studio.live import Matched, Snapshot
from app.studio.views import EditDetail, EditRow, EditState, MatchedQuery
from grace_core.codebook.change import Change, ChangeKind
from grace_core.codebook.codebook import Codebook, Entry
from grace_core.codebook.geometry import pair_distances

NEIGHBORS_SHOWN = 5


AnyEdit = EditRecord | BrokenRecord


def edit_id_of(record: AnyEdit) -> str:
    return record.broken.about if isinstance(record, BrokenRecord) else record.edit.edit_id


def prompt_of(record: AnyEdit) -> str:
    return record.broken.texts.get("prompt", "") if isinstance(record, BrokenRecord) else record.edit.prompt


def edit_state(now: Snapshot, record: AnyEdit) -> EditState:
    """Whether it counts, and if not, why."""
    if record.undone:
        return "undone"
    if isinstance(record, BrokenRecord):
        return "broken"
    return "superseded" if now.codebook.entry_of(record.edit.edit_id) is None else "active"


def edit_row(now: Snapshot, record: AnyEdit) -> EditRow:
    """One edit in a list."""
    event, state = record.event, edit_state(now, record)
    if isinstance(record, BrokenRecord):
        broken, said = record.broken, record.broken.texts
        return EditRow(
            broken.about, said.get("prompt", ""), said.get("target", ""), event.author, event.at, None, 0, state, "added",
            source_url=said.get("source_url", ""), damage=broken.reason,
        )  # fmt: skip
    edit, entry = record.edit, now.codebook.entry_of(record.edit.edit_id)
    return EditRow(
        edit_id=edit.edit_id, prompt=edit.prompt, target=edit.target, author=event.author, at=event.at,
        epsilon=float(entry.epsilon) if entry is not None else None, matches=len(now.answered_by(edit.edit_id)),
        state=state, change=_told(record.edited)[0], paraphrases=edit.paraphrases, source_url=record.edited.source_url,
    )  # fmt: skip


def edit_detail(now: Snapshot, record: AnyEdit) -> EditDetail:
    """One edit in full."""
    row = edit_row(now, record)
    if isinstance(record, BrokenRecord):
        said = record.broken.texts
        words = f"Its row in the journal is damaged, so it is not in force: {row.damage}"
        return EditDetail(row, said.get("text_before", ""), said.get("text_after", ""), words, (), ())
    entry = now.codebook.entry_of(record.edit.edit_id)
    query = now.codebook.encoder(record.edit.activation[None])[0]
    return EditDetail(
        row=row,
        serves=() if entry is None else entry.edit_ids,
        text_before=record.edited.text_before,
        text_after=record.edited.text_after,
        change=_told(record.edited)[1],
        neighbors=_neighbors(now.codebook, query, entry, 0.0 if entry is None else entry.epsilon),
        matched=tuple(sorted(map(_matched, now.answered_by(record.edit.edit_id)), key=lambda row: row.distance)),
        subject_end=None if entry is None or entry.subject_end >= entry.epsilon else float(entry.subject_end),
    )


def change_shown(change: Change, codebook: Codebook) -> ChangeShown:
    """What an edit did, with the prompts of those that it names. codebook: with the edit in it."""
    entry, near = change.entry, change.nearest
    nearest = None
    if near.entry is not None and near.distance is not None:
        nearest = _neighbor(codebook, near.entry, near.distance, entry.epsilon)
    prompts = {edit.edit_id: edit.prompt for edit in codebook.edits}
    shrunk = tuple((s.edit_id, prompts.get(s.edit_id, ""), float(s.before), float(s.after)) for s in change.shrunk)
    cut = None
    if (one := change.cut) is not None:
        cut = CutShown(float(one.asked), float(one.given), one.by, prompts.get(one.by, ""), float(one.distance))
    return ChangeShown(change.kind, float(entry.epsilon), nearest, shrunk, change.superseded, cut)


def _matched(one: Matched) -> MatchedQuery:
    said, distance = one.record.generated, one.match.distance
    assert distance is not None  # it matched
    return MatchedQuery(said.query_id, said.prompt, said.text, distance, one.record.event.at, said_by=said.edit_id)


def _told(edited: Edited) -> tuple[ChangeKind, str]:
    """What an edit did, in one word and in today's words where the journal keeps enough to say it anew."""
    stored = edited.change
    change = ChangeShown.of(stored, asked=edited.requested_epsilon, target=edited.target)
    if change is not None:
        return change.kind, change.sentence()
    kind: ChangeKind = next((one for one in get_args(ChangeKind) if one == stored.get("kind")), "added")
    return kind, str(stored.get("sentence", ""))


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
