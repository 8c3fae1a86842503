"""Lab › Calibrate › Your own questions, driven as a page drives it, on a tiny model."""

from __future__ import annotations

import json

import gradio as gr

from app.studio.studio import OpenStudio
from app.ui.lab.fit import FitPart
from app.ui.session import PageContext, Session
from grace_core.measuring.epsilon_fit import EpsilonFit
from tests.app.studios import OTHER, PROMPT
from tests.app.ui.lab.updates import last


def edit_of(studio: OpenStudio, prompt: str = PROMPT) -> str:
    return next(row.edit_id for row in studio.edits().rows if row.prompt == prompt)


def test_what_people_tried_is_known_already(context: PageContext, studio: OpenStudio) -> None:
    part = FitPart(context)
    asked = studio.generate(PROMPT.lower()).result(60)
    assert part.on_edit(edit_of(studio)) == ("Tell me about Ada Lovelace.", ""), "what nobody judged is in neither list"
    mark = studio.mark(asked.query_id, 0, len(asked.text), "wrong")
    expected = PROMPT.lower() if asked.edit_id == edit_of(studio) else ""
    assert part.on_edit(edit_of(studio)) == ("Tell me about Ada Lovelace.", expected)
    studio.unmark(mark.mark_id)
    assert part.on_edit(None) == ("", "")
    assert {edit_id for _, edit_id in part.on_search("ada", None)["choices"]} == {edit_of(studio)}


def test_the_best_epsilon_is_set_as_one_change_that_can_be_undone(own_context: PageContext, own_studio: OpenStudio) -> None:
    part, before = FitPart(own_context), own_studio.revision()
    asked = f"{PROMPT}\n\n  Who was  Ada?\n"
    end = last(part.on_go(edit_of(own_studio), asked, OTHER, Session()))
    fit: EpsilonFit = end[part.found]
    assert [one.prompt for one in fit.judged] == [PROMPT, "Who was  Ada?", OTHER]
    assert end[part.result]["visible"]
    assert json.loads(end[part.figure])["figure"]["data"]
    assert len(end[part.table]["rows"]) == 3
    assert own_studio.revision() == before, "comparing changes nothing"
    assert own_studio.epsilon_changes() == ()
    assert end[part.set]["interactive"] == (fit.suggested != fit.asked)
    done = part.on_set(fit, "Mira")
    assert done[part.message]["tone"] == "good"
    (change,) = own_studio.epsilon_changes()
    assert (change.epsilon, change.edit_id, change.author) == (fit.suggested, fit.edit_id, "Mira")


def test_refusals_in_words(context: PageContext, studio: OpenStudio) -> None:
    part = FitPart(context)
    told = {
        "Choose an edit first.": part.on_go(None, PROMPT, "", Session()),
        "Both lists are empty": part.on_go(edit_of(studio), " \n", "", Session()),
        "stands in both lists": part.on_go(edit_of(studio), PROMPT, PROMPT, Session()),
    }
    for words, updates in told.items():
        assert words in last(updates)[part.message]["text"]
    assert part.on_set(None, "") == {part.message: gr.skip()}
