"""Distances have the same bits in any company; both rules keep targets apart; the published one is Algorithm 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grace_core.codebook.geometry import (
    Ball,
    Limits,
    Matrix,
    Measure,
    Point,
    limits,
    nearest,
    pair_distances,
    separated,
    updated_limits,
)
from grace_core.codebook.published import published
from grace_core.config import Distance

DISTANCES: list[Distance] = ["euclidean", "cosine"]
MEASURES: list[Measure] = [*DISTANCES, "two_keys", "subject_first", "question_first"]
quick = settings(max_examples=80, deadline=None)
seeds = st.integers(0, 2**32 - 1)
FEW = 4
"""Rows of a block, so that small examples cross its borders."""


def drawn(rng: np.random.Generator, count: int, width: int, distance: Measure) -> Matrix:
    """Points with repeats and, for Euclid, far from the origin as hidden states are; unit length for cosine, and for two keys
    halves of one length each.
    """
    if distance in ("two_keys", "subject_first", "question_first"):
        subject, question = drawn(rng, count, width, "cosine"), drawn(rng, count, width, "cosine")
        return np.concatenate([subject / np.float32(0.8), question / np.float32(0.5)], axis=1)
    rows = rng.normal(size=(count, width)).astype(np.float32)
    if rng.random() < 0.5 and count > 1:
        rows[rng.integers(count, size=count // 2)] = rows[rng.integers(count, size=count // 2)]
    if rng.random() < 0.3:
        rows = np.round(rows)
    if distance == "cosine":
        rows[:, 0] += np.where(np.linalg.norm(rows, axis=1) == 0, 1, 0)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows + np.float32(rng.choice([0.0, 0.0, 100.0, 3000.0]))


def points_of(queries: Matrix, groups: Any, epsilons: Any, shares: Any = None) -> list[Point]:
    own = range(len(queries)) if shares is None else shares
    return [Point(q, int(g), float(e), int(s)) for q, g, e, s in zip(queries, groups, epsilons, own, strict=True)]


def published_balls(points: Sequence[Point], distance: Distance) -> tuple[Ball, ...]:
    return published(points, np.stack([p.query for p in points]), distance, block=FEW).balls if points else ()


def random_points(seed: int, distance: Measure) -> tuple[list[Point], Matrix, Any]:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 14))
    queries = drawn(rng, count, int(rng.integers(1, 5)), distance)
    groups = rng.integers(0, 3, size=count)
    scale = 0.5 if distance == "cosine" else 2.0
    # Equal shares have equal targets, as values that were reused do.
    return points_of(queries, groups, rng.random(count) * scale, groups * 2 + rng.integers(0, 2, count)), queries, groups


def assert_apart(balls: Sequence[Ball], points: Sequence[Point], distance: Distance) -> None:
    for a in balls:
        for b in balls:
            if points[a.owner].group != points[b.owner].group:
                apart = pair_distances(points[a.owner].query, points[b.owner].query[None], distance)[0]
                assert a.epsilon + b.epsilon <= apart


# Distances


@pytest.mark.parametrize("distance", DISTANCES)
@quick
@given(seed=seeds, width=st.sampled_from([1, 2, 7, 8, 9, 48, 129, 576]))
def test_a_distance_has_the_same_bits_in_any_company_and_both_ways(distance: Distance, seed: int, width: int) -> None:
    rows = drawn(np.random.default_rng(seed), 9, width, distance)
    together = pair_distances(rows[0], rows, distance)
    for i in range(len(rows)):
        assert pair_distances(rows[0], rows[i : i + 1], distance)[0] == together[i]
        assert pair_distances(rows[i], rows[:1], distance)[0] == together[i]
    assert np.array_equal(pair_distances(rows[0], rows[::-2], distance), together[::-2])


@quick
@given(seed=seeds)
def test_distances_are_the_textbook_ones(seed: int) -> None:
    rows = drawn(np.random.default_rng(seed), 6, 5, "euclidean")
    want = np.linalg.norm(rows.astype(np.float64) - rows[0].astype(np.float64), axis=1)
    assert np.allclose(pair_distances(rows[0], rows, "euclidean"), want, rtol=1e-12)
    units = drawn(np.random.default_rng(seed), 6, 5, "cosine").astype(np.float64)
    cosines = units @ units[0] / np.linalg.norm(units, axis=1) / np.linalg.norm(units[0])
    assert np.allclose(pair_distances(units[0].astype(np.float32), units.astype(np.float32), "cosine"), 1 - cosines, atol=1e-6)


@pytest.mark.parametrize("distance", [*DISTANCES, "two_keys"])
@settings(max_examples=150, deadline=None)
@given(seed=seeds, width=st.sampled_from([1, 3, 48, 576]))
def test_nearest_is_exact_and_of_equal_ones_the_last(distance: Distance, seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    keys = drawn(rng, 40, width, distance)
    # Near ties, closer together than a float32 matrix product can tell.
    keys[20:] = (keys[:20] + rng.normal(size=keys[:20].shape) * 1e-6).astype(np.float32)
    query = keys[rng.integers(40)] if rng.random() < 0.5 else drawn(rng, 1, width, distance)[0]
    exact = pair_distances(query, keys, distance)
    want = int(np.flatnonzero(exact == exact.min())[-1])
    assert nearest(query, keys, distance) == (want, float(exact[want]))


# Limits


def slow_limits(queries: Matrix, groups: Any, distance: Measure) -> list[float]:
    return [
        min((pair_distances(q, queries[j][None], distance)[0] for j in range(len(queries)) if groups[j] != g), default=np.inf)
        for q, g in zip(queries, groups, strict=True)
    ]


def assert_limits(found: Limits, queries: Matrix, groups: Any, distance: Measure) -> None:
    assert found.distance.tolist() == slow_limits(queries, groups, distance)
    for i, j in enumerate(found.index):
        if j < 0:
            assert found.distance[i] == np.inf
        else:
            assert groups[i] != groups[j]
            assert found.distance[i] == pair_distances(queries[i], queries[j][None], distance)[0]


@pytest.mark.parametrize("distance", MEASURES)
@quick
@given(seed=seeds)
def test_a_limit_is_the_nearest_point_with_another_target(distance: Measure, seed: int) -> None:
    _, queries, groups = random_points(seed, distance)
    assert_limits(limits(queries, groups, distance, block=FEW), queries, groups, distance)


@pytest.mark.parametrize("distance", MEASURES)
@settings(max_examples=200, deadline=None)
@given(seed=seeds)
def test_updated_limits_are_bit_for_bit_the_limits(distance: Measure, seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, everyone, groups = random_points(seed, distance)
    before = np.flatnonzero(rng.random(len(everyone)) < 0.6)
    after = np.flatnonzero(rng.random(len(everyone)) < 0.6)
    if rng.random() < 0.3:
        after = rng.permutation(after)
    kept = np.array([np.flatnonzero(before == p)[0] if p in before else -1 for p in after], dtype=np.int64)
    old = limits(everyone[before], groups[before], distance)
    new = updated_limits(old, kept, everyone[after], groups[after], distance, block=FEW)
    fresh = limits(everyone[after], groups[after], distance)
    assert new.distance.tobytes() == fresh.distance.tobytes()
    assert new.index.tobytes() == fresh.index.tobytes()
    assert_limits(new, everyone[after], groups[after], distance)


# Both rules


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=250, deadline=None)
@given(seed=seeds)
def test_separated_balls_of_different_targets_never_overlap(distance: Distance, seed: int) -> None:
    points, queries, groups = random_points(seed, distance)
    balls = separated(points, limits(queries, groups, distance), distance)
    assert_apart(balls, points, distance)
    assert sorted(m for ball in balls for m in ball.members) == list(range(len(points)))
    assert all(points[m].share == points[ball.owner].share for ball in balls for m in ball.members)


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=250, deadline=None)
@given(seed=seeds)
def test_published_balls_of_different_targets_never_overlap(distance: Distance, seed: int) -> None:
    points, _, _ = random_points(seed, distance)
    balls = published_balls(points, distance)
    assert_apart(balls, points, distance)
    assert sorted(m for ball in balls for m in ball.members) == list(range(len(points)))
    assert all(points[m].group == points[ball.owner].group for ball in balls for m in ball.members)


@pytest.mark.parametrize("distance", DISTANCES)
@quick
@given(seed=seeds)
def test_separated_radii_do_not_depend_on_the_order(distance: Distance, seed: int) -> None:
    points, queries, groups = random_points(seed, distance)
    points = points_of(queries, groups, [p.epsilon for p in points])
    order = np.random.default_rng(seed).permutation(len(points))
    one = separated(points, limits(queries, groups, distance), distance)
    other = separated([points[i] for i in order], limits(queries[order], groups[order], distance), distance)
    assert {b.owner: b.epsilon for b in one} == {int(order[b.owner]): b.epsilon for b in other}


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=200, deadline=None)
@given(seed=seeds)
def test_a_published_step_shrinks_other_targets_only_and_grows_at_most_one_key(distance: Distance, seed: int) -> None:
    points, _, _ = random_points(seed, distance)
    before = {b.owner: b for b in published_balls(points[:-1], distance)}
    after = {b.owner: b for b in published_balls(points, distance)}
    new = points[-1]
    grown = [o for o, b in before.items() if after[o].epsilon > b.epsilon]
    shrunk = [o for o, b in before.items() if after[o].epsilon < b.epsilon]
    assert all(points[o].group != new.group for o in shrunk)
    assert all(points[o].group == new.group for o in grown)
    assert len(grown) <= 1
    assert not (grown and shrunk)
    assert set(after) - set(before) <= {len(points) - 1}


@pytest.mark.parametrize("distance", DISTANCES)
@quick
@given(seed=seeds)
def test_going_on_from_any_published_point_is_bit_for_bit_starting_anew(distance: Distance, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, queries, _ = random_points(seed, distance)
    whole = published(points, queries, distance, block=FEW)
    same = int(rng.integers(0, len(points) + 1))
    rest = rng.permutation(np.arange(same, len(points)))
    order = [*range(same), *rest.tolist()]
    other = [points[i] for i in order]
    again = published(other, queries[order], distance, previous=whole, same=same, block=FEW)
    assert again == published(other, queries[order], distance, block=FEW)


class Counted(list[Point]):
    """Points that count how often one is looked at."""

    looks = 0

    def __getitem__(self, at: Any) -> Any:
        self.looks += 1
        return super().__getitem__(at)


def test_one_more_published_edit_takes_one_step() -> None:
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(301, 3)).astype(np.float32)
    points = points_of(queries, rng.integers(0, 3, size=301), [0.5] * 301)
    before = published(points[:-1], queries[:-1], "euclidean")
    looks = []
    for previous, same in ((None, 0), (before, 300)):
        counted = Counted(points)
        published(counted, queries, "euclidean", previous, same)
        looks.append(counted.looks)
    assert looks[1] < looks[0] / 100


# Algorithm 1 of the paper, on a line


def on_line(*rows: tuple[float, int, float]) -> tuple[Ball, ...]:
    """Published balls of points (place, target, asked-for ε), in this order."""
    places = np.array([[place] for place, _, _ in rows], dtype=np.float32)
    return published_balls(points_of(places, [t for _, t, _ in rows], [e for _, _, e in rows]), "euclidean")


def test_the_first_edit_adds_a_key_with_the_initial_radius() -> None:
    assert published([], np.zeros((0, 1), np.float32), "euclidean").balls == ()
    assert on_line((0, 0, 1)) == (Ball(0, (0,), 1.0),)


def test_far_from_every_key_a_key_is_added() -> None:
    assert on_line((0, 0, 1), (2.5, 0, 1), (-2.5, 1, 1)) == (Ball(0, (0,), 1.0), Ball(1, (1,), 1.0), Ball(2, (2,), 1.0))


def test_near_a_key_with_the_same_target_that_key_grows_to_reach() -> None:
    assert on_line((0, 0, 1), (1.5, 0, 1)) == (Ball(0, (0, 1), 1.5),)


def test_inside_a_key_with_the_same_target_nothing_changes_but_its_members() -> None:
    assert on_line((0, 0, 1), (0.5, 0, 1)) == (Ball(0, (0, 1), 1.0),)


def test_near_a_key_with_another_target_both_get_half_the_distance() -> None:
    assert on_line((0, 0, 1), (1.5, 1, 1)) == (Ball(0, (0,), 0.75), Ball(1, (1,), 0.75))


def test_a_split_cuts_every_conflicting_key_and_only_shrinks() -> None:
    # The new key at 1 is 1.0 and 0.5 away from the others; each pair shares its distance, the new one gets the least.
    balls = on_line((0, 0, 0.7), (1.5, 0, 0.7), (1, 1, 1))
    assert [b.epsilon for b in balls] == [0.5, 0.25, 0.25]
    # 0.1 is less than half the distance: the small radius stays.
    assert [b.epsilon for b in on_line((0, 0, 0.1), (1, 1, 1))] == [0.1, 0.5]


def test_growing_stops_at_the_balls_of_other_targets() -> None:
    # The keys at 0 and -3 have ε 1 each: the first may grow to 1.5, but never beyond 3 - 1 = 2.
    assert on_line((0, 0, 1), (-3, 1, 1), (1.5, 0, 1))[0].epsilon == 1.5
    for first in on_line((0, 0, 1.75), (-3, 1, 1), (2.5, 0, 1)):
        assert first.epsilon <= (2.0 if first.owner == 0 else 1.0)


def test_only_the_nearest_key_decides_between_growing_and_adding() -> None:
    # Nearest to 2 is the key at 2.5 (ε 0.1, another target); it is too far to conflict, so Algorithm 1 adds a key,
    # however near the wide key at 0 is.
    balls = on_line((0, 0, 1.75), (2.5, 1, 0.1), (2, 0, 0.3))
    assert [b.members for b in balls] == [(0,), (1,), (2,)]
    assert [b.epsilon for b in balls] == [1.75, 0.1, 0.3]


@settings(max_examples=200, deadline=None)
@given(seed=seeds)
def test_the_newest_published_edit_is_always_answered_by_a_ball_of_its_own_target(seed: int) -> None:
    points, _, _ = random_points(seed, "euclidean")
    assume(all(p.group == points[-1].group for p in points if np.array_equal(p.query, points[-1].query)))
    balls = published_balls(points, "euclidean")
    keys = np.stack([points[b.owner].query for b in balls])
    at, apart = nearest(points[-1].query, keys, "euclidean")
    assert apart <= balls[at].epsilon
    assert points[balls[at].owner].group == points[-1].group


# The other rule, on a line


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=300, deadline=None)
@given(seed=seeds)
def test_every_separated_edit_is_answered_by_a_ball_of_its_own_target(distance: Distance, seed: int) -> None:
    points, queries, groups = random_points(seed, distance)
    limit = limits(queries, groups, distance)
    balls = separated(points, limit, distance)
    keys = np.stack([points[b.owner].query for b in balls])
    for point, room in zip(points, limit.distance, strict=True):
        at, apart = nearest(point.query, keys, distance)
        if room > 1e-6:
            assert apart <= balls[at].epsilon, "deferred"
            assert points[balls[at].owner].group == point.group, "answered by another target"


def apart_on_line(*rows: tuple[float, int, float, int]) -> tuple[Ball, ...]:
    """Separated balls of points (place, target, asked-for ε, share)."""
    places = np.array([[place] for place, *_ in rows], dtype=np.float32)
    groups = np.array([target for _, target, _, _ in rows])
    points = points_of(places, groups, [e for _, _, e, _ in rows], [s for *_, s in rows])
    return separated(points, limits(places, groups, "euclidean"), "euclidean")


def test_a_separated_radius_is_the_one_asked_for_or_half_way_to_another_target() -> None:
    balls = apart_on_line((0, 0, 1, 0), (1.5, 1, 1, 1), (9, 0, 1, 2))
    assert [b.epsilon for b in balls] == [0.75, 0.75, 1.0]


def test_a_point_with_the_same_value_joins_the_key_that_can_reach_it() -> None:
    assert apart_on_line((0, 0, 1, 0), (0.5, 0, 1, 0)) == (Ball(0, (0, 1), 1.0),)


def test_a_point_with_the_same_value_out_of_reach_gets_its_own_key() -> None:
    assert [b.members for b in apart_on_line((0, 0, 1, 0), (1.5, 0, 1, 0))] == [(0,), (1,)]


def test_a_point_with_the_same_target_but_its_own_value_gets_its_own_key() -> None:
    assert [b.members for b in apart_on_line((0, 0, 1, 0), (0.5, 0, 1, 1))] == [(0,), (1,)]


def test_a_later_edit_between_a_key_and_its_member_leaves_the_member_answered() -> None:
    # On the unit circle, cosine distance (no metric): key at 0°, its member at 50°, then another target at 80°.
    angles = np.radians([0, 50, 80])
    places = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = np.array([0, 0, 1])
    balls = separated(points_of(places, groups, [0.45] * 3, [0, 0, 1]), limits(places, groups, "cosine"), "cosine")
    at, apart = nearest(places[1], np.stack([places[b.owner] for b in balls]), "cosine")
    assert groups[balls[at].owner] == 0
    assert apart <= balls[at].epsilon


def test_a_small_key_of_the_same_target_beside_a_member_leaves_the_member_answered() -> None:
    balls = apart_on_line((0, 0, 1, 0), (0.5, 0, 1, 0), (0.75, 0, 0.1, 1))
    places = [0, 0.5, 0.75]
    distance, ball = min((abs(places[b.owner] - 0.5), b) for b in balls)
    assert distance <= ball.epsilon
