"""What follows from two sets of distances, on numbers small enough to count by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig
from grace_core.measuring.distances import Choice, Separation, fitted, measure

RAW = Choice(1, "last", "raw")


def cell(own: tuple[float, ...], rest: tuple[float, ...], nearest: tuple[bool, ...] | None = None) -> Separation:
    return Separation(RAW, own, nearest or (True,) * len(own), {"unrelated": rest, "siblings": (), "edits": ()})


def test_perfectly_apart() -> None:
    one = cell((0.1, 0.2), (0.6, 0.9))
    assert one.auc() == 1.0
    assert one.recall(0.0) == 1.0
    assert one.epsilon(0.0) == pytest.approx(0.4)  # half way between 0.2 and 0.6
    assert one.shares(0.4) == (1.0, 0.0)


def test_auc_is_the_share_of_right_pairs_and_ties_count_half() -> None:
    one = cell((0.1, 0.5, 0.7), (0.5, 0.6))
    pairs = [1.0 if a < b else 0.5 if a == b else 0.0 for a in one.paraphrases for b in one.others["unrelated"]]
    labels, distances = [1] * 3 + [0] * 2, [*one.paraphrases, *one.others["unrelated"]]
    assert one.auc() == pytest.approx(np.mean(pairs)) == pytest.approx(roc_auc_score(labels, [-d for d in distances]))


def test_one_percent_lets_one_in_a_hundred_match() -> None:
    rest = (0.05, *(0.5 + i / 1000 for i in range(99)))
    one = cell((0.1, 0.2, 0.9), rest)
    assert one.recall(0.0) == 0.0  # a stranger at 0.05 is nearer than any paraphrase
    assert one.recall(0.01) == pytest.approx(2 / 3)
    epsilon = one.epsilon(0.01)
    assert epsilon is not None
    assert epsilon == pytest.approx(0.35)
    np.testing.assert_allclose(one.shares(epsilon), (2 / 3, 0.01))


def test_a_paraphrase_nearer_to_another_target_is_not_reached() -> None:
    assert cell((0.1, 0.2), (0.9,), nearest=(True, False)).recall(0.0) == 0.5


def test_nothing_to_compare() -> None:
    assert cell((0.1,), ()).auc() is None
    assert cell((), (0.1,)).recall(0.01) is None
    assert cell((), (0.1,)).epsilon(0.01) is None


def test_where_no_paraphrase_is_reached_there_is_no_epsilon_to_suggest() -> None:
    assert cell((0.5,), (0.4, 0.9)).epsilon(0.0) is None
    assert cell((0.1,), (0.4,), nearest=(False,)).epsilon(0.0) is None
    assert cell((0.1,), (0.4,), nearest=(False,)).epsilon(1.0) is None
    assert cell((0.5,), (0.4, 0.9)).epsilon(0.5) == pytest.approx(0.7)


def test_only_the_chosen_kinds_count() -> None:
    one = Separation(RAW, (0.2,), (True,), {"unrelated": (0.9,), "siblings": (0.1,), "edits": ()})
    assert one.recall(0.0, ["unrelated"]) == 1.0
    assert one.recall(0.0, ["unrelated", "siblings"]) == 0.0


def test_it_survives_json() -> None:
    one = cell((0.1, 0.2), (0.6, 0.9))
    assert Separation.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_measured_distances_are_the_true_ones() -> None:
    keys = np.array([[0, 0], [4, 0], [4, 3]], np.float32)
    seen = measure(
        RAW,
        fitted(RAW, keys, TokenWeights({}), 2),
        keys=keys,
        groups=np.array([0, 1, 1]),
        paraphrases=np.array([[1, 0], [3, 0]], np.float32),
        owners=np.array([0, 0]),
        unrelated=np.array([[4, 5]], np.float32),
        siblings=np.zeros((0, 2), np.float32),
    )
    assert seen.paraphrases == (1.0, 3.0)
    assert seen.nearest_is_own == (True, False)
    assert seen.others["unrelated"] == (2.0,)
    assert seen.others["siblings"] == ()
    assert seen.others["edits"] == (4.0, 4.0, 5.0)  # keys of one target are no strangers to each other


def test_a_whitened_choice_is_fitted_on_its_own_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    queries = fitted(Choice(1, "mean", "whiten"), rows, TokenWeights({}), 4)(rows)
    assert np.allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)


def test_a_choice_as_a_configuration() -> None:
    base = GraceConfig.early().resolved(30)
    config = Choice(25, "last", "raw").config(base, 3.5)
    assert (config.key_layer, config.pool, config.encoding, config.distance, config.epsilon) == (
        25,
        "last",
        "raw",
        "euclidean",
        3.5,
    )
    assert config.value_layer == 25  # it may not lie below the query
    assert Choice(2, "mean", "whiten").config(base, 0.4).value_layer == base.value_layer
