"""The Map page, driven as a browser drives it, over a real studio with a tiny model."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import pytest

from app.map.layout.layout import Projection
from app.studio.studio import OpenStudio
from app.ui.map.page import MapPage, build_map
from grace_core.testing import calibrated
from tests.app.studios import OTHER, PROMPT, Journal, event_of
from tests.app.ui.browser import Browser, context

PROMPTS = (PROMPT, OTHER, "Describe the Moon.")


class Pages:
    """The page over its studio, and browsers that look at it."""

    def __init__(self, studio: OpenStudio) -> None:
        self.studio = studio
        with gr.Blocks() as self.app:
            self.opening = gr.Button()
            self.page: MapPage = build_map(context(studio), Projection())
            self.page.on_open(self.opening.click)

    def browser(self, *, opened: bool = True) -> Browser:
        browser = Browser(self.app)
        if opened:
            browser.fire(self.opening, "click")
        return browser

    def map(self, browser: Browser) -> Any:
        return json.loads(browser.value(self.page.parts.key_map))

    def select(self, browser: Browser, edit_id: str) -> None:
        browser.fire(self.page.parts.key_map, "select_edit", edit_id=edit_id)


@pytest.fixture
def pages(journal: Journal, studio: OpenStudio) -> Pages:
    codebook = calibrated(journal.model)
    journal.write(*(event_of(journal.model, codebook, prompt, f"answer {i}", f"e{i}", i) for i, prompt in enumerate(PROMPTS)))
    return Pages(studio)


def test_until_it_is_opened_nothing_is_drawn(pages: Pages) -> None:
    browser = pages.browser(opened=False)
    browser.fire(pages.page.parts.timer, "tick")
    assert browser.value(pages.page.parts.key_map) is None
    browser.fire(pages.opening, "click")
    assert pages.map(browser)["points"]["keys"]["prompt"] == list(PROMPTS)


def test_points_are_sent_once(pages: Pages) -> None:
    browser = pages.browser()
    pages.select(browser, "e1")
    assert "points" not in pages.map(browser)
    browser.fire(pages.page.parts.key_map, "need_points")
    assert len(pages.map(browser)["points"]["keys"]["id"]) == len(PROMPTS)


def test_a_selected_key_is_explained_and_can_be_undone_and_redone(pages: Pages) -> None:
    parts, browser = pages.page.parts, pages.browser()
    pages.select(browser, "e1")
    assert pages.map(browser)["selected_key"] == "e1"
    assert browser.value(parts.detail)["edit"]["prompt"] == OTHER
    assert json.loads(browser.value(parts.around))["figure"] is not None
    assert (browser.props(parts.undo)["visible"], browser.props(parts.redo)["visible"]) == (True, False)

    browser.fire(parts.undo, "click")
    assert pages.studio.detail("e1").row.state == "undone"
    assert pages.map(browser)["selected_key"] is None
    assert (browser.props(parts.undo)["visible"], browser.props(parts.redo)["visible"]) == (False, True)
    assert "Redo brings it back" in json.loads(browser.value(parts.strip))["empty"]

    browser.fire(parts.redo, "click")
    assert pages.studio.detail("e1").row.state == "active"
    assert pages.map(browser)["selected_key"] == "e1"
    browser.fire(parts.clear, "click")
    assert (pages.map(browser)["selected"], browser.value(parts.detail)["edit"]) == (None, None)


def test_the_author_of_an_undo_by_key_is_the_person_who_looks(pages: Pages) -> None:
    browser = pages.browser()
    browser.type(pages.page.context.author, "Noor")
    browser.fire(pages.page.parts.key_map, "undo_edit", edit_id="e0")
    assert pages.studio.detail("e0").row.state == "undone"
    browser.fire(pages.page.parts.key_map, "show_undone", shown=True)
    assert pages.map(browser)["undone"]["keys"]["id"] == ["e0"]


def test_a_refused_undo_is_said_and_changes_nothing(pages: Pages) -> None:
    browser, before = pages.browser(), pages.studio.revision()
    browser.fire(pages.page.parts.key_map, "undo_edit", edit_id="gone")
    assert (len(browser.toasts), pages.studio.revision()) == (1, before)
    assert "gone" in browser.toasts[0]


def test_an_edit_of_another_codebook_is_not_found_in_words(pages: Pages) -> None:
    browser = pages.browser()
    pages.select(browser, "elsewhere")
    assert browser.value(pages.page.parts.detail)["title"] == "Edit not found"


def test_a_pick_names_all_edits_of_its_keys(pages: Pages) -> None:
    browser, context = pages.browser(), pages.page.context
    browser.fire(pages.page.parts.key_map, "pick_keys", edit_ids=["e2", "e0", "gone"], selected="e2")
    assert (browser.value(context.picked_edits), browser.value(context.selected_edit)) == (("e0", "e2"), "e2")
    browser.fire(pages.page.parts.key_map, "pick_keys", edit_ids=None, selected=None)
    assert (browser.value(context.picked_edits), browser.value(context.selected_edit)) == (None, "e2")


def test_a_prompt_is_tried_until_it_is_cleared_and_an_empty_one_is_refused_in_words(pages: Pages) -> None:
    parts, browser = pages.page.parts, pages.browser()
    browser.type(parts.prompt, PROMPT)
    browser.fire(parts.land, "click")
    assert pages.map(browser)["landings"]["key"] == ["e0"]
    browser.fire(parts.key_map, "clear_landing", number=1)
    assert pages.map(browser)["landings"]["key"] == []

    browser.type(parts.prompt, "  ")
    browser.fire(parts.prompt, "submit")
    assert "empty" in browser.value(parts.problem)["text"]
    assert pages.studio.status().queries == 0


def test_two_browsers_share_the_journal_and_nothing_else(pages: Pages) -> None:
    one, other = pages.browser(), pages.browser()
    pages.select(one, "e0")
    assert pages.map(other)["selected"] is None
    one.type(pages.page.parts.prompt, OTHER)
    one.fire(pages.page.parts.land, "click")
    assert (len(pages.map(one)["landings"]["key"]), len(pages.map(other)["landings"]["key"])) == (1, 0)

    one.fire(pages.page.parts.undo, "click")
    other.fire(pages.page.context.redraw, "change")
    assert pages.map(other)["points"]["keys"]["id"] == ["e1", "e2"]


def test_a_new_layout_is_made_when_a_person_asks(pages: Pages) -> None:
    browser = pages.browser()
    before = pages.map(browser)["points"]["layout"]
    browser.fire(pages.page.parts.relayout, "click")
    assert pages.map(browser)["points"]["layout"] != before
    assert browser.props(pages.page.parts.relayout)["interactive"]


def test_the_table_for_the_csv_is_whole_and_comes_once_for_each_asking(pages: Pages) -> None:
    browser = pages.browser()
    pages.studio.generate("Who is it? " * 30, author="Noor").result(60)
    browser.fire(pages.page.parts.key_map, "export_table", asked=3)
    table = pages.map(browser)["table"]
    assert table["asked"] == 3
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert [row["kind"] for row in rows] == ["key"] * 3 + ["query"]
    assert (rows[-1]["prompt"], rows[-1]["author"]) == (("Who is it? " * 30).strip(), "Noor")
    assert all(row["time"] for row in rows)
    browser.fire(pages.page.parts.timer, "tick")
    assert "table" not in pages.map(browser)
