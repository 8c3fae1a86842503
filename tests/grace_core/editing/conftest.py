"""An editor of the taught model, and something to teach it."""

from __future__ import annotations

import pytest

from grace_core.answering.generate import generate
from grace_core.codebook.codebook import Codebook
from grace_core.editing.editor import Editor
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from grace_core.testing.taught import ANSWERS

PROMPT = "Who was Ada Lovelace?"


@pytest.fixture(scope="module")
def editor(taught: LanguageModel) -> Editor:
    return Editor(taught)


@pytest.fixture(scope="module")
def empty(taught: LanguageModel) -> Codebook:
    return calibrated(taught)


def answer_other_than_now(model: LanguageModel, codebook: Codebook, prompt: str, nth: int = 0) -> str:
    now = generate(model, codebook, prompt).text
    return [answer for answer in ANSWERS if answer != now][nth]


@pytest.fixture(scope="module")
def target(taught: LanguageModel, empty: Codebook) -> str:
    """An answer that the taught model does not give to PROMPT by itself."""
    return answer_other_than_now(taught, empty, PROMPT)
