"""The learned encoder, its distance of two keys, and codebooks that use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_core.codebook.codebook import Codebook, Edit
from grace_core.codebook.encoder import Encoder
from grace_core.codebook.file import read_codebook, save_codebook
from grace_core.codebook.geometry import Matrix, nearest, nearest_of_each, pair_distances, two_distances
from grace_core.codebook.learned import encoder_of_tensors, tensors_of
from grace_core.config import GraceConfig
from grace_core.errors import InputError
from tests.grace_core.builders import assert_apart, assert_same, small_learned

LEARNED = small_learned()
CONFIG = GraceConfig.robust(value_layer=3).resolved(3)
seeds = st.integers(0, 2**32 - 1)


def queries(seed: int, count: int) -> Matrix:
    rng = np.random.default_rng(seed)
    states = {read: rng.normal(size=(count, LEARNED.width)).astype(np.float32) for read in LEARNED.reads}
    return LEARNED(states)


def edit(edit_id: str, query: np.ndarray, target: str = "a", **more: float | None) -> Edit:
    value = np.full((1, LEARNED.width), len(edit_id), np.float32)
    asked = {"epsilon": 1.0} | more
    return Edit(edit_id, f"prompt of {edit_id}", target, tuple(target.encode()), query, value, **asked)  # type: ignore[arg-type]


def codebook(*edits: Edit) -> Codebook:
    return Codebook(CONFIG, Encoder.fixed(LEARNED), edits, fingerprint="f")


def test_each_half_is_of_the_length_that_its_scale_says() -> None:
    subject, question = np.split(queries(1, 5), 2, axis=1)
    np.testing.assert_allclose(np.linalg.norm(subject, axis=1), LEARNED.subject.scale**-0.5, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(question, axis=1), LEARNED.question.scale**-0.5, rtol=1e-5)


@settings(deadline=None)
@given(seed=seeds, count=st.integers(1, 30))
def test_a_query_has_the_same_bits_in_any_company(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    states = {read: rng.normal(size=(count, LEARNED.width)).astype(np.float32) for read in LEARNED.reads}
    together = LEARNED(states)
    for row in range(count):
        alone = LEARNED({read: rows[row : row + 1] for read, rows in states.items()})
        assert alone.tobytes() == together[row : row + 1].tobytes()


@settings(deadline=None)
@given(seed=seeds)
def test_the_distance_is_the_larger_of_both_keys_each_over_its_scale(seed: int) -> None:
    query, *keys = queries(seed, 6)
    parts = two_distances(query, np.stack(keys))
    for key, (subject, question), distance in zip(keys, parts, pair_distances(query, np.stack(keys), "two_keys"), strict=True):
        for found, half, scale in (
            (subject, slice(0, 4), LEARNED.subject.scale),
            (question, slice(4, 8), LEARNED.question.scale),
        ):
            a, b = query[half].astype(np.float64), key[half].astype(np.float64)
            assert found == pytest.approx((1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / scale, abs=1e-5)
        assert distance == max(subject, question)


@settings(deadline=None)
@given(seed=seeds, count=st.integers(1, 40))
def test_the_nearest_key_is_the_same_one_by_one_and_all_at_once(seed: int, count: int) -> None:
    keys, asked = queries(seed, count), queries(seed + 1, 9)
    asked[0] = keys[0]
    assert list(nearest_of_each(asked, keys, "two_keys")) == [nearest(query, keys, "two_keys") for query in asked]


@settings(deadline=None, max_examples=50)
@given(seed=seeds, count=st.integers(2, 12), undone=st.integers(0, 11))
def test_no_event_moves_another_key_and_balls_stay_apart(seed: int, count: int, undone: int) -> None:
    points = queries(seed, count)
    edits = [edit(f"e{i}", point, target=f"t{i % 3}") for i, point in enumerate(points)]
    book = codebook()
    for one in edits:
        before = {entry.edit_id: entry.key.tobytes() for entry in book.entries}
        book = book.with_edit(one)
        assert all(entry.key.tobytes() == before.get(entry.edit_id, entry.key.tobytes()) for entry in book.entries)
        assert_apart(book)
    gone = edits[undone % count].edit_id
    assert_same(book.without(gone), codebook(*(one for one in edits if one.edit_id != gone)))


def test_a_key_whose_subject_ends_early_answers_no_namesake() -> None:
    own = queries(3, 1)[0]
    namesake, rephrased = own.copy(), own.copy()
    turn = np.array([[0.8, -0.6], [0.6, 0.8]], np.float32)  # 1 - cos = 0.2
    namesake[:2], rephrased[4:6] = turn @ own[:2], turn @ own[4:6]
    (subject, _), (_, question) = two_distances(own, np.stack([namesake, rephrased]))
    assert min(subject, question) > 0.05
    wide = codebook(edit("e", own))
    narrow = codebook(edit("e", own, subject_epsilon=float(subject) / 2))
    for asked, answers in ((own, True), (rephrased, True), (namesake, False)):
        assert wide.match(asked[None])[0].matched
        assert narrow.match(asked[None])[0].matched == answers
    many = np.repeat(namesake[None], 70, axis=0)
    assert not any(match.matched for match in narrow.match(many))


def test_a_file_brings_back_the_encoder_and_the_subjects_radius(tmp_path: Path) -> None:
    points = queries(5, 3)
    book = codebook(edit("e1", points[0], subject_epsilon=0.4), edit("e2", points[1], target="b"))
    save_codebook(book, tmp_path / "book.safetensors")
    read = read_codebook(tmp_path / "book.safetensors")
    assert_same(read, book)
    assert read.encoder.learned is not None
    assert read.encoder.learned.name == LEARNED.name
    assert [one.subject_epsilon for one in read.edits] == [0.4, None]


@pytest.mark.parametrize("name", ["subject.linear", "question.scale", "tokens", "background", "subject.0.1.weighted.projection"])
def test_tensors_that_do_not_fit_together_are_refused(name: str) -> None:
    tensors = tensors_of(LEARNED)
    with pytest.raises(ValueError, match="encoder"):
        encoder_of_tensors({key: tensor for key, tensor in tensors.items() if key != name})
    with pytest.raises(ValueError, match="encoder"):
        encoder_of_tensors(tensors | {name: -tensors[name][..., :0] if name != "question.scale" else -tensors[name]})


def test_a_learned_codebook_without_its_encoder_says_so() -> None:
    with pytest.raises(InputError, match="there is no learned encoder"):
        _ = Codebook(CONFIG, Encoder.raw(8)).reader


@pytest.mark.parametrize("epsilon", [[1.0], "1", None])
def test_a_radius_that_is_no_number_is_refused_in_words(epsilon: Any) -> None:
    book = codebook(edit("e", queries(3, 1)[0]))
    with pytest.raises(InputError, match="use a number above 0"):
        book.with_epsilons({"e": epsilon})
