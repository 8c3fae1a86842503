"""Asking for a job, and what a person reads when something fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
import pytest

from app.studio.studio import OpenStudio
from app.ui.review.page import Current, keeps_typed, phrasing_lines
from app.ui.review.tries import try_value
from app.ui.session import Busy, Session, bind, failure_text, in_words, waiting_text
from grace_core.errors import Cancelled, InputError
from tests.app.studios import HOPELESS, PROMPT
from tests.app.ui.browser import Browser
from tests.app.ui.samples import answer


def raising(error: Exception) -> Any:
    def handler(typed: str) -> str:
        raise error

    return handler


async def raising_later(typed: str) -> AsyncIterator[str]:
    yield f"Reading {typed}"
    raise InputError("Too long.")


async def raising_at_once(typed: str) -> str:
    raise InputError("Too long.")


@pytest.mark.parametrize("handler", [raising(InputError("Too long.")), raising_at_once, raising_later])
def test_an_error_becomes_what_the_page_shows_for_it(handler: Any) -> None:
    with gr.Blocks() as app:
        typed, button, shown = gr.Textbox("all"), gr.Button(), gr.Textbox()
        bind(button.click, handler, typed, shown, failed=lambda error, text: f"{text}: {error}")
    browser = Browser(app)
    browser.fire(button, "click")
    assert (browser.value(shown), browser.toasts) == ("all: Too long.", [])


def test_an_error_that_the_page_has_no_place_for_is_a_toast_and_changes_nothing() -> None:
    with gr.Blocks() as app:
        typed, button, shown, other = gr.Textbox("all"), gr.Button(), gr.Textbox("before"), gr.Textbox("before")
        bind(button.click, raising(InputError("<b>Too long.</b>")), typed, [shown, other])
    browser = Browser(app)
    browser.fire(button, "click")
    assert (browser.value(shown), browser.value(other)) == ("before", "before")
    assert browser.toasts == ["&lt;b&gt;Too long.&lt;/b&gt;"]


def test_a_page_asks_for_one_thing_at_a_time(studio: OpenStudio) -> None:
    async def twice() -> None:
        session = Session("one")
        async with session.asking(studio.edit, PROMPT, HOPELESS) as job:
            with pytest.raises(Busy):
                async with session.asking(studio.generate, PROMPT):
                    pass
            assert (session.job, job.asker) == (job, "one")
            session.cancel()
            with pytest.raises(Cancelled):
                await job.wait()
        assert (session.job, session.busy) == (None, False)

    asyncio.run(twice())


def test_a_handler_that_is_closed_calls_its_job_off(studio: OpenStudio) -> None:
    async def handler(session: Session, asked: list[Any]) -> AsyncIterator[int]:
        async with session.asking(studio.edit, PROMPT, HOPELESS) as job:
            asked.append(job)
            yield 0
            async for _ in job:
                yield 1

    async def leave() -> None:
        session, asked = Session("one"), list[Any]()
        updates = in_words(handler, lambda *arguments: None)(session, asked)
        await anext(updates)
        await anext(updates)
        await updates.aclose()
        assert (asked[0].cancelled, session.busy) == (True, False)

    asyncio.run(leave())


def test_our_own_errors_are_shown_as_they_are() -> None:
    assert failure_text(InputError("The prompt is empty.")) == "The prompt is empty."


def test_other_errors_are_shown_as_such_and_logged_with_their_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        told = failure_text(RuntimeError("boom"))
    assert told.startswith("Something went wrong: RuntimeError: boom")
    assert caplog.records[0].exc_info is not None


def test_the_queue_is_counted_in_words() -> None:
    assert waiting_text(1) == "Waiting: 1 request is ahead of yours…"
    assert waiting_text(3) == "Waiting: 3 requests are ahead of yours…"


def test_phrasings_are_lines_without_empty_ones() -> None:
    assert phrasing_lines(" Who is Ada?\n\n  \nAda, who?\n") == ("Who is Ada?", "Ada, who?")


def test_what_was_typed_is_kept_only_for_the_same_prompt() -> None:
    current = Current(prompt="Who was Ada?", text="A poet.")
    assert keeps_typed(current, "Who was Ada?", "A mathematician.")
    assert not keeps_typed(current, "Who was Ada?", "A poet.")
    assert not keeps_typed(current, "Who was Ada?", "  ")
    assert not keeps_typed(current, "Who was Alan?", "A mathematician.")


def test_a_try_says_who_answered() -> None:
    near = answer(edit_id="e1", nearest_edit_id="e1", distance=0.2, epsilon=0.9)
    far = answer(nearest_edit_id="e1", distance=1.3, epsilon=0.9)
    assert try_value(near, "e1", near.text)["label"] == "This edit answered · distance 0.20"
    assert try_value(near, "e1", "Ada.")["label"] == "This edit answered, in other words · distance 0.20"
    assert try_value(near, "e2", near.text)["label"].startswith("Another edit answered")
    assert try_value(far, "e1", "")["label"] == "The model itself answered · distance 1.30 (nearest ε 0.90)"
