"""What if ε?: what is tried, searched and applied, on a tiny model that was taught a few sentences."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from app.studio.studio import OpenStudio
from app.ui.lab.what_if import OFFERED, WhatIfPage, key_choices, query_choices
from app.ui.session import PageContext, Session
from grace_core.measuring.distances import Choice
from grace_core.measuring.what_if import turn_of
from tests.app.studios import OTHER, PROMPT, edited
from tests.app.ui.lab.updates import last
from tests.grace_core.builders import line_codebook, made_edit


def test_an_epsilon_that_was_tried_in_another_unit_is_dropped(own_context: PageContext, own_studio: OpenStudio) -> None:
    page = WhatIfPage(own_context)
    tried = page.on_try("", 0.2, None)[page.tried]
    assert tried == (0.2, "")
    own_studio.use_query_space(Choice(1, "mean", "raw"), 1.0).result(60)
    refused = page.on_apply("", tried, None, "Ada")
    assert "another unit" in refused[page.message]["text"]
    assert page.on_revision("", tried, None)[page.tried] is None


def test_an_epsilon_beyond_the_sliders_end_is_tried_and_an_impossible_one_refused(own_context: PageContext) -> None:
    page = WhatIfPage(own_context)
    end = page.on_choice("", None)[page.slider]["maximum"]
    typed = page.on_type("", end + 0.5, None)
    assert typed[page.tried] == (end + 0.5, "")
    assert typed[page.slider]["maximum"] == typed[page.slider]["value"] == end + 0.5
    assert page.number not in typed  # what is being typed is left alone
    refused = page.on_type("", 1e9, None)
    assert "never exceeds" in refused[page.message]["text"]
    assert refused[page.tried] is None
    assert page.slider not in refused


def test_curves_drawn_after_another_changed_the_unit_show_no_epsilon_of_the_old_one(
    own_context: PageContext, own_studio: OpenStudio
) -> None:
    edited(own_studio, PROMPT, paraphrases=["Tell me about Ada Lovelace."])
    page = WhatIfPage(own_context)

    def annotations() -> list[str]:
        probes = last(page.on_draw(Session()))[page.yardstick]
        figure = page.on_read("", (0.2, ""), probes)
        return [mark["text"] for mark in json.loads(figure)["figure"]["layout"]["annotations"]]

    assert "tried 0.20" in annotations()
    own_studio.use_query_space(Choice(1, "mean", "raw"), 1.0).result(60)
    assert "tried 0.20" not in annotations()


def test_keys_are_searched_not_listed(own_studio: OpenStudio) -> None:
    made = [made_edit(f"e{i}", [i], f"target {i % 3}") for i in range(OFFERED + 20)]
    view = replace(own_studio.moment(), codebook=line_codebook(*made))
    names = key_choices(view, "e1")
    assert (len(names), names[0][1]) == (OFFERED + 2, "")
    assert names[1] == ("prompt of e1 → target 1", "e1")  # the one that is chosen, however old
    assert [edit_id for _, edit_id in key_choices(view, "", "E7 prompt")] == ["", "e7"]
    assert [edit_id for _, edit_id in key_choices(view, "", "no such")] == [""]
    assert [name for name, _ in query_choices(own_studio.moment(), "PARIS")] == [OTHER]


def test_a_search_outlasts_what_others_write(own_context: PageContext, own_studio: OpenStudio) -> None:
    page, ((_, query_id), *_) = WhatIfPage(own_context), query_choices(own_studio.moment(), "Ada")
    redrawn = page.on_revision("", None, None)  # it was asked for before something was typed
    assert "choices" not in redrawn[page.choice]
    assert page.query not in redrawn
    keys, queries = page.on_offer("no such key", "", "paris", query_id)
    assert [edit_id for _, edit_id in keys["choices"]] == [""]
    assert [name for name, _ in queries["choices"]] == [PROMPT, OTHER]  # the chosen one, and what is found


def test_which_epsilon_would_have_answered_otherwise_is_tried_at_once(own_context: PageContext, own_studio: OpenStudio) -> None:
    edited(own_studio, PROMPT, paraphrases=["Tell me about Ada Lovelace."])
    page = WhatIfPage(own_context)
    own_studio.generate("Who was Ada Lovelace, then?").result(60)
    (other, query_id), *_ = query_choices(own_studio.moment())
    turn = turn_of(own_studio.moment(), query_id)
    assert turn is not None
    shown = page.on_query(query_id, None)
    assert f"“{other}” is {turn.distance:.3f} from its nearest key" in shown[page.turn]["text"]
    if turn.other is not None:
        assert shown[page.tried] == (turn.other, "")
        assert shown[page.slider]["value"] == pytest.approx(turn.other, abs=1e-4)
        assert other in [row["prompt"] for row in shown[page.result]["rows"]]
        assert shown[page.apply]["interactive"]
    own = next(query_id for name, query_id in query_choices(own_studio.moment()) if name == PROMPT)
    kept = page.on_query(own, None)
    assert "undo the edit instead" in kept[page.turn]["text"]
    assert kept[page.choice]["value"] == own_studio.moment().codebook.entries[0].edit_id, "the key that is told of is chosen"
    assert kept[page.tried] is None
    assert set(page.on_query(None, None)) == {page.turn}
