"""The app in a process of its own and people with browsers; all of it ends with the test that asked for it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from app.journal.events import Edited, Generated
from tests.browser.facts import Fact, facts, teach
from tests.browser.pages import Reviewer
from tests.browser.studio import ROOT, Outside, Studio
from tests.conftest import MakeOnce

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


pictures_only = pytest.mark.skipif(not TAKES_PICTURES, reason="takes README's pictures; set GRACE_STUDIO_SCREENSHOTS=1")
ASSETS = ROOT / "assets"


def take_picture(reviewer: Reviewer, name: str) -> None:
    """For the README, where pictures are asked for."""
    if TAKES_PICTURES:
        ASSETS.mkdir(exist_ok=True)
        reviewer.picture(ASSETS / f"{name}.png")


# Not of the whole session: while Playwright is open, no other test of this process can run an event loop of its own.
@pytest.fixture(scope="module")
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


TaughtJournal = tuple[Path, tuple[Fact, ...], dict[str, str]]
"""A data folder, what was learned in it, and the ids of the edits by their prompts."""


@dataclass(frozen=True)
class Taught:
    """A studio on a journal in which the model has learned some facts. ids: of the edits, by their prompts."""

    studio: Studio
    facts: tuple[Fact, ...]
    ids: dict[str, str]
    queries: int

    @property
    def mistaken(self) -> Fact:
        """One that the model had wrong, and whose edit answers other words too."""
        right = {event.prompt for event in self.studio.journal(Generated) if isinstance(event, Generated) and event.edit_id}
        before = {event.prompt: event.text_before for event in self.studio.journal(Edited) if isinstance(event, Edited)}
        wrong = [fact for fact in self.facts if fact.answer.casefold() not in before[fact.prompt].casefold()]
        return next((fact for fact in wrong if fact.rephrasing in right), wrong[0])


@pytest.fixture(scope="session")
def taught_journal(make_once: MakeOnce, real_model_dir: Path) -> TaughtJournal:
    """Made once, and copied for each module. In pictures there are many facts; otherwise few points, which need no UMAP."""
    learned = facts(48 if TAKES_PICTURES else 6)

    def make(folder: Path) -> None:
        ids = teach(folder / "data", real_model_dir, learned, unrelated=20 if TAKES_PICTURES else 2)
        (folder / "ids.json").write_text(json.dumps(ids), encoding="utf-8")

    folder = make_once("taught-journal", make)
    ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
    return folder / "data", tuple(fact for fact in learned if fact.prompt in ids), ids


@pytest.fixture(scope="module")
def taught_studio(
    tmp_path_factory: pytest.TempPathFactory,
    taught_journal: TaughtJournal,
    outside: Outside,
) -> Iterator[Taught]:
    """A running app on a copy of that journal."""
    folder, learned, ids = taught_journal
    data_dir = tmp_path_factory.mktemp("studio") / "data"
    shutil.copytree(folder, data_dir)
    running = Studio(data_dir, outside, max_new_tokens=12)
    running.start()
    try:
        yield Taught(running, learned, ids, len(list(running.journal(Generated))))
    finally:
        running.stop()


@pytest.fixture
def visitor(browser: Browser, taught_studio: Taught) -> Iterator[Reviewer]:
    """A person with a browser of their own in that studio. At the end: the page has not failed."""
    person = Reviewer(browser, taught_studio.studio.url)
    person.open()
    yield person
    person.close()
    assert person.requests_outside == []
    assert person.errors == []


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
