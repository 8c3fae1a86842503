"""What a page shows of the codebook and the journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.journal.store import JournalStore
from app.studio.workbench import Workbench
from grace_core.codebook.geometry import pair_distances
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Studio,
    assert_is_the_journals,
    edited,
    event_of,
    id_of,
    other_than,
    said,
)
from tests.grace_core.builders import calibrated
from tests.grace_core.taught import ANSWERS


def test_edits_are_listed_newest_first_searched_filtered_and_paged(studio: Studio, bench: Workbench) -> None:
    codebook = calibrated(studio.model)
    for i, prompt in enumerate((PROMPT, OTHER, THIRD, "What is France?", "Hi")):
        studio.write(event_of(studio.model, codebook, prompt, ANSWERS[i], f"e{i}", i))
    bench.undo("e1")

    def ids(**query: Any) -> list[str]:
        return [row.edit_id for row in bench.edits(**query).rows]

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
    assert bench.edits(holding="e1", limit=2).offset == 2
    assert ids(holding="e1", limit=2, search="is") == ["e3", "e1"]
    assert ids(holding="e1", limit=2, state="active", offset=1) == ["e3", "e2"]
    assert ids(among={"e1", "e3", "gone"}) == ["e3", "e1"]
    assert ids(among=set()) == []
    assert ids(among={"e2", "e3"}, holding="e2", limit=1) == ["e2"]
    assert ids(offset=-3, limit=1) == ["e4"]
    page = bench.edits(search="is", state="active", limit=1)
    assert page.total == 2
    assert page.counts == {"active": 4, "undone": 1, "superseded": 0}
    assert [row.epsilon is None for row in bench.edits().rows] == [False, False, False, True, False]


def test_authors_and_sources_are_searched_too(bench: Workbench) -> None:
    edited(bench, author="Bo Ek", source_url="https://example.org/ada")
    assert bench.edits(search="bo ek").total == bench.edits(search="example.org").total == 1


def test_editing_again_supersedes_and_undoing_that_brings_the_first_back(bench: Workbench, studio: Studio) -> None:
    first = edited(bench)
    second = edited(bench, PROMPT, other_than(first.target, first.text_before))
    assert second.text_before == first.target
    assert second.change is not None
    assert (second.change.kind, second.change.superseded_edit_id) == ("superseded", first.edit_id)
    rows = bench.edits().rows
    assert [(row.edit_id, row.state) for row in rows] == [(second.edit_id, "active"), (first.edit_id, "superseded")]
    assert rows[1].epsilon is None
    assert bench.edits(state="superseded").total == 1
    assert bench.status().active_edits == 1
    detail = bench.detail(id_of(first))
    assert detail.matched == ()
    assert [(n.edit_id, n.distance) for n in detail.neighbors] == [(second.edit_id, 0.0)]
    bench.undo(id_of(second))
    assert bench.edits(state="active").rows[0].edit_id == first.edit_id
    assert said(bench, PROMPT) == first.target
    assert_is_the_journals(studio, bench)


def test_details_agree_with_the_codebook(studio: Studio) -> None:
    bench = studio.open(epsilon=0.6)
    done = edited(bench, PROMPT)
    near = edited(bench, OTHER, other_than(done.target, said(bench, OTHER)))
    asked = [bench.generate(text).result(SOON) for text in (PROMPT, "Who is Ada Lovelace?", "Who was Ada Lovelace", THIRD)]
    detail = bench.detail(id_of(done))
    assert (detail.text_before, detail.text_after) == (done.text_before, done.target)
    assert done.change is not None
    assert detail.change == done.change.sentence()
    assert detail.row == next(row for row in bench.edits().rows if row.edit_id == done.edit_id)

    codebook = bench.codebook
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
    assert detail.row.matches == len(matched)
    # Those that `edited` asked before it edited are there too: the edit answers them now.
    assert sorted(item.distance for item in detail.matched) == [item.distance for item in detail.matched]
    own = {answer.query_id for answer in asked}
    listed = [(item.query_id, item.distance, item.text, item.at) for item in detail.matched if item.query_id in own]
    assert listed == [(a.query_id, a.distance, a.text, a.at) for a in sorted(matched, key=lambda a: a.distance or 0.0)]


def test_the_map_agrees_with_the_codebook(studio: Studio) -> None:
    bench = studio.open(epsilon=0.6)
    for prompt in (PROMPT, OTHER):
        edited(bench, prompt)
    answers = [bench.generate(text).result(SOON) for text in (PROMPT, "Who is Ada Lovelace?", THIRD)]
    view, codebook = bench.map_view(), bench.codebook
    assert [(k.edit_id, k.edit_ids, k.epsilon) for k in view.keys] == [
        (e.edit_id, e.edit_ids, e.epsilon) for e in codebook.entries
    ]
    assert [(k.prompt, k.target) for k in view.keys] == [(e.prompt, e.target) for e in codebook.entries]
    assert view.key_vectors.tobytes() == codebook.keys.tobytes()
    assert view.key_vectors.shape == (2, codebook.encoder.dimensions)
    assert view.query_vectors.shape == (len(view.queries), codebook.encoder.dimensions)
    assert view.query_space_id == bench.query_space_id
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
    for change in (lambda: bench.undo(first), lambda: bench.redo(first), lambda: edited(bench, THIRD)):
        change()
        again = bench.map_view()
        found = bench.codebook.match(again.query_vectors)
        assert [(q.edit_id, q.distance) for q in again.queries] == [(m.edit_id, m.distance) for m in found]


def test_the_map_is_empty_at_first_and_its_version_changes_with_it(bench: Workbench) -> None:
    empty = bench.map_view()
    width = bench.codebook.encoder.dimensions
    assert (empty.keys, empty.queries) == ((), ())
    assert empty.key_vectors.shape == empty.query_vectors.shape == (0, width)
    assert bench.map_view().version == empty.version
    outcome = edited(bench)
    versions = {empty.version, bench.map_view().version}
    bench.undo(id_of(outcome))
    versions.add(bench.map_view().version)
    assert len(versions) == 3
    assert [query.edit_id for query in bench.map_view().queries] == [None]


def test_a_mark_leaves_the_map_as_it_is_and_a_query_does_not(bench: Workbench) -> None:
    said(bench, PROMPT)
    view = bench.map_view()
    bench.unmark(bench.mark(view.queries[0].query_id, 0, 2, "wrong").mark_id)
    assert bench.map_view() is view
    said(bench, OTHER)
    assert bench.map_view().version != view.version


def test_the_map_keeps_the_latest_queries(bench: Workbench) -> None:
    ids = [bench.generate(prompt).result(SOON).query_id for prompt in (PROMPT, OTHER, THIRD)]
    for most, shown in ((2, ids[1:]), (3, ids), (99, ids), (0, [])):
        view = bench.map_view(max_queries=most)
        assert [query.query_id for query in view.queries] == shown
        assert len(view.query_vectors) == len(shown)


def test_matches_count_what_an_edit_answered_when_it_was_asked(bench: Workbench) -> None:
    outcome = edited(bench)
    edit_id = id_of(outcome)
    assert bench.detail(edit_id).row.matches == 0
    assert len(bench.detail(edit_id).matched) == 1  # asked before the edit; answered by it now
    for _ in range(2):
        said(bench, PROMPT)
    assert bench.detail(edit_id).row.matches == 2
    assert [query.said_by for query in bench.detail(edit_id).matched] == [None, edit_id, edit_id]
    assert bench.detail(edit_id).serves == (edit_id,)
    bench.undo(edit_id)
    said(bench, PROMPT)
    detail = bench.detail(edit_id)
    assert (detail.row.matches, detail.row.state, detail.row.epsilon, detail.matched) == (2, "undone", None, ())


def test_the_status_line_says_what_is_open(studio: Studio, tmp_path: Path) -> None:
    bench = studio.open()
    edited(bench)
    status, config = bench.status(), studio.config()
    assert (status.model_name, status.fingerprint) == (studio.model.name, studio.model.fingerprint)
    assert (status.preset, status.epsilon) == ("robust", 0.1)
    assert (status.key_layer, status.value_layer) == (config.key_layer, config.value_layer)
    assert (status.active_edits, status.queries) == (1, 1)
    assert str(tmp_path) in status.data_dir
    unresolved = replace(config, key_layer=None, value_layer=None)
    with JournalStore(studio.url) as store:
        same = Workbench.open(studio.model, unresolved, store, data_dir=tmp_path)
        same.close()
        assert same.edits().total == 1
        assert same.status().data_dir == str(tmp_path)
