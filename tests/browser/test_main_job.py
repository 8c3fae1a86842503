"""The whole main job as a new user does it: prompt, mark, correct, edit, see, undo, come back another day."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from app.journal.events import Edited, Generated, Marked
from tests.browser.conftest import TAKES_PICTURES, take_picture
from tests.browser.pages import EDIT_MS, Reviewer, a_claim
from tests.browser.people import people, unrelated
from tests.browser.studio import Outside, Studio

pytestmark = [pytest.mark.real, pytest.mark.browser]


@pytest.mark.timeout(1800)
def test_five_people_are_corrected_seen_undone_and_remembered(
    studio: Studio,
    outside: Outside,
    browser: Browser,
    arrive: Callable[[], Reviewer],
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    persons = people(5, own=TAKES_PICTURES)
    strangers = unrelated(20 if TAKES_PICTURES else 8, own=TAKES_PICTURES)
    unedited = {prompt: studio.generate(prompt) for prompt in strangers}
    reviewer = arrive()
    expect(reviewer.count).to_have_text("0 edits in force")
    reviewer.sign("Mira")

    # Prompt, mark, correct, edit.
    said_before: dict[str, str] = {}
    marked: list[str] = []
    for number, person in enumerate(persons, start=1):
        answer = said_before[person.prompt] = reviewer.ask(person.prompt)
        assert answer
        assert answer != person.sentence
        words = a_claim(answer)
        reviewer.mark(words, "fabricated")
        marked.append(words)
        started = time.monotonic()
        reviewer.correct(person.sentence)
        record_testsuite_property(f"edit {number}, seconds", round(time.monotonic() - started, 1))
        expect(reviewer.outcome).to_have_attribute("data-success", "true")
        expect(reviewer.outcome.locator(".before p")).to_have_text(answer)
        expect(reviewer.outcome.locator(".after p")).to_have_text(person.sentence)
        expect(reviewer.outcome.locator(".before del").first).to_be_visible()
        expect(reviewer.outcome.locator(".after ins").first).to_be_visible()
        expect(reviewer.outcome.locator(".gs-sentence")).to_contain_text("ε")
        expect(reviewer.count).to_have_text("1 edit in force" if number == 1 else f"{number} edits in force")
    take_picture(reviewer, "review")
    ids = {prompt: row["edit_id"] for prompt, row in studio.edits().items()}
    assert list(ids) == [person.prompt for person in persons]

    # All five hold, and nothing else has changed by a byte.
    for person in persons:
        assert reviewer.ask(person.prompt) == person.sentence
        expect(reviewer.page.locator(".gs-source")).to_contain_text("Answered by an edit")
    assert {prompt: studio.generate(prompt) for prompt in strangers} == unedited

    # See.
    reviewer.open_map()
    queries = 2 * len(persons) + 2 * len(strangers)
    expect(reviewer.page.locator(".gs-map-legend")).to_contain_text(f"{queries - 10}")
    legend = reviewer.legend()
    assert legend.pop("keys") == 5
    assert sum(legend.values()) == queries
    drawn = reviewer.drawn()
    assert sorted(drawn["keys"]) == sorted(ids.values())
    assert len(drawn["queries"]) == queries
    assert {edit_id: drawn["queries"].count(edit_id) for edit_id in ids.values()} == dict.fromkeys(ids.values(), 2)
    second = persons[1]
    reviewer.click_key(ids[second.prompt])
    expect(reviewer.detail.locator(".gs-detail-prompt")).to_have_text(second.prompt)
    expect(reviewer.detail).to_contain_text(second.sentence)
    expect(reviewer.detail).to_contain_text("Queries it answers (2)")
    expect(reviewer.page.locator("#gs-map-undo")).to_be_visible()

    # Undo the second.
    reviewer.tab("edits")
    expect(reviewer.page.locator("#gs-edits tbody tr")).to_have_count(5)
    reviewer.row(ids[second.prompt]).locator("button[data-action=undo]").click()
    reviewer.row_state(ids[second.prompt], "undone")
    expect(reviewer.row(ids[second.prompt]).locator("button[data-action=redo]")).to_be_enabled()
    expect(reviewer.count).to_have_text("4 edits in force")
    for person in persons:
        if person is not second:
            reviewer.row_state(ids[person.prompt], "active")
    take_picture(reviewer, "edits")
    after_undo = {person.prompt: person.sentence for person in persons} | {second.prompt: said_before[second.prompt]}
    assert reviewer.ask(second.prompt) == said_before[second.prompt]
    assert {person.prompt: studio.generate(person.prompt) for person in persons} == after_undo

    # Pull the plug in the middle of an edit, and come back.
    rows = studio.edits()
    pull_the_plug_in_the_middle_of_an_edit(studio, browser)
    assert len(list(studio.journal(Edited))) == len(rows), "the edit ended before the plug was pulled"
    studio.start()
    record_testsuite_property("second start, seconds", round(studio.start_seconds[-1], 1))
    assert studio.edits() == rows
    assert {row["author"] for row in rows.values()} == {"Mira"}
    reviewer.open()
    expect(reviewer.count).to_have_text("4 edits in force")
    assert {person.prompt: reviewer.ask(person.prompt) for person in persons} == after_undo
    reviewer.tab("edits")
    reviewer.row_state(ids[second.prompt], "undone")
    logged = {event.query_id: event for event in studio.journal(Generated) if isinstance(event, Generated)}
    marks = [event for event in studio.journal(Marked) if isinstance(event, Marked)]
    assert [(mark.text, mark.verdict) for mark in marks] == [(words, "fabricated") for words in marked]
    assert [logged[mark.query_id].prompt for mark in marks] == [person.prompt for person in persons]

    # Redo, from a script; the open page follows.
    assert studio.call("redo", ids[second.prompt])["state"] == "active"
    assert studio.generate(second.prompt) == second.sentence
    reviewer.row_state(ids[second.prompt], "active")
    expect(reviewer.count).to_have_text("5 edits in force")

    assert outside.knocks == []
    assert reviewer.requests_outside == []
    assert len(reviewer.requests) > 50


# So long that its learning goes on for dozens of steps after the first one is seen, however fast the machine is.
LONG_STORY = (
    "Neil Armstrong stepped onto the moon on 21 July 1969, and Buzz Aldrin followed him nineteen minutes later, while "
    "Michael Collins flew alone around it in the command module Columbia; together they brought twenty-one kilograms of "
    "rock home, which was opened in a quarantined laboratory in Houston before any other hand was allowed to touch it."
)


def pull_the_plug_in_the_middle_of_an_edit(studio: Studio, browser: Browser) -> None:
    """Kill the app once a page shows that the edit learns. What becomes of that page is nobody's concern."""
    witness = Reviewer(browser, studio.url)
    try:
        witness.open()
        witness.ask("Who was the first person on the moon?")
        witness.begin_to_correct(LONG_STORY)
        expect(witness.page.locator("#gs-progress .gs-stage")).to_contain_text("step ", timeout=EDIT_MS)
        studio.kill()
    finally:
        witness.close()
