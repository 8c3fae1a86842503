"""Map and Lab on two hundred real facts, learned as the product learns them: run where a file of zsRE rows is at hand.

    GRACE_STUDIO_TEST_ZSRE=zsre.jsonl pytest tests/browser/test_many_edits.py

Learning takes some minutes. The rows stay outside: they are not this project's to ship.
"""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.journal.events import Calibrated
from grace_core.config import GraceConfig
from tests.browser.conftest import Taught, TaughtJournal
from tests.browser.facts import Fact, teach
from tests.browser.pages import Reviewer
from tests.browser.test_map import apart, selected_everywhere

ROWS = os.environ.get("GRACE_STUDIO_TEST_ZSRE")
EDITS = 200
ASKED = 100
MUCH_LESS = 0.12

pytestmark = [
    pytest.mark.real,
    pytest.mark.browser,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not ROWS, reason="name a file of zsRE rows in GRACE_STUDIO_TEST_ZSRE"),
]


@pytest.fixture(scope="module")
def taught_journal(tmp_path_factory: pytest.TempPathFactory, real_model_dir: Path) -> TaughtJournal:
    """Instead of our few facts: rows of the file, with the default's siblings, calibrations and training."""
    assert ROWS is not None
    rows = [json.loads(line) for line in Path(ROWS).read_text("utf-8").splitlines()[: EDITS + 20]]
    learned = tuple(Fact(row["prompt"], row["target"], row["paraphrases"][0]) for row in rows)
    folder = tmp_path_factory.mktemp("many") / "data"
    ids = teach(folder, real_model_dir, learned, unrelated=20, config=GraceConfig.early())
    return folder, tuple(fact for fact in learned if fact.prompt in ids), ids


def test_click_lasso_search_and_keys_select_among_two_hundred(taught_studio: Taught, visitor: Reviewer) -> None:
    assert len(taught_studio.ids) >= EDITS
    assert any(taught_studio.studio.journal(Calibrated)), "the encoder was calibrated on the way, as in use"
    prompts = {edit_id: prompt for prompt, edit_id in taught_studio.ids.items()}
    visitor.open_map()
    assert sorted(visitor.chosen["all"]) == sorted(prompts)
    places = visitor.places()

    alone = [key for key in places["keys"] if apart(key, [k for k in places["keys"] + places["queries"] if k != key], 16)]
    edit_id, x, y = alone[0]
    visitor.page.mouse.click(x, y)
    selected_everywhere(visitor, edit_id, prompts[edit_id])

    visitor.press("Escape")
    # A lasso right around the middle half of the keys, by their places.
    xs, ys = sorted(x for _, x, _ in places["keys"]), sorted(y for _, _, y in places["keys"])
    left, right, top, bottom = xs[len(xs) // 4], xs[3 * len(xs) // 4], ys[len(ys) // 4], ys[3 * len(ys) // 4]
    visitor.lasso([(left, top), (left, bottom), (right, bottom), (right, top)])
    surely = {k for k, x, y in places["keys"] if left + 2 < x < right - 2 and top + 2 < y < bottom - 2}
    maybe = {k for k, x, y in places["keys"] if left - 2 < x < right + 2 and top - 2 < y < bottom + 2}
    assert len(surely) > 10
    expect(visitor.picked).to_contain_text("keys")
    assert surely <= set(visitor.chosen["bright"]) <= maybe

    visitor.press("Escape Escape")
    order = visitor.chosen["all"]
    wanted = [edit_id for edit_id in order if " born" in prompts[edit_id].casefold()]
    assert 1 < len(wanted) < len(order)
    visitor.search_map(" born")
    expect(visitor.picked).to_contain_text("key")
    assert set(wanted) <= set(visitor.chosen["bright"])  # answers are searched too
    found = [edit_id for edit_id in order if edit_id in visitor.chosen["bright"]]
    visitor.page.keyboard.press("Enter")
    selected_everywhere(visitor, found[0], prompts[found[0]])
    visitor.press("j")
    selected_everywhere(visitor, found[1], prompts[found[1]])
    visitor.press("k")
    selected_everywhere(visitor, found[0], prompts[found[0]])


def test_a_hundred_predicted_answers_are_what_the_model_then_says(taught_studio: Taught, visitor: Reviewer) -> None:
    studio = taught_studio.studio
    asked = [fact.rephrasing for fact in taught_studio.facts[:ASKED]]
    before = {prompt: studio.call("generate", prompt) for prompt in asked}
    visitor.open_lab("whatif")
    visitor.try_epsilon(MUCH_LESS)
    saved = csv.DictReader(io.StringIO(visitor.download("#gs-whatif", "CSV").decode("utf-8-sig")))
    predicted = {row["query"]: row["change"] for row in saved}
    assert set(predicted.values()) == {"lost"}
    assert 5 < len(predicted.keys() & set(asked)) < ASKED, "some change and some stay"

    visitor.page.locator("#gs-whatif-apply").click()
    expect(visitor.page.locator("#gs-whatif-message")).to_contain_text("Applied")
    for prompt in asked:
        now = studio.call("generate", prompt)
        if prompt in predicted:
            assert (before[prompt]["edit_id"] is not None, now["edit_id"]) == (True, None)
        else:
            assert (now["edit_id"], now["text"]) == (before[prompt]["edit_id"], before[prompt]["text"])
