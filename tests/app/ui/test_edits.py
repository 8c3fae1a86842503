"""The Edits page, driven as a browser drives it, on more edits than one page holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from app.ui.components.edit_table import PAGE_SIZE, View
from app.ui.edits import EditsPage
from app.ui.session import PageContext
from app.workbench import Workbench
from tests.app.studios import Studio, event_of
from tests.grace_core.builders import calibrated

COUNT = PAGE_SIZE + 3


@pytest.fixture
def page(studio: Studio, bench: Workbench) -> Iterator[EditsPage]:
    codebook = calibrated(studio.model)
    studio.write(*(event_of(studio.model, codebook, f"Who is number {i}?", f"answer {i}", f"e{i}", i) for i in range(COUNT)))
    with gr.Blocks():
        states = [gr.State() for _ in range(3)]
        yield EditsPage(PageContext(bench, states[0], gr.Textbox(), states[1], states[2], gr.Tabs()))


def ids(value: dict[str, Any]) -> list[str]:
    return [row["id"] for row in value["rows"]]


def test_a_selected_edit_is_turned_to(page: EditsPage) -> None:
    value, view = page.on_selected(View(), "e1")
    assert (value["selected"], value["offset"], view.offset) == ("e1", PAGE_SIZE, PAGE_SIZE)
    assert ids(value) == ["e2", "e1", "e0"]
    assert page.draw(view, "e1")["offset"] == PAGE_SIZE  # and it stays, when the journal grows say
    value, view = page.on_selected(view, f"e{COUNT - 1}")
    assert (ids(value)[0], view.offset) == (f"e{COUNT - 1}", 0)


@pytest.mark.parametrize("selected", [None, "", "gone"])
def test_nothing_selected_or_nothing_that_is_here_turns_no_page(page: EditsPage, selected: str | None) -> None:
    value, view = page.on_selected(View(offset=PAGE_SIZE), selected)
    assert (value["selected"], view.offset, len(value["rows"])) == (selected, PAGE_SIZE, 3)


def test_a_search_that_leaves_the_selected_edit_out_stands(page: EditsPage) -> None:
    value, view = page.on_selected(View(search="number 12"), "e1")
    assert (ids(value), view) == (["e12"], View(search="number 12"))
