"""A codebook is a fold: what it is depends on the edits in force alone, never on how they came and went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace_core.codebook.codebook import Codebook, Edit, Rival, in_force
from grace_core.codebook.encoder import Encoder
from grace_core.codebook.geometry import pair_distances, rough_distances
from grace_core.config import Distance, GraceConfig, Rule
from grace_core.errors import InputError
from tests.grace_core.builders import assert_apart, assert_same, line_codebook, made_edit, small_encoder

KINDS: list[tuple[Rule, Distance]] = [
    ("separated", "cosine"),
    ("separated", "euclidean"),
    ("published", "cosine"),
    ("published", "euclidean"),
]
WIDTH = 4
ENCODERS: dict[Distance, Encoder] = {"euclidean": Encoder.raw(WIDTH), "cosine": small_encoder(WIDTH)}


def empty(rule: Rule, distance: Distance) -> Codebook:
    encoding = "whiten" if distance == "cosine" else "raw"
    config = GraceConfig.early(rule=rule, distance=distance, encoding=encoding, pool="last", value_layer=2)
    return Codebook(config, ENCODERS[distance], fingerprint="f")


@dataclass(frozen=True)
class History:
    """Edits in the order in which they were made, and which of them is toggled (undone, redone) when."""

    edits: tuple[Edit, ...]
    toggles: tuple[int, ...]


@st.composite
def histories(draw: st.DrawFn) -> History:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 9))
    edits = []
    for i in range(count):
        target = "abc"[draw(st.integers(0, 2))]
        # A prompt has one activation; some prompts are edited again.
        prompt = draw(st.integers(0, count))
        at = np.random.default_rng(1000 * prompt + count).normal(size=WIDTH)
        value = ord(target) + draw(st.integers(0, 1))
        epsilon = draw(st.sampled_from([0.05, 0.45, 1.0, 2.5]))
        edits.append(made_edit(f"e{i}", at + 0 * rng.normal(), target, epsilon=epsilon, value=value, prompt=f"p{prompt}"))
    return History(tuple(edits), tuple(draw(st.lists(st.integers(0, count - 1), max_size=10))))


def replayed(codebook: Codebook, history: History) -> list[tuple[Codebook, tuple[Edit, ...]]]:
    """Every snapshot on the way, beside the edits that are in force then. Undo by `without`, redo by `with_edits`."""
    active: list[Edit] = []
    out = [(codebook, ())]
    snapshots: list[tuple[Codebook, tuple[Edit, ...]]] = list(out)
    for edit in history.edits:
        active.append(edit)
        codebook = codebook.with_edit(edit)
        snapshots.append((codebook, tuple(active)))
    for at in history.toggles:
        edit = history.edits[at]
        if edit in active:
            active.remove(edit)
            codebook = codebook.without(edit.edit_id)
        else:
            active = [e for e in history.edits if e in active or e is edit]
            codebook = codebook.with_edits(active)
        snapshots.append((codebook, tuple(active)))
    return snapshots


@pytest.mark.parametrize(("rule", "distance"), KINDS)
@settings(max_examples=80, deadline=None)
@given(history=histories())
def test_after_any_edits_and_undos_it_is_bit_for_bit_a_fresh_fold_without_overlap(
    rule: Rule, distance: Distance, history: History
) -> None:
    start = empty(rule, distance)
    for codebook, active in replayed(start, history):
        assert codebook.edits == active
        assert_same(codebook, Codebook(start.config, start.encoder, active, fingerprint="f"))
        assert_apart(codebook)


@pytest.mark.parametrize(("rule", "distance"), KINDS)
@settings(max_examples=60, deadline=None)
@given(history=histories(), order=st.randoms(use_true_random=False))
def test_undoing_everything_in_any_order_ends_empty_and_never_sees_the_undone(
    rule: Rule, distance: Distance, history: History, order: Sequence[int]
) -> None:
    start = empty(rule, distance)
    codebook = start.with_edits(history.edits)
    ids = [edit.edit_id for edit in history.edits]
    order.shuffle(ids)  # type: ignore[attr-defined]
    left = list(history.edits)
    for edit_id in ids:
        left = [edit for edit in left if edit.edit_id != edit_id]
        codebook = codebook.without(edit_id)
        assert_same(codebook, start.with_edits(left))
    assert_same(codebook, start)


@pytest.mark.parametrize(("rule", "distance"), KINDS)
@settings(max_examples=60, deadline=None)
@given(history=histories())
def test_undoing_the_newest_edit_brings_back_the_radii_that_it_changed(rule: Rule, distance: Distance, history: History) -> None:
    before = empty(rule, distance).with_edits(history.edits[:-1])
    assert_same(before.with_edit(history.edits[-1]).without(history.edits[-1].edit_id), before)


@pytest.mark.parametrize(("rule", "distance"), KINDS)
@settings(max_examples=60, deadline=None)
@given(history=histories())
def test_old_snapshots_stay_as_they_were(rule: Rule, distance: Distance, history: History) -> None:
    start = empty(rule, distance)
    for codebook, active in list(replayed(start, history)):
        assert_same(codebook, Codebook(start.config, start.encoder, active))


def test_equal_edits_that_are_other_objects_give_the_same_bits() -> None:
    edits = [made_edit(f"e{i}", np.random.default_rng(i).normal(size=WIDTH), "ab"[i % 2]) for i in range(6)]
    codebook = empty("separated", "cosine").with_edits(edits)
    assert_same(codebook.with_edits([replace(edit) for edit in edits]), codebook)


# Editing a prompt again


@pytest.mark.parametrize("rule", ["published", "separated"])
def test_editing_a_prompt_again_supersedes_and_undoing_that_brings_the_old_one_back(rule: Rule) -> None:
    first = made_edit("first", [0, 0], "a", value=1, prompt="p")
    other = made_edit("other", [1.5, 0], "b", value=2)
    second = made_edit("second", [0, 0], "c", value=3, prompt="p")
    one = line_codebook(first, other, rule=rule)
    two = one.with_edit(second)
    assert [e.edit_id for e in two.entries] == ["other", "second"]
    assert two.entry_of("first") is None
    assert len(two.edits) == 3
    assert two.match(np.zeros((1, 2), dtype=np.float32))[0].edit_id == "second"
    assert_same(two.without("second"), one)
    assert_same(two.without("first"), line_codebook(other, second, rule=rule))


def test_an_edit_with_the_same_activation_supersedes_too() -> None:
    old, new = made_edit("old", [1, 2], "a", prompt="Who?"), made_edit("new", [1, 2], "b", prompt="Who ?")
    assert in_force([old, new]) == (new,)
    assert in_force([old, made_edit("far", [1, 3], "b")])[0] is old


def test_superseding_with_the_same_target_keeps_one_entry() -> None:
    edits = [made_edit(f"e{i}", [0, 0], "a", value=i, prompt="p") for i in range(3)]
    assert [e.edit_ids for e in line_codebook(*edits).entries] == [("e2",)]


# Matching


@pytest.mark.parametrize(("rule", "distance"), KINDS)
@settings(max_examples=60, deadline=None)
@given(history=histories(), seed=st.integers(0, 2**32 - 1))
def test_a_match_is_the_nearest_entry_by_brute_force(rule: Rule, distance: Distance, history: History, seed: int) -> None:
    codebook = empty(rule, distance).with_edits(history.edits)
    rows = np.random.default_rng(seed).normal(size=(6, WIDTH)).astype(np.float32)
    queries = np.concatenate([codebook.encoder(rows), codebook.keys])
    for query, match in zip(queries, codebook.match(queries), strict=True):
        exact = pair_distances(query, codebook.keys, distance)
        want = codebook.entries[max(np.flatnonzero(exact == exact.min()))]
        assert match.entry is want
        assert match.distance == exact.min()
        assert match.matched == (exact.min() <= want.epsilon)
        assert match.edit_id == (want.edit_id if match.matched else None)


@pytest.mark.parametrize(("rule", "distance"), KINDS)
@settings(max_examples=60, deadline=None)
@given(
    history=histories(), radii=st.lists(st.sampled_from([0.01, 0.2, 0.7, 1.5]), min_size=1, max_size=4), seed=st.integers(0, 99)
)
def test_other_radii_are_bit_for_bit_a_fresh_fold_and_match_again_is_match(
    rule: Rule, distance: Distance, history: History, radii: list[float], seed: int
) -> None:
    before = replayed(empty(rule, distance), history)[-1][0]
    queries = before.encoder(np.random.default_rng(seed).normal(size=(12, WIDTH)).astype(np.float32))
    codebook = before
    for i, radius in enumerate(radii):
        chosen = [edit.edit_id for edit in codebook.edits][:: i + 1]
        matches = codebook.match(queries)
        changed = codebook.with_epsilons(dict.fromkeys(chosen, radius))
        assert [edit.epsilon for edit in changed.edits if edit.edit_id in chosen] == [radius] * len(chosen)
        fresh = Codebook(changed.config, changed.encoder, changed.edits, fingerprint="f")
        assert_same(changed, fresh)
        assert_apart(changed)
        again = changed.match_again(queries, codebook, matches)
        assert [(m.edit_id, m.distance, m.matched) for m in again] == [
            (m.edit_id, m.distance, m.matched) for m in fresh.match(queries)
        ]
        codebook = changed
    assert_same(codebook.with_edits(before.edits), before)


@pytest.mark.parametrize(("rule", "distance"), KINDS)
@settings(max_examples=12, deadline=None)  # of each kind; each looks at a dozen codebooks with a hundred and fifty queries
@given(history=histories(), seed=st.integers(0, 99))
def test_matching_many_at_once_or_again_is_matching_one_by_one(
    rule: Rule, distance: Distance, history: History, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # So many others that a few new keys are a small part.
    crowd = [made_edit(f"x{i}", 3 * rng.normal(size=WIDTH), "abc"[i % 3], epsilon=0.3) for i in range(60)]
    start = empty(rule, distance).with_edits(crowd)
    # The edited prompts themselves, some twice, and what lies right between two: near ties and exact ones.
    rows = np.stack([edit.activation for edit in (*history.edits, *crowd[:20])])
    between = (rows + rows[::-1]) / 2
    queries = start.encoder(np.concatenate([rows, rows, between, rng.normal(size=(70, WIDTH))]).astype(np.float32))
    before, known = start, start.match(queries)
    for codebook, _ in replayed(empty(rule, distance), History((*crowd, *history.edits), tuple(t + 60 for t in history.toggles)))[
        60:
    ]:
        single = [codebook.match(query[None])[0] for query in queries]
        again = codebook.match_again(queries, before, known)
        for found in (again, codebook.match(queries)):
            assert [(m.entry, m.distance, m.matched) for m in found] == [(m.entry, m.distance, m.matched) for m in single]
        before, known = codebook, again


def test_a_change_looks_only_at_new_keys_and_at_queries_that_lost_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = line_codebook(*(made_edit(f"e{i}", [3 * i], f"t{i}") for i in range(40)))
    queries = np.arange(0, 118, 0.5, dtype=np.float32)[:, None]  # some are just as far from two keys, old or new
    matches = before.match(queries)
    after = before.without("e7").with_edit(made_edit("new", [61], "new"))
    looked = 0

    def counted(queries: np.ndarray, keys: np.ndarray, distance: Distance) -> tuple[np.ndarray, np.ndarray]:
        nonlocal looked
        looked += len(queries) * len(keys)
        return rough_distances(queries, keys, distance)

    monkeypatch.setattr("grace_core.codebook.geometry.rough_distances", counted)
    again = after.match_again(queries, before, matches)
    assert looked < len(queries) * len(after) / 10
    assert [(m.entry, m.distance, m.matched) for m in again] == [(m.entry, m.distance, m.matched) for m in after.match(queries)]


@pytest.mark.parametrize("rule", ["separated", "published"])
def test_a_rival_is_the_nearest_edited_query_with_another_target(rule: Rule) -> None:
    codebook = line_codebook(made_edit("a", [0], "x"), made_edit("b", [1], "x"), made_edit("c", [3], "y"), rule=rule)
    assert codebook.rival_of("a") == Rival("c", 3.0)
    assert codebook.rival_of("c") == Rival(codebook.edits[1].edit_id, 2.0)
    assert line_codebook(made_edit("a", [0], "x")).rival_of("a") is None
    assert codebook.rival_of("nobody") is None


@pytest.mark.parametrize(
    ("epsilons", "message"),
    [
        ({"z": 1.0}, "No edit 'z' is in force"),
        ({"a": 0.0}, "above 0"),
        ({"a": float("nan")}, "above 0"),
        ({"a": np.inf}, "above 0"),
    ],
)
def test_radii_that_cannot_be_are_refused(epsilons: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        line_codebook(made_edit("a", [0], "x")).with_epsilons(epsilons)


def test_a_cosine_radius_of_two_or_more_is_refused() -> None:
    codebook = empty("separated", "cosine").with_edit(made_edit("a", np.ones(WIDTH), "x"))
    with pytest.raises(InputError, match="never exceeds 2"):
        codebook.with_epsilons({"a": 2.0})


def test_an_empty_codebook_defers_everything() -> None:
    codebook = line_codebook()
    assert len(codebook) == 0
    match = codebook.match(np.zeros((2, 1), dtype=np.float32))
    assert len(match) == 2
    assert all(m.entry is None and m.distance is None and not m.matched and m.edit_id is None for m in match)


def test_the_edge_of_a_ball_belongs_to_it() -> None:
    codebook = line_codebook(made_edit("e", [0.0], "a", epsilon=1.0))
    inside, outside = codebook.match(np.array([[1.0], [1.0000001]], dtype=np.float32))
    assert (inside.matched, inside.distance) == (True, 1.0)
    assert not outside.matched
    assert outside.entry is not None
    assert outside.edit_id is None


def test_of_equally_near_keys_the_last_answers() -> None:
    codebook = line_codebook(made_edit("a", [-1], "a", value=1), made_edit("b", [1], "a", value=2))
    assert codebook.match(np.zeros((1, 1), dtype=np.float32))[0].edit_id == "b"


def test_cosine_needs_unit_vectors() -> None:
    with pytest.raises(InputError, match="unit vectors"):
        GraceConfig.early(encoding="raw")


# Other encoders, wrong input


def test_recalibrating_reads_the_stored_activations_by_another_encoder() -> None:
    edits = [made_edit(f"e{i}", np.random.default_rng(i).normal(size=WIDTH), "ab"[i % 2], value=i) for i in range(5)]
    codebook = empty("separated", "cosine").with_edits(edits)
    again = codebook.recalibrated(small_encoder(WIDTH, seed=9))
    assert again.edits == codebook.edits
    assert again.keys.tobytes() != codebook.keys.tobytes()
    assert again.keys.tobytes() == again.encoder(np.stack([e.activation for e in edits])).tobytes()
    assert_apart(again)
    assert_same(again.recalibrated(codebook.encoder), codebook)
    assert_same(again.recalibrated(codebook.encoder, edits[:3]), codebook.with_edits(edits[:3]))


def test_undoing_an_unknown_edit_says_so() -> None:
    with pytest.raises(InputError, match=r"'zz'.*1 edit"):
        line_codebook(made_edit("a", [0], "x")).without("zz")


def test_two_edits_with_one_id_are_refused() -> None:
    edit = made_edit("a", [0], "x")
    with pytest.raises(InputError, match="same id"):
        line_codebook(edit).with_edit(made_edit("a", [3], "y"))


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_a_vector_of_another_width_is_refused(distance: Distance) -> None:
    with pytest.raises(InputError, match="5"):
        empty("separated", distance).with_edit(made_edit("a", [0, 1, 2, 3, 4], "x"))


def test_every_new_edit_is_looked_at_not_the_last_alone() -> None:
    wide, fine = made_edit("w", [0, 1, 2, 3, 4], "x"), made_edit("f", [0, 1, 2, 3], "x")
    with pytest.raises(InputError, match="'w'"):
        empty("separated", "euclidean").with_edits([wide, fine])
