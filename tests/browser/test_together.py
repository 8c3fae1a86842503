"""Two at once: people in two browsers, and scripts that ask at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.pages import VIEW_MS, Reviewer
from tests.browser.studio import Outside, Studio

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]


def test_another_browser_sees_the_edit_without_a_reload(studio: Studio, arrive: Callable[[], Reviewer]) -> None:
    prompt, target = "What is the capital of Australia?", "The capital of Australia is Canberra, founded in 1913."
    author, watcher = arrive(), arrive()
    watcher.tab("edits")
    expect(watcher.page.locator("#gs-edits")).to_contain_text("No edits yet")
    author.sign("Mira")
    author.ask(prompt)
    author.correct(target)
    expect(author.outcome).to_have_attribute("data-success", "true")

    edit_id = studio.edits()[prompt]["edit_id"]
    watcher.row_state(edit_id, "active")
    expect(watcher.row(edit_id)).to_contain_text("Mira")
    expect(watcher.count).to_have_text("1 edit in force")
    expect(watcher.page.locator(".toast-body")).to_contain_text(f"Mira edited “{prompt}”.", timeout=VIEW_MS)
    assert watcher.ask(prompt) == target

    watcher.tab("edits")
    watcher.row(edit_id).locator("button[data-action=undo]").click()
    expect(author.count).to_have_text("0 edits in force", timeout=VIEW_MS)


def test_two_edits_asked_for_at_once_both_end_well(studio: Studio, outside: Outside) -> None:
    wanted = {
        "Who painted the Mona Lisa?": "Leonardo da Vinci painted the Mona Lisa, from 1503 on.",
        "What is the tallest mountain on Earth?": "Mount Everest, 8,849 metres above the sea.",
    }

    def edit(prompt: str) -> dict[str, Any]:
        result: dict[str, Any] = studio.client().predict(prompt, wanted[prompt], [], api_name="/edit")
        return result

    with ThreadPoolExecutor(2) as both:
        results = dict(zip(wanted, both.map(edit, wanted), strict=True))
    assert [result["success"] for result in results.values()] == [True, True]
    assert {prompt: result["text_after"] for prompt, result in results.items()} == wanted
    assert {prompt: studio.generate(prompt) for prompt in wanted} == wanted
    assert {studio.edits()[prompt]["edit_id"] for prompt in wanted} == {result["edit_id"] for result in results.values()}
    assert outside.knocks == []
