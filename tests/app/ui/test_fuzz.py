"""Whatever a browser sends with an event of a page: a result, or an error in words; never a surprise in the log."""

from __future__ import annotations

import asyncio
import inspect
import logging
from contextlib import suppress
from typing import Any

import gradio as gr
import pytest
from gradio.exceptions import ComponentProcessingError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.server.endpoints import Departures
from app.server.shell import build_app
from app.studio.studio import OpenStudio
from grace_core.models.language_model import LanguageModel
from tests.app.maps import without_umap
from tests.app.studios import PROMPT, Journal, edited
from tests.app.ui.browser import Browser

TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["\ud83d", "\x00", "<|im_end|>", "<b>bold</b>", "http://[half", PROMPT, "e1", "a" * 200_000, "\n" * 100]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(10**400),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=6,
)
NAMES = (
    "edit_id", "edit_ids", "mark_id", "query_id", "start", "end", "verdict", "id", "selected", "shown", "number", "asked",
    "search", "state", "offset", "change_id", "reading_id",
)  # fmt: skip
SENT = JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON))
PAGES = ("app.ui.review", "app.ui.map", "app.ui.edits", "app.ui.lab", "app.server.shell")


class Site:
    """All pages over one studio that has an answer and an edit."""

    def __init__(self, studio: OpenStudio) -> None:
        self.studio = studio
        self.app = build_app(studio, Departures(), without_umap())
        edited(studio)
        self.query_id = studio.map_view().queries[0].query_id

    def handlers(self) -> list[Any]:
        return [
            fn
            for fn in self.app.fns.values()
            if fn.fn is not None
            and inspect.getmodule(inspect.unwrap(fn.fn)) is not None
            and str(getattr(inspect.unwrap(fn.fn), "__module__", "")).startswith(PAGES)
        ]


@pytest.fixture(scope="module")
def site(taught: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Any:
    journal = Journal(taught, tmp_path_factory.mktemp("site"))
    # What somebody may really ask for is learned, so that is kept short.
    yield Site(journal.open(max_steps=2, max_new_tokens=4))
    journal.close()


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Any:
    with caplog.at_level(logging.WARNING):
        yield
    assert [record.getMessage() for record in caplog.get_records("call")] == []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_sent_with_an_event_is_answered(site: Site, data: st.DataObject) -> None:
    handlers = site.handlers()
    assert len(handlers) > 50
    fn = handlers[data.draw(st.integers(0, len(handlers) - 1), label="handler")]
    browser = Browser(site.app)
    for component in fn.inputs:
        if not component.stateful:
            browser.type(component, data.draw(JSON, label=str(component.elem_id)))
    sent = data.draw(SENT | st.just({"query_id": site.query_id, "start": 0, "end": 1, "verdict": "wrong"}), label="sent")

    async def answer() -> None:
        async for _ in browser.run(fn, sent):
            pass

    # Gradio's own check of a component's value; over HTTP it is made before, and what has another type is refused.
    with suppress(gr.Error, ComponentProcessingError, ValidationError):
        asyncio.run(answer())
    assert not any("Something went wrong" in toast for toast in browser.toasts), browser.toasts
    for value in browser.shown():
        assert "Something went wrong" not in str(value)
