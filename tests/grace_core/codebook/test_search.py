"""Half precision lets through whatever may be the nearest: the same answer, to the last bit, as looking at every key."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch  # noqa: F401 (it is used where it is loaded)
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_core.codebook.geometry import Matrix, nearest, pair_distances
from grace_core.codebook.search import FEW, SLACK, HalfPrecisionKeys, finder
from grace_core.config import Distance

seeds = st.integers(0, 2**32 - 1)


def units(rng: np.random.Generator, count: int, width: int) -> Matrix:
    rows = rng.normal(size=(count, width)) * rng.choice([1.0, 1.0, 1e-3, 1e3], size=width)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def in_halves(rows: Matrix) -> Matrix:
    """Vectors for the distance `two_keys`: each half is of one length."""
    return np.concatenate([rows / np.float32(0.7), rows[:, ::-1] / np.float32(0.6)], axis=1)


@settings(max_examples=200, deadline=None)
@given(seed=seeds, width=st.sampled_from([1, 2, 9, 48, 384, 576]), apart=st.sampled_from([0.0, 1e-7, 1e-4, 1e-2]))
def test_what_is_found_is_the_nearest_of_all_and_of_equal_ones_the_last(seed: int, width: int, apart: float) -> None:
    rng = np.random.default_rng(seed)
    keys = units(rng, 40, width)
    # Near ties, closer together than half precision can tell.
    close = keys[:20] + rng.normal(size=(20, width)) * apart
    keys[20:] = (close / np.linalg.norm(close, axis=1, keepdims=True)).astype(np.float32)
    query = keys[rng.integers(40)] if rng.random() < 0.5 else units(rng, 1, width)[0]
    both = (query, keys, "cosine"), (in_halves(query[None])[0], in_halves(keys), "two_keys")
    for asked, among, distance in cast(Any, both):
        exact = pair_distances(asked, among, distance)
        want = int(np.flatnonzero(exact == exact.min())[-1])
        assert HalfPrecisionKeys(among, distance).nearest(asked) == (want, float(exact[want]))


@settings(max_examples=200, deadline=None)
@given(seed=seeds, width=st.sampled_from([1, 9, 48, 384, 4096]), like=st.floats(0, 1))
def test_a_product_is_off_by_less_than_what_is_allowed_for(seed: int, width: int, like: float) -> None:
    rng = np.random.default_rng(seed)
    query = units(rng, 1, width)[0]
    mixed = like * query + (1 - like) * units(rng, 30, width) + 1e-9
    keys = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)
    products = HalfPrecisionKeys(keys).products(query)[0].astype(np.float64)
    assert np.abs((1 - products) - pair_distances(query, keys, "cosine")).max() <= SLACK


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "two_keys"])
@pytest.mark.parametrize("count", [3, FEW, FEW + 1, 3 * FEW])
def test_few_and_many_keys_are_searched_with_one_result(distance: Distance, count: int) -> None:
    rng = np.random.default_rng(count)
    keys, others = units(rng, count, 48), units(rng, 20, 48)
    if distance == "two_keys":
        keys, others = in_halves(keys), in_halves(others)
    find = finder(keys, distance)
    assert isinstance(getattr(find, "__self__", None), HalfPrecisionKeys) == (distance != "euclidean" and count > FEW)
    for query in (*keys[:: max(1, count // 20)], *others):
        assert find(query) == nearest(query, keys, distance)
