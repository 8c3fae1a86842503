"""What there is: edits, one of them in full, the map's points, and what is open. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import get_args

import numpy as np

from app.studio.live import LiveCodebook, Snapshot
from app.studio.rows import AnyEdit, edit_detail, edit_id_of, edit_row, edit_state, prompt_of
from app.studio.texts import checked_search
from app.studio.views import (
    EditDetail,
    EditPage,
    EditsMark,
    EditState,
    MapKey,
    MapMoment,
    MapQuery,
    MapView,
    UndoneKeys,
)  # fmt: skip


class Listing:
    """Everything that a page shows of the codebook and the journal; `app.studio.facade.Studio` says more of each method."""

    def __init__(self, live: LiveCodebook) -> None:
        """Of this codebook."""
        self._live = live
        self._view: MapView | None = None

    def edits(
        self, *, search: str = "", state: EditState | None = None, among: Collection[str] | None = None,
        offset: int = 0, limit: int = 50, holding: str | None = None,
    ) -> EditPage:  # fmt: skip
        """Edits, newest first. Rows are made for the page that is shown alone."""
        words = checked_search(search).lower().split()
        now = self._live.now()
        found = [
            record
            for record in now.all_edits
            if (among is None or edit_id_of(record) in among)
            and (state is None or edit_state(now, record) == state)
            and (not words or _holds(now, record, words))
        ]
        at = next((i for i, record in enumerate(found) if edit_id_of(record) == holding), None)
        offset = max(0, offset) if at is None else at // limit * limit
        rows = tuple(edit_row(now, record) for record in found[offset : offset + limit])
        return EditPage(rows, len(found), _counts(now), offset)

    def edits_mark(self) -> EditsMark:
        """What tells one state of the edits from another."""
        now = self._live.now()
        newest = next(iter(now.all_edits), None)
        about = ("", "", "") if newest is None else (edit_id_of(newest), prompt_of(newest), newest.event.author)
        return EditsMark(*about, _counts(now)["undone"])

    def detail(self, edit_id: str) -> EditDetail:
        """One edit with its neighbours and the logged queries that it answers under the present codebook."""
        now = self._live.now()
        return edit_detail(now, now.edit_or_broken(edit_id))

    def map_view(self, *, max_queries: int = 20_000) -> MapView:
        """Keys in force and the latest queries with their vectors, as the present codebook answers them."""
        return self._map_view(self._live.now(), max_queries)

    def map_moment(self) -> MapMoment:
        """`map_view` and what it was made from."""
        now = self._live.now()
        return MapMoment(self._map_view(now, 20_000), now.codebook, now.query_space_id)

    def undone_keys(self, limit: int) -> UndoneKeys:
        """The newest undone edits, at most `limit`, with the queries of their prompts under the present codebook."""
        now = self._live.now()
        version, codebook = self._version(now, 20_000), now.codebook
        undone = [record.edit for record in reversed(now.state.edits.values()) if record.undone]
        edits = tuple(undone[:limit])
        if not edits:
            return UndoneKeys(version, len(undone), (), np.zeros((0, codebook.encoder.dimensions), np.float32))
        return UndoneKeys(version, len(undone), edits, codebook.encoder(np.stack([edit.activation for edit in edits])))

    def _version(self, now: Snapshot, max_queries: int) -> str:
        """What the map is made of, and no more: a mark makes no new one. Queries only ever come, in journal order."""
        return f"{self._live.codebook_id}-{now.state.folded}-{len(now.state.queries)}-{max_queries}"

    def _map_view(self, now: Snapshot, max_queries: int) -> MapView:
        kept, version = self._view, self._version(now, max_queries)
        if kept is not None and kept.version == version:
            return kept
        codebook = now.codebook
        matched = now.matched[max(0, len(now.matched) - max_queries) :]
        keys = tuple(
            MapKey(
                e.edit_id, e.edit_ids, e.prompt, e.target, float(e.epsilon),
                None if e.subject_end >= e.epsilon else float(e.subject_end),
            )
            for e in codebook.entries
        )  # fmt: skip
        queries = tuple(
            MapQuery(
                said.query_id, said.prompt, said.text, one.match.edit_id, one.match.distance, one.record.event.author,
                one.record.event.at,
            )
            for one in matched
            for said in (one.record.generated,)
        )  # fmt: skip
        width = codebook.encoder.dimensions
        vectors = np.stack([one.vector for one in matched]) if matched else np.zeros((0, width), np.float32)
        view = MapView(version, keys, queries, codebook.keys.reshape(-1, width), vectors, now.query_space_id)
        self._view = view
        return view


def _holds(now: Snapshot, record: AnyEdit, words: Collection[str]) -> bool:
    row = edit_row(now, record)
    text = " ".join((row.prompt, row.target, row.author, row.source_url, row.edit_id)).lower()
    return all(word in text for word in words)


def _counts(now: Snapshot) -> dict[EditState, int]:
    found = Counter(edit_state(now, record) for record in now.all_edits)
    return {state: found[state] for state in get_args(EditState)}
