"""The map's coordinates: nothing placed ever moves by itself, and nothing degenerate breaks them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.map.layout import placing
from app.map.layout.file import SavedLayout
from app.map.layout.layout import Projection
from app.map.layout.points import Points, digest_of
from tests.app.map.layout.layouts import EMPTY, WIDTH, calibrated, everything, kept, unit, view_of


def test_no_points_no_layout() -> None:
    layout = Projection().layout(view_of(EMPTY, EMPTY))
    assert layout.keys.shape == (0, 2)
    assert layout.queries.shape == (0, 2)
    assert layout.scales[np.arange(0)].shape == (0,)


def test_one_key_stands_at_the_origin() -> None:
    layout = Projection().layout(view_of(unit(1), EMPTY))
    assert layout.keys.tolist() == [[0.0, 0.0]]
    assert layout.scales[np.arange(1)].tolist() == [1.0]


def test_few_points_keep_their_distances() -> None:
    vectors = unit(3)
    xy = placing.multidimensional(vectors)
    assert placing.distances(xy, xy) == pytest.approx(placing.distances(vectors, vectors), abs=1e-3)


def test_keys_as_far_apart_as_keys_can_be_do_not_fall_on_each_other() -> None:
    xy = placing.multidimensional(np.eye(8, dtype=np.float32))
    flat = placing.distances(xy, xy)[~np.eye(8, dtype=bool)]
    assert flat.min() > 0.5


def test_adding_keys_and_queries_moves_nothing() -> None:
    vectors, queries = unit(40), unit(200, seed=1)
    projection = Projection()
    before = projection.layout(view_of(vectors[:5], queries[:3], "1"))
    after = projection.layout(view_of(vectors[:6], queries[:4], "2"))
    many = projection.layout(view_of(vectors, queries, "3"))
    assert np.array_equal(after.keys[:5], before.keys)
    assert np.array_equal(after.queries[:3], before.queries)
    assert np.array_equal(many.keys[:6], after.keys)
    assert before.layout_id == after.layout_id == many.layout_id
    assert np.isfinite(many.keys).all()
    assert np.isfinite(many.queries).all()


def test_a_new_point_lands_beside_its_nearest_neighbour() -> None:
    keys = unit(6)
    near = keys[3] + 0.2 * unit(1, seed=9)[0]
    query = (near / np.linalg.norm(near))[None]
    projection = Projection()
    projection.layout(view_of(keys, EMPTY, "1"))
    layout = projection.layout(view_of(keys, query, "2"))
    assert placing.distances(layout.queries, layout.keys)[0].argmin() == 3


def test_undo_drops_a_key_and_redo_puts_it_back_where_it_was() -> None:
    keys, names = unit(4), ["a", "b", "c", "d"]
    projection = Projection()
    before = projection.layout(view_of(keys, EMPTY, "1", names))
    without = projection.layout(view_of(keys[[0, 2, 3]], EMPTY, "2", ["a", "c", "d"]))
    again = projection.layout(view_of(keys, EMPTY, "3", names))
    assert np.array_equal(without.keys, before.keys[[0, 2, 3]])
    assert np.array_equal(again.keys, before.keys)


def test_a_calibration_moves_nothing_and_says_so(tmp_path: Path) -> None:
    keys, queries, path = unit(5), unit(6, seed=1), tmp_path / "layout.npz"
    projection = Projection(path)
    before = projection.layout(view_of(keys[:4], queries, "1"))
    assert not before.recalibrated
    new_keys, new_queries = calibrated(keys, WIDTH + 8), calibrated(queries, WIDTH + 8)
    after = projection.layout(view_of(new_keys, new_queries, "2"))
    assert np.array_equal(after.keys[:4], before.keys)
    assert np.array_equal(after.queries, before.queries)
    assert (after.layout_id, after.recalibrated) == (before.layout_id, True)
    projection.flush()
    again = Projection(path).layout(view_of(new_keys, new_queries, "2"))
    assert again.recalibrated
    assert np.array_equal(again.keys, after.keys)
    projection.refit(view_of(new_keys, new_queries, "2"))
    anew = projection.layout(view_of(new_keys, new_queries, "2"))
    assert (anew.layout_id, anew.recalibrated) == (before.layout_id + 1, False)
    assert not np.array_equal(anew.keys, after.keys)


def test_a_key_undone_before_a_calibration_returns_to_where_it_was() -> None:
    keys, names = unit(4), ["a", "b", "c", "d"]
    projection = Projection()
    before = projection.layout(view_of(keys, EMPTY, "1", names))
    new = calibrated(keys)
    projection.layout(view_of(new[1:], EMPTY, "2", names[1:]))
    assert np.array_equal(projection.layout(view_of(new, EMPTY, "3", names)).keys, before.keys)


def test_another_reading_gets_a_layout_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "layout.npz"
    first = view_of(unit(5), EMPTY, "1")
    there = replace(view_of(unit(5, seed=5, width=9), EMPTY[:, :9], "2"), query_space_id="r2")
    projection = Projection(path)
    before = projection.layout(first)
    after = projection.layout(there)
    assert after.layout_id > before.layout_id
    assert not after.recalibrated
    assert not np.array_equal(after.keys, before.keys)
    projection.flush()
    again = Projection(path)
    assert np.array_equal(again.layout(there).keys, after.keys)
    assert again.layout(first).layout_id > 1


def test_a_layout_saved_without_its_reading_is_of_the_first_one(tmp_path: Path) -> None:
    path, view = tmp_path / "layout.npz", view_of(unit(5), EMPTY)
    before = kept(Projection(path), view)
    with np.load(path) as stored:
        old = {name: stored[name] for name in stored.files if name not in ("reading", "recalibrated")}
    np.savez(path, **old)
    after = Projection(path).layout(view)
    assert np.array_equal(after.keys, before.keys)
    assert (after.problem, after.recalibrated) == ("", False)


def test_the_same_steps_give_the_same_map() -> None:
    def walk() -> tuple[list[float], list[float]]:
        projection = Projection()
        for count in (2, 7):
            projection.layout(view_of(unit(count), unit(count, seed=3), str(count)))
        layout = projection.layout(view_of(unit(30), unit(30, seed=3), "30"))
        return layout.keys.ravel().tolist(), layout.queries.ravel().tolist()

    assert walk() == walk()


def test_the_same_prompt_asked_again_stays_visible() -> None:
    key = unit(1)
    projection = Projection()
    projection.layout(view_of(key, EMPTY, "1"))
    layout = projection.layout(view_of(key, np.repeat(key, 5, axis=0), "2"))
    everything = np.concatenate([layout.keys, layout.queries])
    apart = placing.distances(everything, everything)[~np.eye(6, dtype=bool)]
    assert apart.min() > 0.005


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 14),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=8),
    st.integers(1, 8),
)
def test_duplicates_never_give_nan_or_infinite_coordinates(
    first: int, more: int, copies: list[tuple[int, int]], width: int
) -> None:
    vectors = unit(first + more, width=width)
    for source, target in copies:
        vectors[target % len(vectors)] = vectors[source % len(vectors)]
    projection = Projection()
    small = projection.layout(view_of(vectors[:first], np.zeros((0, width), np.float32), "1"))
    large = projection.layout(view_of(vectors, vectors[:3], "2"))
    assert np.isfinite(large.keys).all()
    assert np.isfinite(large.queries).all()
    assert (large.scales[np.arange(len(vectors))] > 0).all()
    assert np.array_equal(large.keys[:first], small.keys)


def test_after_a_fit_what_is_clearly_a_keys_is_drawn_beside_it_and_nothing_else_moves() -> None:
    keys = unit(20)
    rephrased, same, stranger = keys[3] + 0.01 * unit(1, seed=9)[0], keys[4], unit(1, seed=8)[0]
    vectors = np.concatenate([keys, np.stack([rephrased, same, stranger])])
    xy = 10 * np.random.default_rng(0).normal(size=(23, 2))
    found = placing.beside_keys(xy, vectors, 20)
    assert np.array_equal(found[:20], xy[:20])
    assert np.array_equal(found[22], xy[22])
    flat = placing.distances(found[20:22], found[:20])
    scales = placing.local_scales(vectors[3:5], xy[3:5], vectors, xy)
    usual = np.median(np.sort(placing.distances(vectors[20:22], keys), axis=1)[:, :15], axis=1)
    # In the direction in which UMAP put it, and not under its key's diamond.
    assert flat[[0, 1], [3, 4]] == pytest.approx(0.05 * usual * scales)
    for row, key in ((20, 3), (21, 4)):
        before, after = xy[row] - xy[key], found[row] - xy[key]
        assert before / np.linalg.norm(before) == pytest.approx(after / np.linalg.norm(after))
    assert placing.beside_keys(xy, vectors, 0).tolist() == placing.beside_keys(xy, vectors, 23).tolist() == xy.tolist()


def test_align_turns_a_layout_back() -> None:
    xy = np.random.default_rng(0).normal(size=(9, 2))
    turned = xy @ np.array([[0.0, -1.0], [-1.0, 0.0]]) + [3.0, -2.0]
    rotation, shift = placing.align(turned, xy)
    assert turned @ rotation + shift == pytest.approx(xy)


def test_local_scale_is_the_ratio_of_map_to_truth() -> None:
    vectors = unit(10)
    xy = placing.multidimensional(unit(3))
    assert placing.local_scales(vectors[:3], 2.5 * xy, vectors[:3], 2.5 * xy) == pytest.approx(2.5, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 48, 384]), st.sampled_from([1.0, 80.0]))
def test_scales_are_those_of_looking_at_every_distance(count: int, seed: int, width: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    vectors, xy = size * unit(count, seed, width), rng.normal(size=(count, 2))
    copies = rng.integers(count, size=(2, count // 2))
    near = rng.choice([0.0, 0.019, 0.021]) * unit(count // 2, seed + 1, width)
    vectors[copies[0]] = vectors[copies[1]] + near
    found = placing.local_scales(vectors, xy, vectors, xy)
    plain = np.full(count, np.nan)
    for row in range(count):
        true = np.linalg.norm(vectors.astype(np.float64) - vectors[row], axis=1)
        others = [at for at in np.argsort(true, kind="stable") if true[at] >= 0.02][:8]
        if others and (scale := np.median(np.linalg.norm(xy[others] - xy[row], axis=1) / true[others])) > 0:
            plain[row] = scale
    known = plain[~np.isnan(plain)]
    assert found.tolist() == np.where(np.isnan(plain), np.median(known) if len(known) else 1.0, plain).tolist()


def test_only_the_scales_that_are_asked_for_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = unit(9)
    keys[7:] = keys[7]
    computed: list[int] = []

    def counted(centres: np.ndarray, *rest: Any) -> np.ndarray:
        computed.append(len(centres))
        return placing.own_scales(centres, *rest)

    monkeypatch.setattr("app.map.layout.points.own_scales", counted)
    layout = Projection().layout(view_of(keys, unit(5, seed=1)))
    assert computed == []
    one = layout.scales[np.array([3])]
    assert computed == [1]
    every = placing.local_scales(keys, layout.keys, *everything(layout, keys, unit(5, seed=1)))
    assert one.tolist() == [every[3]]
    assert layout.scales[np.arange(9)].tolist() == every.tolist()


def test_a_key_without_neighbours_takes_the_others_scale() -> None:
    keys = unit(1)
    layout = Projection().layout(view_of(np.concatenate([keys, keys]), EMPTY))
    assert layout.scales[np.array([1])].tolist() == [1.0]


def test_placing_without_anchors_is_refused() -> None:
    with pytest.raises(ValueError, match="no anchors"):
        placing.place(unit(1), EMPTY, np.zeros((0, 2)))


def test_positions_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "map" / "layout.npz"
    view = view_of(unit(6), unit(4, seed=1), "1")
    before = kept(Projection(path), view)
    again = Projection(path)
    after = again.layout(view)
    assert np.array_equal(after.keys, before.keys)
    assert np.array_equal(after.queries, before.queries)
    grown = kept(again, view_of(unit(7), unit(4, seed=1), "2"))
    assert np.array_equal(grown.keys[:6], before.keys)
    assert [file.name for file in path.parent.iterdir()] == ["layout.npz"]


@pytest.mark.parametrize("content", [b"", b"not a layout", b"PK\x03\x04broken"])
def test_a_damaged_file_is_reported_and_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "layout.npz"
    path.write_bytes(content)
    layout = kept(Projection(path), view_of(unit(3), EMPTY))
    assert "layout.npz" in layout.problem
    assert Projection(path).layout(view_of(unit(3), EMPTY)).problem == ""


def test_a_layout_that_cannot_be_saved_is_still_shown(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    layout = kept(Projection(blocked / "layout.npz"), view_of(unit(3), EMPTY))
    assert "could not be saved" in layout.problem
    assert len(layout.keys) == 3


def test_nobody_waits_for_the_disk_and_many_changes_make_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, written = threading.Event(), list[int]()
    write = SavedLayout.write

    def slow(saved: SavedLayout, path: Path) -> None:
        gate.wait(60)
        written.append(len(saved.known))
        write(saved, path)

    monkeypatch.setattr(SavedLayout, "write", slow)
    projection = Projection(tmp_path / "layout.npz")
    for count in range(1, 6):
        projection.layout(view_of(unit(count), EMPTY, str(count)))
    saving = threading.Thread(target=projection.flush)
    saving.start()
    projection.layout(view_of(unit(6), EMPTY, "6"))  # while the file is being written
    gate.set()
    saving.join(60)
    projection.flush()
    assert written[-1] == 6
    assert len(written) <= 2


def test_only_new_and_changed_vectors_are_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = list[int]()

    def counted(vector: np.ndarray) -> str:
        hashed.append(len(vector))
        return digest_of(vector)

    monkeypatch.setattr("app.map.layout.points.digest_of", counted)
    keys, queries = unit(5), unit(30, seed=1)
    first = Points.of(view_of(keys, queries[:29], "1"))
    hashed.clear()
    view = view_of(np.concatenate([keys[:3], keys[4:]]), queries, "2", ["e0", "e1", "e2", "e4"])
    view.query_vectors[7] = unit(1, seed=5)[0]
    second = Points.of(view, first)
    assert len(hashed) == 2, "the new query's and the changed one's"
    assert second.digests == Points.of(view).digests


def test_an_unchanged_view_costs_nothing() -> None:
    projection = Projection()
    view = view_of(unit(3), EMPTY, "1")
    assert projection.layout(view) is projection.layout(replace(view))
