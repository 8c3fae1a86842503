"""What is there: edits, one of them in full, the map's points, and where a prompt would land. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, get_args

import numpy as np

from app.journal.replay import EditRecord, QueryRecord
from app.studio.jobs import Job
from app.studio.query_space import ReadingDesk
from app.studio.views import (
    Change,
    EditDetail,
    EditPage,
    EditRow,
    EditState,
    MapKey,
    MapMoment,
    MapQuery,
    MapView,
    MatchedQuery,
    Neighbor,
    Trial,
    UndoneKeys,
)  # fmt: skip
from grace_core.codebook.change import Change as CoreChange
from grace_core.codebook.codebook import Codebook, Entry
from grace_core.codebook.geometry import pair_distances
from grace_core.models.activations import activations_of

NEIGHBORS_SHOWN = 5


class LookDesk(ReadingDesk):
    """Everything that a page shows of the codebook and the journal."""

    _view: MapView | None = None

    def edits(
        self,
        *,
        search: str = "",
        state: EditState | None = None,
        among: Collection[str] | None = None,
        offset: int = 0,
        limit: int = 50,
        holding: str | None = None,
    ) -> EditPage:
        """Edits, newest first: those whose prompt, target, author, source or id contains all of `search`'s words.

        among: ids of edits, where only those are wanted.
        holding: the id of an edit; where it is among them, the page is the one that it is on, whatever `offset` says.
        """
        words = search.lower().split()
        with self._lock:
            self._catch_up()
            matches = self._matches()
            rows = [self._row(record, matches) for record in reversed(self._replay.edits.values())]
        counts: dict[EditState, int] = dict.fromkeys(get_args(EditState), 0)
        for row in rows:
            counts[row.state] += 1
        rows = [
            row
            for row in rows
            if (state is None or row.state == state)
            and (among is None or row.edit_id in among)
            and all(word in " ".join((row.prompt, row.target, row.author, row.source_url, row.edit_id)).lower() for word in words)
        ]
        at = next((i for i, row in enumerate(rows) if row.edit_id == holding), None)
        offset = max(0, offset) if at is None else at // limit * limit
        return EditPage(tuple(rows[offset : offset + limit]), len(rows), counts, offset)

    def detail(self, edit_id: str) -> EditDetail:
        """One edit with its neighbours and the logged queries that it answers under the present codebook.

        Raises:
            NotFound: an unknown edit.
        """
        with self._lock:
            self._catch_up()
            record = self._edit_record(edit_id)
            codebook = self._codebook
            row = self._row(record, self._matches())
            entry = codebook.entry_of(edit_id)
            query = codebook.encoder(record.edit.activation[None])[0]
            matched = [] if entry is None else self._answered_by(entry, codebook)
        return EditDetail(
            row=row,
            serves=() if entry is None else entry.edit_ids,
            text_before=record.edited.text_before,
            text_after=record.edited.text_after,
            change=_told(record.edited.change),
            neighbors=_neighbors(codebook, query, entry, 0.0 if entry is None else entry.epsilon),
            matched=tuple(matched),
        )

    def map_view(self, *, max_queries: int = 20_000) -> MapView:
        """Keys in force and the latest queries with their vectors, as the present codebook answers them."""
        with self._lock:
            self._catch_up()
            codebook = self._codebook
            # What the map is made of, and no more: a mark makes no new one. Queries only ever come, in journal order.
            version = f"{self._id}-{self._folded}-{len(self._replay.queries)}-{max_queries}"
            if self._view is not None and self._view.version == version:
                return self._view
            matched = self._query_matches(codebook)
            matched = matched[max(0, len(matched) - max_queries) :]
            keys = tuple(MapKey(e.edit_id, e.edit_ids, e.prompt, e.target, float(e.epsilon)) for e in codebook.entries)
            queries = tuple(
                MapQuery(
                    item.generated.query_id, item.generated.prompt, item.generated.text,
                    match.edit_id, match.distance,
                )
                for item, _, match in matched
            )  # fmt: skip
            width = codebook.encoder.dimensions
            vectors = np.stack([vector for _, vector, _ in matched]) if matched else np.zeros((0, width), np.float32)
            reading = self._replay.reading.reading_id
            self._view = MapView(version, keys, queries, codebook.keys.reshape(-1, width), vectors, reading)
            return self._view

    def map_moment(self) -> MapMoment:
        """`map_view` and what it was made from; another browser may change that right after."""
        with self._lock:
            return MapMoment(self.map_view(), self._codebook, self._replay.reading.reading_id)

    def undone_keys(self, limit: int) -> UndoneKeys:
        """The newest undone edits, at most `limit`, with the queries of their prompts under the present codebook."""
        with self._lock:
            version, codebook = self.map_view().version, self._codebook
            undone = [record.edit for record in reversed(self._replay.edits.values()) if record.undone]
        edits = tuple(undone[:limit])
        if not edits:
            return UndoneKeys(version, len(undone), (), np.zeros((0, codebook.encoder.dimensions), np.float32))
        return UndoneKeys(version, len(undone), edits, codebook.encoder(np.stack([edit.activation for edit in edits])))

    def try_prompt(self, prompt: str, *, asker: str = "") -> Job[Trial]:
        """Read a prompt as a query without answering or logging it: what would answer it is the codebook's to say.

        Raises:
            InputError: an empty prompt, or one beyond the context window.
        """
        read = self._model.prompt(prompt)

        def work(job: Job[Trial]) -> Trial:
            with self._lock:
                self._catch_up()
                codebook, reading = self._codebook, self._replay.reading.reading_id
            (activation,) = activations_of(self._model, codebook.config, codebook.encoder.weights, [read])
            return Trial(read.text, activation, reading)

        return self._worker.submit(work, asker)

    def _answered_by(self, entry: Entry, codebook: Codebook) -> list[MatchedQuery]:
        """Logged queries that this entry answers now, nearest first."""
        found = [(record, vector) for record, vector, match in self._query_matches(codebook) if match.edit_id == entry.edit_id]
        distances = [float(pair_distances(vector, entry.key[None], codebook.config.distance)[0]) for _, vector in found]
        rows = [_matched(record, distance) for (record, _), distance in zip(found, distances, strict=True)]
        return sorted(rows, key=lambda row: row.distance)

    def _matches(self) -> Counter[str]:
        """How many logged queries each edit answered when they were asked."""
        return Counter(q.generated.edit_id for q in self._replay.queries.values() if q.generated.edit_id is not None)

    def _changed_answers(self, before: Codebook, after: Codebook) -> int:
        """Logged queries that another edit, or none, would answer now; other than by the edits' own coming and going."""
        if before.encoder.version == after.encoder.version:
            return 0
        then = [match.edit_id for _, _, match in self._query_matches(before)]
        now = [match.edit_id for _, _, match in self._query_matches(after)]
        old = {entry.edit_id for entry in before.entries}
        return sum(a != b for a, b in zip(then, now, strict=True) if a in old or b in old)

    def _row(self, record: EditRecord, matches: Counter[str]) -> EditRow:
        edit = record.edit
        entry = None if record.undone else self._codebook.entry_of(edit.edit_id)
        state: EditState = "undone" if record.undone else "active" if entry is not None else "superseded"
        return EditRow(
            edit_id=edit.edit_id, prompt=edit.prompt, target=edit.target, author=record.event.author, at=record.event.at,
            epsilon=float(entry.epsilon) if entry is not None else None, matches=matches[edit.edit_id], state=state,
            change=record.edited.change.get("kind", "added"), paraphrases=edit.paraphrases, source_url=record.edited.source_url,
        )  # fmt: skip

    def _described(self, change: CoreChange, codebook: Codebook) -> Change:
        entry, near = change.entry, change.nearest
        nearest = None
        if near.entry is not None and near.distance is not None:
            nearest = _neighbor(codebook, near.entry, near.distance, entry.epsilon)
        prompts = {e.edit_id: e.prompt for e in codebook.entries}
        shrunk = tuple((s.edit_id, prompts.get(s.edit_id, ""), float(s.before), float(s.after)) for s in change.shrunk)
        return Change(change.kind, float(entry.epsilon), nearest, shrunk, change.superseded)


def _matched(record: QueryRecord, distance: float) -> MatchedQuery:
    said = record.generated
    return MatchedQuery(said.query_id, said.prompt, said.text, distance, record.event.at, said_by=said.edit_id)


def _told(stored: Mapping[str, Any]) -> str:
    """What an edit did, in today's words where the journal keeps enough to say it anew."""
    change = Change.of(stored)
    return str(stored.get("sentence", "")) if change is None else change.sentence()


def _neighbor(codebook: Codebook, entry: Entry, distance: float, epsilon: float) -> Neighbor:
    now = codebook.entry_of(entry.edit_id) or entry
    return Neighbor(
        entry.edit_id, entry.prompt, entry.target, distance, float(now.epsilon), distance - epsilon - float(now.epsilon)
    )


def _neighbors(codebook: Codebook, query: Any, own: Entry | None, epsilon: float) -> tuple[Neighbor, ...]:
    others = [entry for entry in codebook.entries if entry is not own]
    if not others:
        return ()
    distances = pair_distances(query, np.stack([entry.key for entry in others]), codebook.config.distance)
    order = np.argsort(distances, kind="stable")[:NEIGHBORS_SHOWN]
    return tuple(_neighbor(codebook, others[i], float(distances[i]), epsilon) for i in order)
