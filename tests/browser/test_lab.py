"""The lab in a real browser, on the real model: what it predicts is what the model then does."""

from __future__ import annotations

import csv
import io
import re

import pytest
from playwright.sync_api import expect

from app.journal.events import EpsilonChanged, EpsilonUndone, EventData, Generated
from tests.browser.conftest import TAKES_PICTURES, Taught, pictures_only, take_picture
from tests.browser.pages import ANSWER_MS, EDIT_MS, Reviewer
from tests.browser.people import OWN_UNRELATED
from tests.browser.studio import Studio

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(1200)]

SMALL = 0.02


@pictures_only
def test_pictures(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_lab("whatif")
    visitor.try_epsilon(0.15)
    visitor.page.locator("#gs-whatif-draw").click()
    expect(visitor.page.locator("#gs-whatif-curves .plot-container")).to_be_visible(timeout=EDIT_MS)
    take_picture(visitor, "lab-whatif")


def test_a_predicted_epsilon_is_what_the_model_then_does(taught_studio: Taught, visitor: Reviewer) -> None:
    studio = taught_studio.studio
    asked = [fact.rephrasing for fact in taught_studio.facts] + [OWN_UNRELATED[0]]
    before = {prompt: studio.call("generate", prompt)["edit_id"] for prompt in asked}
    changes, withdrawn = count(studio, EpsilonChanged), count(studio, EpsilonUndone)
    assert [before[fact.rephrasing] for fact in taught_studio.facts].count(None) < len(taught_studio.facts)

    visitor.open_lab("whatif")
    visitor.try_epsilon(SMALL)
    predicted = dict(visitor.changed_answers())
    assert set(predicted.values()) == {"lost"}
    assert set(predicted) <= {prompt for prompt, edit_id in before.items() if edit_id is not None}
    saved = visitor.download("#gs-whatif", "CSV").decode("utf-8-sig")
    assert {(row["query"], row["change"]) for row in csv.DictReader(io.StringIO(saved))} == set(predicted.items())
    assert count(studio, EpsilonChanged) == changes, "trying changes nothing"

    visitor.page.locator("#gs-whatif-apply").click()
    expect(visitor.page.locator("#gs-whatif-message")).to_contain_text("Applied: ε 0.02 for every edit")
    expected = {prompt: None if prompt in predicted else edit_id for prompt, edit_id in before.items()}
    assert {prompt: studio.call("generate", prompt)["edit_id"] for prompt in asked} == expected
    edited = taught_studio.facts[0]
    assert studio.generate(edited.prompt) == edited.answer, "at distance 0 it is still within any ε"

    history = visitor.page.locator(".gs-eps-history")
    history.get_by_role("button", name="Undo").click()
    expect(history.get_by_role("button", name="Redo")).to_be_visible()
    assert {prompt: studio.call("generate", prompt)["edit_id"] for prompt in asked} == before
    assert count(studio, EpsilonChanged) == changes + 1
    assert count(studio, EpsilonUndone) == withdrawn + 1


def count(studio: Studio, kind: type[EventData]) -> int:
    """How many events of a kind the journal holds: other tests share the studio, so that only what is added tells."""
    return len(list(studio.journal(kind)))


def test_one_key_can_be_tried_alone_and_shown_on_the_map(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_lab("whatif")
    visitor.try_epsilon(SMALL)
    lost = [prompt for prompt, _ in visitor.changed_answers()]
    fact = next(fact for fact in taught_studio.facts if fact.rephrasing in lost)
    visitor.page.locator("#gs-whatif-choice input").click()
    visitor.page.get_by_role("option", name=fact.prompt).click()
    visitor.try_epsilon(SMALL)
    expect(visitor.page.locator(".gs-whatif-sentence")).to_contain_text(f"1 of {len(taught_studio.facts)} keys")
    assert {prompt for prompt, _ in visitor.changed_answers()} == {fact.rephrasing}
    visitor.page.locator(".gs-whatif-table").get_by_role("button", name="Show on the map").first.click()
    expect(visitor.detail.locator(".gs-detail-prompt")).to_have_text(fact.prompt)


def test_the_anatomy_of_an_answer_is_not_logged(taught_studio: Taught, visitor: Reviewer) -> None:
    logged = len(list(taught_studio.studio.journal(Generated)))
    fact = taught_studio.mistaken
    visitor.open_lab("anatomy")
    visitor.page.locator("#gs-anatomy-prompt textarea").fill(fact.prompt)
    visitor.page.locator("#gs-anatomy-go").click()
    view = visitor.page.locator(".gs-anatomy:not([hidden])")
    view.wait_for(timeout=ANSWER_MS)
    expect(view).to_have_attribute("data-matched", "true")
    expect(view.locator(".with p")).to_have_text(fact.answer)
    expect(view.locator(".without p")).not_to_have_text(fact.answer)
    keys = csv.DictReader(io.StringIO(visitor.download("#gs-anatomy-keys", "CSV").decode("utf-8-sig")))
    assert next(keys)["prompt"] == fact.prompt
    take_picture(visitor, "lab-anatomy")
    assert len(list(taught_studio.studio.journal(Generated))) == logged


def test_a_layer_sweep_can_be_stopped_and_run(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_lab("sweep")
    page = visitor.page
    page.locator("#gs-sweep-edits input[type=number]").fill("12" if TAKES_PICTURES else "1")
    page.locator("#gs-sweep-edits input[type=number]").press("Tab")
    page.locator("#gs-sweep-go").click()
    page.locator("#gs-sweep-stop").click()
    expect(page.locator("#gs-sweep-message")).to_contain_text("Stopped", timeout=ANSWER_MS)
    expect(page.locator("#gs-sweep-result")).to_be_hidden()
    page.locator("#gs-sweep-go").click()
    expect(page.locator("#gs-sweep-figure .plot-container")).to_be_visible(timeout=EDIT_MS)
    expect(page.locator("#gs-sweep-go")).to_be_enabled(timeout=EDIT_MS)
    expect(page.locator("#gs-sweep-table tbody tr")).to_have_count(5)
    rows = list(csv.DictReader(io.StringIO(visitor.download("#gs-sweep-figure", "CSV").decode("utf-8-sig"))))
    assert rows
    take_picture(visitor, "lab-sweep")


def test_another_way_of_reading_is_used_as_foreseen_and_left_again(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_lab("calibrate")
    page = visitor.page
    for layer in () if TAKES_PICTURES else ("22", "15"):
        page.locator("#gs-calibrate-layers .token").filter(has_text=layer).locator(".token-remove").click()
    page.locator("#gs-calibrate-go").click()
    expect(page.locator("#gs-calibrate-distances .plot-container")).to_be_visible(timeout=EDIT_MS)
    expect(page.locator("#gs-calibrate-go")).to_be_enabled(timeout=EDIT_MS)
    take_picture(visitor, "lab-calibrate")
    assert page.locator("[clip-path^='url(#']").count() > 0
    assert page.locator("[clip-path*='//']").count() == 0, "an address changes with the tab, and what it clips would vanish"
    assert page.locator("#gs-calibrate-use").is_disabled(), "not before it is seen what would change"

    page.locator("#gs-calibrate-choice input").click()
    page.get_by_role("option", name="layer 8, mean, whitened").click()
    expect(page.locator("#gs-calibrate-use-note")).to_contain_text("layer 8, mean, whitened")
    page.locator("#gs-calibrate-preview").click()
    expect(page.locator("#gs-calibrate-use-message")).to_contain_text("logged queries would be", timeout=ANSWER_MS)
    foreseen = page.locator("#gs-calibrate-changed tbody tr").count()
    page.locator("#gs-calibrate-use").click()
    expect(page.locator("#gs-calibrate-use-message")).to_contain_text("Queries are now read at layer 8", timeout=ANSWER_MS)
    expect(page.locator("#gs-calibrate-use-message")).to_contain_text(f"{foreseen} of ")
    fact = taught_studio.facts[0]
    assert taught_studio.studio.generate(fact.prompt) == fact.answer

    page.get_by_role("button", name="Go back to layer 1, weighted mean, whitened").click()
    expect(page.locator("#gs-readings-message")).to_contain_text("again", timeout=ANSWER_MS)
    assert taught_studio.studio.generate(fact.prompt) == fact.answer


def test_the_open_part_stands_in_the_address_and_outlasts_a_reload(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_lab("anatomy")
    expect(visitor.page).to_have_url(re.compile(r"\?(?=.*tab=lab)(?=.*lab=anatomy)"))
    visitor.page.reload()
    expect(visitor.page.locator("#gs-anatomy-prompt textarea")).to_be_visible(timeout=ANSWER_MS)
    visitor.tab("edits")
    expect(visitor.page).to_have_url(re.compile("tab=edits"))
