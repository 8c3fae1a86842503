"""The named endpoints, through a real client and a real server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import gradio as gr
import pytest
from gradio_client import Client

from app.server.endpoints import add_api
from app.studio.workbench import Workbench
from tests.app.ui.samples import FakeBench


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Client, FakeBench]]:
    bench = FakeBench()
    with gr.Blocks(analytics_enabled=False) as blocks:
        add_api(cast(Workbench, bench))
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    _, url, _ = blocks.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        yield Client(url, verbose=False), bench
    finally:
        blocks.close(verbose=False)


def call(served: tuple[Client, FakeBench], *arguments: Any, api_name: str) -> Any:
    return served[0].predict(*arguments, api_name=api_name)


def test_the_endpoints_are_exactly_these(served: tuple[Client, FakeBench]) -> None:
    named = served[0].view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/generate", "/edit", "/undo", "/redo", "/edits"}


def test_generate(served: tuple[Client, FakeBench]) -> None:
    assert call(served, "hello", api_name="/generate") == {
        "text": "You said hello",
        "edit_id": "e1",
        "distance": 0.25,
    }


def test_edit_undo_redo_and_the_list(served: tuple[Client, FakeBench]) -> None:
    made = call(served, "Who?", "Ada.", ["Who is it?"], api_name="/edit")
    assert made["success"] is True
    assert (made["text_before"], made["text_after"]) == ("In Paris.", "Ada.")
    assert (made["change"], made["epsilon"], made["seconds"], made["reason"]) == ("added", 0.9, 1.25, "")
    assert made["change_text"].startswith("Added a new key")
    assert served[1].asked[-1] == ("Who?", "Ada.", ("Who is it?",), "API")

    row = call(served, made["edit_id"], api_name="/undo")
    assert (row["edit_id"], row["state"], row["epsilon"]) == (made["edit_id"], "undone", None)
    assert call(served, made["edit_id"], api_name="/redo")["state"] == "active"

    rows = call(served, api_name="/edits")
    assert [r["edit_id"] for r in rows] == list(reversed(served[1].rows))
    assert rows[0]["at"] == "2026-01-02T12:00:00+00:00"
    assert rows[0]["paraphrases"] == ["Who is it?"]


def test_paraphrases_may_be_left_out(served: tuple[Client, FakeBench]) -> None:
    assert served[0].predict(prompt="Who?", target="Ada.", api_name="/edit")["success"] is True
    assert served[1].asked[-1][2] == ()


def test_an_error_reaches_the_client_in_words(served: tuple[Client, FakeBench]) -> None:
    with pytest.raises(Exception, match="The prompt is empty"):
        call(served, " ", api_name="/generate")
    with pytest.raises(Exception, match="There is no edit 'nonsense'"):
        call(served, "nonsense", api_name="/undo")
