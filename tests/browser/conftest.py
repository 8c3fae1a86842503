"""The app in a process of its own and people with browsers; all of it ends with the test that asked for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.pages import Reviewer
from tests.browser.studio import Outside, Studio

CHROMIUM = "/usr/bin/chromium"
# The browser itself must be as quiet as the pages: no sandbox in a container, no calls home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# GRACE_STUDIO_SCREENSHOTS=1 takes README's pictures: with our own sentences, and with longer answers.
TAKES_PICTURES = os.environ.get("GRACE_STUDIO_SCREENSHOTS") == "1"
MAX_NEW_TOKENS = 64 if TAKES_PICTURES else 40


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    proxy = Outside()
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, real_model_dir: Path, outside: Outside) -> Iterator[Studio]:
    """A running app with an empty journal. The model is in the cache before: no test waits for a download."""
    studio = Studio(tmp_path_factory.mktemp("studio") / "data", outside, max_new_tokens=MAX_NEW_TOKENS)
    studio.start()
    try:
        yield studio
    finally:
        studio.stop()


@pytest.fixture
def arrive(browser: Browser, studio: Studio) -> Iterator[Callable[[], Reviewer]]:
    """A new person opens the app, in a browser of their own. At the end: nobody's page failed or looked elsewhere."""
    present: list[Reviewer] = []

    def come() -> Reviewer:
        present.append(Reviewer(browser, studio.url))
        present[-1].open()
        return present[-1]

    yield come
    for reviewer in present:
        reviewer.close()
    assert [reviewer.requests_outside for reviewer in present] == [[] for _ in present]
    assert [reviewer.errors for reviewer in present] == [[] for _ in present]
