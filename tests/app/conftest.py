"""A journal of their own for the tests of what works on one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.studio.studio import OpenStudio
from grace_core.models.language_model import LanguageModel
from tests.app.studios import Journal


@pytest.fixture
def journal(taught: LanguageModel, tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(taught, tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def studio(journal: Journal) -> OpenStudio:
    return journal.open()
