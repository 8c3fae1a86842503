"""Studios for the tests of the Lab, and pages without a frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from app.studio.studio import OpenStudio
from app.ui.session import PageContext
from grace_core.models.language_model import LanguageModel
from tests.app.studios import OTHER, PROMPT, Journal, edited


@pytest.fixture(scope="module")
def studio(taught: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStudio]:
    """One edit with a phrasing of its own, one without, and their logged queries."""
    journal = Journal(taught, tmp_path_factory.mktemp("lab"))
    studio = journal.open()
    edited(studio, PROMPT, paraphrases=["Tell me about Ada Lovelace."])
    edited(studio, OTHER)
    yield studio
    journal.close()


@pytest.fixture
def context(studio: OpenStudio) -> Iterator[PageContext]:
    with gr.Blocks():
        session, selected, picked, revision = (gr.State() for _ in range(4))
        yield PageContext(studio, session, gr.Textbox(), selected, picked, revision, gr.Tabs(), gr.State(-1))


@pytest.fixture
def own_studio(taught: LanguageModel, tmp_path: Path) -> Iterator[OpenStudio]:
    """A journal that a test may change: one edit, its own question and another one."""
    journal = Journal(taught, tmp_path)
    studio = journal.open()
    edited(studio, PROMPT)
    studio.generate(OTHER).result(60)
    yield studio
    journal.close()


@pytest.fixture
def own_context(own_studio: OpenStudio) -> Iterator[PageContext]:
    with gr.Blocks():
        session, selected, picked, revision = (gr.State() for _ in range(4))
        yield PageContext(own_studio, session, gr.Textbox(), selected, picked, revision, gr.Tabs(), gr.State(-1))
