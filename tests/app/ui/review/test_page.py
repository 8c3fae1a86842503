"""The Review page, driven as a browser drives it, over a real studio with a tiny model."""

from __future__ import annotations

import threading
from typing import Any

import gradio as gr
import pytest

from app.studio.studio import OpenStudio
from app.ui.review.page import ReviewPage, build_review
from tests.app.studios import HOPELESS, PROMPT, Journal, edited, id_of, other_than, said
from tests.app.ui.browser import Browser, context


class Pages:
    """The page over its studio."""

    def __init__(self, studio: OpenStudio) -> None:
        self.studio = studio
        with gr.Blocks() as self.app:
            self.page: ReviewPage = build_review(context(studio))

    def browser(self) -> Browser:
        return Browser(self.app)

    def send(self, browser: Browser, prompt: str = PROMPT) -> dict[str, Any]:
        """Ask; the answer that is then shown."""
        browser.type(self.page.parts.prompt, prompt)
        browser.fire(self.page.parts.send, "click")
        shown: dict[str, Any] = browser.value(self.page.parts.marker)
        return shown

    def edit(self, browser: Browser, target: str) -> dict[str, Any]:
        """Correct what was answered; the outcome that is then shown."""
        browser.type(self.page.parts.target, target)
        browser.fire(self.page.parts.edit, "click")
        shown: dict[str, Any] = browser.value(self.page.parts.outcome)
        return shown

    def is_idle(self, browser: Browser) -> bool:
        parts = self.page.parts
        buttons = [browser.props(button)["interactive"] for button in (parts.send, parts.ask)]
        stoppers = [browser.props(button)["visible"] for button in (parts.stop, parts.cancel, parts.ask_stop)]
        return all(buttons) and not any(stoppers) and browser.value(self.page.context.session).job is None


@pytest.fixture
def pages(studio: OpenStudio) -> Pages:
    return Pages(studio)


def test_an_answer_is_drawn_logged_and_offered_for_correction(pages: Pages) -> None:
    browser, parts = pages.browser(), pages.page.parts
    shown = pages.send(browser)
    assert (shown["phase"], shown["source"]["label"]) == ("done", "Answered by the model itself")
    assert pages.studio.answer(shown["query_id"]).author == "Mira"
    assert (browser.value(parts.target), browser.props(parts.target)["interactive"]) == (shown["text"], True)
    assert pages.is_idle(browser)
    assert browser.props(parts.edit)["interactive"]


def test_an_empty_prompt_is_refused_in_words_and_leaves_the_page_ready(pages: Pages) -> None:
    browser = pages.browser()
    pages.send(browser, "  ")
    assert "empty" in browser.value(pages.page.parts.prompt_message)["text"]
    assert pages.is_idle(browser)
    assert not browser.props(pages.page.parts.edit)["interactive"]


def test_facts_before_prompts_are_off_until_the_switch_is_on_and_a_refusal_is_in_words(pages: Pages) -> None:
    browser, parts = pages.browser(), pages.page.parts
    assert browser.value(parts.in_context) is False
    browser.type(parts.in_context, True)
    pages.send(browser)
    assert "do not tell the subject from the question" in browser.value(parts.prompt_message)["text"]
    assert pages.is_idle(browser)
    browser.type(parts.in_context, False)
    assert pages.send(browser)["phase"] == "done"


def test_a_correction_is_learned_tried_and_undone(pages: Pages) -> None:
    browser, parts = pages.browser(), pages.page.parts
    before = pages.send(browser)["text"]
    target = other_than(before)
    outcome = pages.edit(browser, target)
    assert (outcome["success"], outcome["edit_id"]) == (True, pages.studio.edits().rows[0].edit_id)
    assert browser.props(parts.try_panel)["visible"]
    assert pages.is_idle(browser)

    browser.type(parts.phrasing, PROMPT)
    browser.fire(parts.ask, "click")
    (tried,) = browser.value(parts.tries)
    assert (tried["text"], tried["kind"]) == (target, "good")

    browser.fire(parts.outcome, "undo", edit_id=outcome["edit_id"])
    assert pages.studio.edits().rows[0].state == "undone"
    assert "is undone" in browser.value(parts.outcome)["undone"]
    assert said(pages.studio, PROMPT) == before


def test_an_empty_correction_is_refused_in_words(pages: Pages) -> None:
    browser = pages.browser()
    pages.send(browser)
    pages.edit(browser, "  ")
    assert "empty" in browser.value(pages.page.parts.edit_message)["text"]
    assert pages.is_idle(browser)


def test_stop_ends_the_request_of_this_browser_only(pages: Pages) -> None:
    one, other = pages.browser(), pages.browser()
    holding = pages.studio.edit(PROMPT, HOPELESS)
    for browser in (one, other):
        browser.type(pages.page.parts.prompt, PROMPT)
    waiting = [threading.Thread(target=browser.fire, args=(pages.page.parts.send, "click")) for browser in (one, other)]
    for thread in waiting:
        thread.start()
    while any(browser.value(pages.page.context.session).job is None for browser in (one, other)):
        holding.position  # noqa: B018 - a look gives the other threads a turn
    one.fire(pages.page.parts.stop, "click")
    holding.cancel()
    for thread in waiting:
        thread.join(60)
    assert one.value(pages.page.parts.marker)["phase"] == "stopped"
    assert other.value(pages.page.parts.marker)["phase"] == "done"
    assert pages.studio.status().queries == 1


def test_a_mark_is_put_replaced_and_removed(pages: Pages) -> None:
    browser, marker = pages.browser(), pages.page.parts.marker
    query_id = pages.send(browser)["query_id"]
    browser.fire(marker, "mark", query_id=query_id, start=0, end=3, verdict="wrong")
    browser.fire(marker, "mark", query_id=query_id, start=0, end=3, verdict="fabricated")
    (mark,) = browser.value(marker)["marks"]
    assert (mark["verdict"], mark["author"]) == ("fabricated", "Mira")
    browser.fire(marker, "unmark", mark_id=mark["id"])
    assert browser.value(marker)["marks"] == []


@pytest.mark.parametrize("data", [{"query_id": "gone", "start": 0, "end": 3}, {"start": 2, "end": 2}, {"verdict": "nice"}])
def test_a_mark_that_cannot_be_is_refused_in_words(pages: Pages, data: dict[str, Any]) -> None:
    browser, marker = pages.browser(), pages.page.parts.marker
    query_id = pages.send(browser)["query_id"]
    browser.fire(marker, "mark", **({"query_id": query_id, "start": 0, "end": 3, "verdict": "wrong"} | data))
    assert len(browser.toasts) == 1
    assert pages.studio.marks(query_id) == ()


def test_a_link_opens_the_map_with_its_edit(pages: Pages) -> None:
    edit_id = id_of(edited(pages.studio))
    browser = pages.browser()
    assert pages.send(browser)["source"]["edit_id"] == edit_id
    browser.fire(pages.page.parts.marker, "open_map", edit_id=edit_id)
    assert browser.value(pages.page.context.selected_edit) == edit_id
    assert browser.props(pages.page.context.tabs)["selected"] == "map"


def test_two_browsers_answer_and_edit_side_by_side(pages: Pages) -> None:
    one, other = pages.browser(), pages.browser()
    pages.send(one)
    shown = pages.send(other, "Describe the Moon.")
    assert pages.edit(one, other_than(one.value(pages.page.parts.marker)["text"]))["success"]
    assert other.value(pages.page.parts.marker) == shown
    assert pages.send(other)["source"]["kind"] == "edit"


def test_a_cut_off_answer_is_never_offered_without_a_warning(journal: Journal) -> None:
    pages = Pages(journal.open(max_new_tokens=1))
    browser, parts = pages.browser(), pages.page.parts
    shown = pages.send(browser)
    assert shown["truncated"]
    assert "cut off" in browser.value(parts.cut)["text"]
    browser.type(parts.target, f"It is known: {shown['text']}")
    browser.fire(parts.target, "blur")
    assert "cut off" in browser.value(parts.cut)["text"]
    browser.type(parts.target, "What I typed.")
    browser.fire(parts.target, "blur")
    assert browser.value(parts.cut)["text"] == ""
    pages.send(browser)
    assert (browser.value(parts.target), browser.value(parts.cut)["text"]) == ("What I typed.", "")


def test_a_whole_answer_has_no_warning(pages: Pages) -> None:
    browser = pages.browser()
    pages.send(browser)
    assert browser.value(pages.page.parts.cut)["text"] == ""


def test_the_answer_that_stays_on_screen_after_an_edit_says_that_it_was_said_then(pages: Pages) -> None:
    browser, parts = pages.browser(), pages.page.parts
    before = pages.send(browser)["text"]
    outcome = pages.edit(browser, other_than(before))
    source = browser.value(parts.marker)["source"]
    assert (source["label"], source["detail"]) == ("Said then by the model itself", "now an edit of this prompt answers")
    assert source["edit_id"] == outcome["edit_id"]
    browser.fire(parts.outcome, "undo", edit_id=outcome["edit_id"])
    assert browser.value(parts.marker)["source"]["label"] == "Answered by the model itself"


def test_what_another_browser_edits_is_said_beside_the_answer(pages: Pages) -> None:
    browser = pages.browser()
    pages.send(browser)
    edited(pages.studio)
    browser.fire(pages.page.context.redraw, "change")
    assert browser.value(pages.page.parts.marker)["source"]["label"] == "Said then by the model itself"


def test_an_edit_of_this_very_prompt_can_be_given_more_phrasings(pages: Pages) -> None:
    browser = pages.browser()
    pages.send(browser)
    assert "add other phrasings" not in browser.value(pages.page.parts.corrects)["text"]
    edited(pages.studio)
    pages.send(browser)
    assert "add other phrasings" in browser.value(pages.page.parts.corrects)["text"]
