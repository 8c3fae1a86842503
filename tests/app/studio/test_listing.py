"""What a page shows of the codebook and the journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.journal.store import JournalStore
from app.studio.studio import OpenStudio
from grace_core.codebook.geometry import pair_distances
from grace_core.testing import calibrated
from grace_core.testing.taught import ANSWERS
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Journal,
    assert_is_the_journals,
    edited,
    event_of,
    id_of,
    other_than,
    said,
)


def test_edits_are_listed_newest_first_searched_filtered_and_paged(journal: Journal, studio: OpenStudio) -> None:
    codebook = calibrated(journal.model)
    for i, prompt in enumerate((PROMPT, OTHER, THIRD, "What is France?", "Hi")):
        journal.write(event_of(journal.model, codebook, prompt, ANSWERS[i], f"e{i}", i))
    studio.undo("e1")

    def ids(**query: Any) -> list[str]:
        return [row.edit_id for row in studio.edits(**query).rows]

    assert ids() == ["e4", "e3", "e2", "e1", "e0"]
    assert ids(search="  LOVELACE ada ") == ["e0"]
    assert ids(search="mathematician") == ["e2"]
    assert ids(search="is") == ["e3", "e1", "e0"]
    assert ids(search="e4") == ["e4"]
    assert ids(search="ada moon") == []
    assert ids(state="undone") == ["e1"]
    assert ids(state="active", search="is") == ["e3", "e0"]
    assert ids(offset=1, limit=2) == ["e3", "e2"]
    assert ids(offset=4, limit=2) == ["e0"]
    assert ids(offset=9) == []
    assert ids(holding="e1", limit=2) == ["e2", "e1"]
    assert studio.edits(holding="e1", limit=2).offset == 2
    assert ids(holding="e1", limit=2, search="is") == ["e3", "e1"]
    assert ids(holding="e1", limit=2, state="active", offset=1) == ["e3", "e2"]
    assert ids(among={"e1", "e3", "gone"}) == ["e3", "e1"]
    assert ids(among=set()) == []
    assert ids(among={"e2", "e3"}, holding="e2", limit=1) == ["e2"]
    assert ids(offset=-3, limit=1) == ["e4"]
    page = studio.edits(search="is", state="active", limit=1)
    assert page.total == 2
    assert page.counts == {"active": 4, "undone": 1, "superseded": 0, "broken": 0}
    assert [row.epsilon is None for row in studio.edits().rows] == [False, False, False, True, False]


def test_authors_and_sources_are_searched_too(studio: OpenStudio) -> None:
    edited(studio, author="Bo Ek", source_url="https://example.org/ada")
    assert studio.edits(search="bo ek").total == studio.edits(search="example.org").total == 1


def test_editing_again_supersedes_and_undoing_that_brings_the_first_back(studio: OpenStudio, journal: Journal) -> None:
    first = edited(studio)
    second = edited(studio, PROMPT, other_than(first.target, first.text_before))
    assert second.text_before == first.target
    assert second.change is not None
    assert (second.change.kind, second.change.superseded_edit_id) == ("superseded", first.edit_id)
    rows = studio.edits().rows
    assert [(row.edit_id, row.state) for row in rows] == [(second.edit_id, "active"), (first.edit_id, "superseded")]
    assert rows[1].epsilon is None
    assert studio.edits(state="superseded").total == 1
    assert studio.status().active_edits == 1
    detail = studio.detail(id_of(first))
    assert detail.matched == ()
    assert [(n.edit_id, n.distance) for n in detail.neighbors] == [(second.edit_id, 0.0)]
    studio.undo(id_of(second))
    assert studio.edits(state="active").rows[0].edit_id == first.edit_id
    assert said(studio, PROMPT) == first.target
    assert_is_the_journals(journal, studio)


def test_details_agree_with_the_codebook(journal: Journal) -> None:
    studio = journal.open(epsilon=0.6)
    done = edited(studio, PROMPT)
    near = edited(studio, OTHER, other_than(done.target, said(studio, OTHER)))
    asked = [studio.generate(text).result(SOON) for text in (PROMPT, "Who is Ada Lovelace?", "Who was Ada Lovelace", THIRD)]
    detail = studio.detail(id_of(done))
    assert (detail.text_before, detail.text_after) == (done.text_before, done.target)
    assert done.change is not None
    assert detail.change == done.change.sentence()
    assert detail.row == next(row for row in studio.edits().rows if row.edit_id == done.edit_id)

    codebook = studio.codebook
    mine, other = codebook.entry_of(id_of(done)), codebook.entry_of(id_of(near))
    assert mine is not None
    assert other is not None
    apart = float(pair_distances(mine.key, other.key[None], codebook.config.distance)[0])
    (neighbor,) = detail.neighbors
    assert (neighbor.edit_id, neighbor.prompt, neighbor.target) == (near.edit_id, OTHER, near.target)
    assert (neighbor.distance, neighbor.epsilon) == (apart, other.epsilon)
    assert neighbor.gap == apart - mine.epsilon - other.epsilon
    assert neighbor.gap >= 0

    matched = [answer for answer in asked if answer.edit_id == done.edit_id]
    assert len(matched) >= 2
    assert detail.row.matches == len(detail.matched)
    # Those that `edited` asked before it edited are there too: the edit answers them now.
    assert sorted(item.distance for item in detail.matched) == [item.distance for item in detail.matched]
    own = {answer.query_id for answer in asked}
    listed = [(item.query_id, item.distance, item.text, item.at) for item in detail.matched if item.query_id in own]
    assert listed == [(a.query_id, a.distance, a.text, a.at) for a in sorted(matched, key=lambda a: a.distance or 0.0)]


def test_the_map_agrees_with_the_codebook(journal: Journal) -> None:
    studio = journal.open(epsilon=0.6)
    for prompt in (PROMPT, OTHER):
        edited(studio, prompt)
    answers = [studio.generate(text).result(SOON) for text in (PROMPT, "Who is Ada Lovelace?", THIRD)]
    view, codebook = studio.map_view(), studio.codebook
    assert [(k.edit_id, k.edit_ids, k.epsilon) for k in view.keys] == [
        (e.edit_id, e.edit_ids, e.epsilon) for e in codebook.entries
    ]
    assert [(k.prompt, k.target) for k in view.keys] == [(e.prompt, e.target) for e in codebook.entries]
    assert view.key_vectors.tobytes() == codebook.keys.tobytes()
    assert view.key_vectors.shape == (2, codebook.encoder.dimensions)
    assert view.query_vectors.shape == (len(view.queries), codebook.encoder.dimensions)
    assert view.query_space_id == studio.query_space_id
    assert view.query_vectors.dtype == view.key_vectors.dtype == np.float32
    found = codebook.match(view.query_vectors)
    assert [(q.edit_id, q.distance) for q in view.queries] == [(m.edit_id, m.distance) for m in found]
    shown = {q.query_id: q for q in view.queries}
    for answer in answers:
        query = shown[answer.query_id]
        assert (query.prompt, query.text, query.edit_id, query.distance) == (
            answer.prompt, answer.text, answer.edit_id, answer.distance,
        )  # fmt: skip
    # Under the present codebook: what was asked before its edit was made is answered by it now.
    assert view.queries[0].edit_id == view.keys[0].edit_id
    # The next codebook looks at what the change can have changed, and says the same as one that looks at everything.
    first = view.keys[0].edit_id
    for change in (lambda: studio.undo(first), lambda: studio.redo(first), lambda: edited(studio, THIRD)):
        change()
        again = studio.map_view()
        found = studio.codebook.match(again.query_vectors)
        assert [(q.edit_id, q.distance) for q in again.queries] == [(m.edit_id, m.distance) for m in found]


def test_the_map_is_empty_at_first_and_its_version_changes_with_it(studio: OpenStudio) -> None:
    empty = studio.map_view()
    width = studio.codebook.encoder.dimensions
    assert (empty.keys, empty.queries) == ((), ())
    assert empty.key_vectors.shape == empty.query_vectors.shape == (0, width)
    assert studio.map_view().version == empty.version
    outcome = edited(studio)
    versions = {empty.version, studio.map_view().version}
    studio.undo(id_of(outcome))
    versions.add(studio.map_view().version)
    assert len(versions) == 3
    assert [query.edit_id for query in studio.map_view().queries] == [None]


def test_a_mark_leaves_the_map_as_it_is_and_a_query_does_not(studio: OpenStudio) -> None:
    said(studio, PROMPT)
    view = studio.map_view()
    studio.unmark(studio.mark(view.queries[0].query_id, 0, 2, "wrong").mark_id)
    assert studio.map_view() is view
    said(studio, OTHER)
    assert studio.map_view().version != view.version


def test_the_map_keeps_the_latest_queries(studio: OpenStudio) -> None:
    ids = [studio.generate(prompt).result(SOON).query_id for prompt in (PROMPT, OTHER, THIRD)]
    for most, shown in ((2, ids[1:]), (3, ids), (99, ids), (0, [])):
        view = studio.map_view(max_queries=most)
        assert [query.query_id for query in view.queries] == shown
        assert len(view.query_vectors) == len(shown)


def test_the_matches_are_the_queries_that_the_present_codebook_lets_the_edit_answer(studio: OpenStudio) -> None:
    outcome = edited(studio)
    edit_id = id_of(outcome)
    for asked_since in range(3):
        detail = studio.detail(edit_id)
        # One was asked before the edit, which answers it now.
        assert detail.row.matches == len(detail.matched) == studio.edits().rows[0].matches == 1 + asked_since
        assert [query.edit_id for query in studio.map_view().queries].count(edit_id) == detail.row.matches
        said(studio, PROMPT)
    assert sorted(query.said_by or "" for query in studio.detail(edit_id).matched) == ["", *[edit_id] * 3]
    assert studio.detail(edit_id).serves == (edit_id,)
    undone = studio.undo(edit_id)
    detail = studio.detail(edit_id)
    assert (undone.matches, detail.row.matches, detail.row.state, detail.row.epsilon, detail.matched) == (
        0,
        0,
        "undone",
        None,
        (),
    )
    assert studio.redo(edit_id).matches == 4


def test_the_status_line_says_what_is_open(journal: Journal, tmp_path: Path) -> None:
    studio = journal.open()
    edited(studio)
    status, config = studio.status(), journal.config()
    assert (status.model_name, status.fingerprint) == (journal.model.name, journal.model.fingerprint)
    assert (status.preset, status.epsilon) == ("early", 0.1)
    assert (status.key_layer, status.value_layer) == (config.key_layer, config.value_layer)
    assert (status.active_edits, status.queries) == (1, 1)
    assert str(tmp_path) in status.data_dir
    unresolved = replace(config, key_layer=None, value_layer=None)
    with JournalStore(journal.url) as store:
        same = OpenStudio.open(journal.model, unresolved, store, data_dir=tmp_path)
        same.close()
        assert same.edits().total == 1
        assert same.status().data_dir == str(tmp_path)
