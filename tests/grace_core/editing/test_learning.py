"""Fitting the learned encoder on a tiny model."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from grace_core.codebook.geometry import halves
from grace_core.codebook.learned import LearnedEncoder, encoder_of_tensors, tensors_of
from grace_core.config import GraceConfig
from grace_core.editing.learning import fit_encoder
from grace_core.errors import Cancelled
from grace_core.models.activations import pooled_at
from grace_core.models.language_model import LanguageModel
from grace_core.testing.codebooks import BOOK, QUICK_PLANS


def fitted(model: LanguageModel, **watch: object) -> LearnedEncoder:
    config = GraceConfig.robust(siblings=0).resolved(len(model.blocks))
    return fit_encoder(model, config, BOOK, plans=QUICK_PLANS, **watch)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def encoder(tiny: LanguageModel) -> LearnedEncoder:
    return fitted(tiny)


def test_both_keys_hold_together_what_they_should(tiny: LanguageModel, encoder: LearnedEncoder) -> None:
    states = pooled_at(tiny, encoder.weights, [tiny.prompt(row.text) for row in BOOK], encoder.reads)
    subject, question = halves(encoder(states))

    def apart(half: np.ndarray, label: list[str]) -> tuple[float, float]:
        distances = np.square(half[:, None] - half[None]).sum(-1)
        same = np.equal.outer(np.array(label), np.array(label))
        return float(distances[same].mean()), float(distances[~same].mean())

    for half, label in ((subject, [row.subject for row in BOOK]), (question, [row.question for row in BOOK])):
        near, far = apart(half, label)
        assert near < far / 2


def test_the_same_book_gives_the_same_bits(tiny: LanguageModel, encoder: LearnedEncoder) -> None:
    assert fitted(tiny).name == encoder.name


def test_nothing_is_read_above_the_layer_of_the_value(tiny: LanguageModel, encoder: LearnedEncoder) -> None:
    config = GraceConfig.robust().resolved(len(tiny.blocks))
    assert max(layer for layer, _ in encoder.reads) == config.value_layer


def test_as_tensors_it_is_the_same_encoder(encoder: LearnedEncoder) -> None:
    assert encoder_of_tensors(tensors_of(encoder)).name == encoder.name


def test_it_says_how_far_it_is_and_stops_when_told(tiny: LanguageModel) -> None:
    told: list[float] = []
    fitted(tiny, progress=lambda stage, fraction: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] > 0.9
    enough = threading.Event()

    def progress(stage: str, fraction: float) -> None:
        if "questions" in stage:
            enough.set()

    with pytest.raises(Cancelled):
        fitted(tiny, progress=progress, cancelled=enough.is_set)
