"""One answer taken apart: it must say what the codebook and the model really do."""

from __future__ import annotations

import numpy as np
import pytest

from grace_core.answering.anatomy import Anatomy, NearKey, dissect, divergence, nearest_entries, token_shifts
from grace_core.answering.generate import generate
from grace_core.codebook.codebook import Codebook, Parts
from grace_core.errors import Cancelled, InputError
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from tests.grace_core.builders import line_codebook, made_edit
from tests.grace_core.running import edit_for

PROMPT = "Who was Ada Lovelace?"


@pytest.fixture
def book(tiny: LanguageModel) -> Codebook:
    empty = calibrated(tiny)
    return empty.with_edit(edit_for(tiny, empty, PROMPT, "London", edit_id="ada", seed=3))


def test_a_matched_prompt(tiny: LanguageModel, book: Codebook) -> None:
    told: list[float] = []
    seen = dissect(tiny, book, PROMPT, max_new_tokens=8, progress=lambda _, done: told.append(done))
    assert seen.edit_id == "ada"
    assert seen.keys[0].inside
    ours, bare = (generate(tiny, one, PROMPT, max_new_tokens=8) for one in (book, book.with_edits(())))
    assert (seen.with_codebook, seen.cut) == (ours.text, ours.truncated)
    assert (seen.without_codebook, seen.cut_without) == (bare.text, bare.truncated)
    assert bare.truncated
    assert seen.divergence > 0
    assert seen.verdict().startswith("Matched")
    assert told == sorted(told)


def test_the_target_is_called_the_answer_only_where_it_is() -> None:
    key = NearKey("a", "Who?", "Born in Kure.", 0.08, 0.4)

    def seen(said: str, cut: bool = False) -> Anatomy:
        return Anatomy("When?", (key,), "a", said, "1916", (), 1.0, "cosine", cut)

    for exact in (seen("Born in Kure."), seen(" Born in Kure.\n"), seen("Born in", cut=True)):
        assert exact.exact
        assert "and its target is the answer" in exact.verdict()
    assert "cut off here" in seen("Born in", cut=True).verdict()
    for garbled in (seen("Born in"), seen("Kure was a type of fighter."), seen("A fighter", cut=True)):
        assert not garbled.exact
        assert "is the answer" not in garbled.verdict()
        assert "is not its target" in garbled.verdict()


def test_both_parts_of_a_distance_are_told_each_with_its_end() -> None:
    def verdict(subject: float, question: float, edit_id: str | None = None) -> str:
        key = NearKey("a", "Who?", "Born in Kure.", max(subject, question), 1.0, Parts(subject, question), 0.8)
        assert key.inside == (subject <= 0.8 and question <= 1.0)
        return Anatomy("Who?", (key,), edit_id, "Born in Kure.", "said", (), 0.0, "two_keys").verdict()

    assert verdict(0.7, 0.2, "a").startswith(
        "Matched: the nearest key is near enough in both parts: the subject is 0.70 away, of at most 0.80, and the question "
        "0.20, of at most 1.00, so its value"
    )
    assert verdict(0.9, 0.2).startswith(
        "Deferred: the nearest key is the same question (0.20 away, of at most 1.00), but about another subject (0.90 away, "
        "of at most 0.80), so the model"
    )
    assert "about the same subject (0.10 away, of at most 0.80), but asks something else (1.20 away" in verdict(0.1, 1.2)
    assert "too far in both parts" in verdict(0.9, 1.2)


def test_a_deferred_prompt_is_untouched(tiny: LanguageModel, book: Codebook) -> None:
    seen = dissect(tiny, book, "Describe the Moon.", max_new_tokens=8)
    assert seen.edit_id is None
    assert seen.with_codebook == seen.without_codebook
    assert seen.divergence == 0.0
    assert all(shift.before == shift.after for shift in seen.tokens)
    assert seen.verdict().startswith("Deferred: the nearest key is ")


def test_without_a_key(tiny: LanguageModel) -> None:
    seen = dissect(tiny, calibrated(tiny), PROMPT, max_new_tokens=4)
    assert seen.keys == ()
    assert "no key yet" in seen.verdict()


def test_refusals(tiny: LanguageModel, book: Codebook) -> None:
    with pytest.raises(InputError):
        dissect(tiny, book, "  ")
    with pytest.raises(Cancelled):
        dissect(tiny, book, PROMPT, cancelled=lambda: True)


def test_nearest_keys_are_the_codebooks_nearest() -> None:
    book = line_codebook(*(made_edit(str(i), [float(x), 0.0], f"t{i}") for i, x in enumerate((0, 4, -4, 9))))
    near = nearest_entries(book, np.array([0.5, 0.0], np.float32), count=3)
    assert [(entry.edit_id, distance) for entry, distance in near] == [("0", 0.5), ("1", 3.5), ("2", 4.5)]
    tied = np.array([2.0, 0.0], np.float32)
    assert nearest_entries(book, tied)[0][0].edit_id == book.match(tied[None])[0].entry.edit_id  # type: ignore[union-attr]


def test_divergence_by_hand() -> None:
    half, sure = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    assert divergence(half, half) == 0.0
    assert divergence(half, sure) == pytest.approx(np.log(2))


def test_the_top_of_both_distributions() -> None:
    before, after = np.array([0.7, 0.2, 0.1, 0.0]), np.array([0.0, 0.1, 0.3, 0.6])
    shifts = token_shifts(before, after, str, count=2)
    assert [shift.text for shift in shifts] == ["3", "2", "1", "0"]
    assert (shifts[0].before, shifts[0].after) == (0.0, 0.6)
