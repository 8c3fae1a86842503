"""The frame around the pages: what a browser is told of others, and that nobody's waiting is another's."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr
import pytest

from app.map.layout.layout import Projection
from app.server.endpoints import Departures
from app.server.shell import build_app
from app.studio.studio import OpenStudio
from tests.app.studios import HOPELESS, PROMPT, Journal, edited, id_of
from tests.app.ui.browser import Browser

WAITING = 60


@pytest.fixture
def studio(journal: Journal) -> OpenStudio:
    return journal.open(max_steps=100_000)  # what is hopeless is learned until it is called off


@pytest.fixture
def app(studio: OpenStudio) -> gr.Blocks:
    return build_app(studio, Departures(), Projection())


def part(app: gr.Blocks, elem_id: str) -> Any:
    return next(block for block in app.blocks.values() if getattr(block, "elem_id", None) == elem_id)


def timer(app: gr.Blocks) -> Any:
    """What polls: the only timer that always runs."""
    return next(block for block in app.blocks.values() if isinstance(block, gr.Timer) and block.active)


def opened(app: gr.Blocks, name: str, **query: str) -> Browser:
    browser = Browser(app, name, query)
    browser.fire(app, "load")
    return browser


def test_sixty_pages_wait_and_polls_and_stop_answer_all_the_same(app: gr.Blocks, studio: OpenStudio) -> None:
    async def crowd() -> None:
        browsers = [Browser(app, f"browser {i}", {}) for i in range(WAITING)]
        for browser in browsers:
            await browser.fired(app, "load")
            browser.type(part(app, "gs-prompt"), PROMPT)
        holding = studio.edit(PROMPT, HOPELESS)
        sends = [asyncio.create_task(browser.fired(part(app, "gs-send"), "click")) for browser in browsers]
        while not all("ahead of yours" in str(browser.value(part(app, "gs-answer"))) for browser in browsers):
            await asyncio.sleep(0.01)

        await browsers[0].fired(timer(app), "tick")
        await browsers[-1].fired(part(app, "gs-stop"), "click")
        await sends[-1]
        assert browsers[-1].value(part(app, "gs-answer"))["phase"] == "stopped"
        assert not any(send.done() for send in sends[:-1])

        await browsers[0].fired(app, "unload")
        await sends[0]  # nobody waits for it any more
        assert (holding.position, holding.cancelled) == (0, False)
        for send in sends:
            send.cancel()
        await asyncio.gather(*sends, return_exceptions=True)
        holding.cancel()

    asyncio.run(crowd())
    assert studio.status().queries == 0, "who is gone is not answered"
    assert app.max_threads > WAITING, "Gradio counts waiting events against this"


def test_an_edit_that_is_in_force_stays_when_its_browser_is_gone(app: gr.Blocks, studio: OpenStudio) -> None:
    browser = opened(app, "one")
    edit_id = id_of(edited(studio, asker="one"))
    browser.fire(app, "unload")
    assert studio.detail(edit_id).row.state == "active"


def test_a_page_is_drawn_when_its_tab_is_open_or_opened(app: gr.Blocks, studio: OpenStudio) -> None:
    browser, table = opened(app, "one"), part(app, "gs-edits")
    before = browser.value(table)
    edit_id = id_of(edited(studio))
    browser.fire(timer(app), "tick")
    assert browser.value(part(app, "gs-status"))["edits"] == 1
    assert browser.value(table) == before, "nobody sees it"
    browser.fire(part(app, "gs-tab-edits"), "select")
    assert [row["id"] for row in browser.value(table)["rows"]] == [edit_id]

    studio.undo(edit_id)
    browser.fire(timer(app), "tick")
    assert browser.value(table)["rows"][0]["state"] == "undone", "it is being looked at"


def test_the_address_names_a_tab_and_an_edit(app: gr.Blocks) -> None:
    tabs = part(app, "gs-tabs")
    assert opened(app, "one", tab="edits").props(tabs)["selected"] == "edits"
    assert opened(app, "two", edit="e1").props(tabs)["selected"] == "map"
    assert opened(app, "three", tab="nowhere").props(tabs)["selected"] == "review"
    assert "selected" not in opened(app, "four").props(tabs)  # a person may have opened one already


def test_a_browser_is_told_of_what_others_did_and_not_of_its_own(app: gr.Blocks, studio: OpenStudio) -> None:
    one, other = opened(app, "one"), opened(app, "two")
    one.type(part(app, "gs-author"), "Mira")
    edit_id = id_of(edited(studio, author="Mira"))
    for browser in (one, other):
        browser.fire(timer(app), "tick")
    assert (one.news, other.news) == ([], [f"Mira edited “{PROMPT}”."])
    studio.undo(edit_id)
    other.fire(timer(app), "tick")
    other.fire(timer(app), "tick")
    assert other.news[1:] == ["An edit was undone or restored in another window."]


def test_what_was_sent_is_not_kept(app: gr.Blocks) -> None:
    assert app.delete_cache is not None
    every, older_than = app.delete_cache
    assert every + older_than <= 300
