"""A journal of their own for the tests of what works on one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.studio.workbench import Workbench
from grace_core.models.language_model import LanguageModel
from tests.app.studios import Studio


@pytest.fixture
def studio(taught: LanguageModel, tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(taught, tmp_path)
    yield studio
    studio.close()


@pytest.fixture
def bench(studio: Studio) -> Workbench:
    return studio.open()
