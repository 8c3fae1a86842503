"""Which edit a query is about: by the subject's half alone, within the subject's own reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from grace_core.codebook.about import about
from grace_core.codebook.codebook import Codebook, Edit
from grace_core.codebook.encoder import Encoder
from grace_core.codebook.geometry import two_distances
from grace_core.config import GraceConfig
from tests.grace_core.builders import line_codebook, made_edit, small_learned

ENCODER = Encoder.fixed(small_learned())
CONFIG = GraceConfig.robust(key_layer=3, value_layer=3)


def turned(subject: float, question: float) -> NDArray[np.float32]:
    """A query whose halves have their lengths and stand at these angles."""
    halves = [(np.cos(a), np.sin(a), 0.0, 0.0) for a in (subject, question)]
    return np.asarray([x / np.sqrt(s) for half, s in zip(halves, (0.5, 0.25), strict=True) for x in half], dtype=np.float32)


def edit_at(edit_id: str, query: NDArray[np.float32], epsilon: float = 1.0, subject_epsilon: float | None = None) -> Edit:
    made = made_edit(edit_id, query, edit_id, epsilon=epsilon)
    return replace(made, value=np.zeros((1, ENCODER.hidden_width), np.float32), subject_epsilon=subject_epsilon)


def codebook_of(*edits: Edit) -> Codebook:
    return Codebook(CONFIG, ENCODER, edits)


def test_the_nearest_subject_counts_whatever_is_asked() -> None:
    codebook = codebook_of(edit_at("a", turned(0.0, 0.0)), edit_at("b", turned(1.5, 3.0)))
    query = turned(0.1, 3.0)
    assert not codebook.match(query[None])[0].matched
    found = about(codebook, query)
    assert found is not None
    assert found.edit_id == "a"
    assert found.parts == codebook.parts(query, codebook.entries[0])


def test_a_subject_beyond_the_reach_of_the_nearest_is_nobodys() -> None:
    query = turned(0.5, 3.0)
    part = float(two_distances(query, turned(0.0, 0.0)[None])[0, 0])
    for reach, reached in ((part + 1e-6, True), (part - 1e-6, False)):
        for epsilon, subject_epsilon in ((1.0, reach), (reach, None)):
            codebook = codebook_of(edit_at("a", turned(0.0, 0.0), epsilon, subject_epsilon))
            assert (about(codebook, query) is not None) == reached


def test_of_equally_near_subjects_the_last_counts() -> None:
    codebook = codebook_of(edit_at("a", turned(0.0, 0.0)), edit_at("b", turned(0.0, 3.0)))
    found = about(codebook, turned(0.0, 1.5))
    assert found is not None
    assert found.edit_id == "b"


@pytest.mark.parametrize("codebook", [codebook_of(), line_codebook(made_edit("a", [0.0, 0.0], "x"))], ids=["empty", "raw"])
def test_without_keys_or_without_a_part_for_the_subject_there_is_none(codebook: Codebook) -> None:
    width = codebook.encoder.dimensions
    assert about(codebook, np.zeros(width, np.float32)) is None


@given(st.lists(st.floats(0, 6), min_size=1, max_size=6, unique=True), st.floats(0, 6), st.data())
def test_withdrawing_an_edit_gives_what_was_before_it(angles: list[float], asked: float, data: st.DataObject) -> None:
    edits = [edit_at(f"e{i}", turned(angle, 2 * i)) for i, angle in enumerate(angles)]
    query = turned(asked, 1.0)
    before = about(codebook_of(*edits), query)
    more = codebook_of(*edits).with_edit(edit_at("new", turned(data.draw(st.floats(0, 6)), 9.0)))
    after = about(more.without("new"), query)
    assert (before and (before.edit_id, before.parts)) == (after and (after.edit_id, after.parts))
