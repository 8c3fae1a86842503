"""The Lab's parts, driven as a page drives them, on a tiny model that was taught a few sentences."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.studio.studio import OpenStudio
from app.ui.components.message import message_value
from app.ui.lab.anatomy import AnatomyPart
from app.ui.lab.calibrate import CalibratePart
from app.ui.lab.page import build_lab
from app.ui.lab.recalibrate import RAW, RecalibratePart
from app.ui.lab.sweep import SweepPart
from app.ui.lab.what_if import OFFERED, WhatIfPage, key_choices, query_choices
from app.ui.session import BUSY, PageContext, Session
from grace_core.measuring.distances import KINDS, Choice, Separation
from grace_core.measuring.query_scan import Scan
from grace_core.measuring.what_if import turn_of
from grace_core.models.language_model import LanguageModel
from tests.app.studios import HOPELESS, OTHER, PROMPT, Journal, edited
from tests.app.ui.browser import Browser
from tests.app.ui.browser import context as context_of
from tests.grace_core.builders import assert_same, line_codebook, made_edit

MEASURED: dict[str, Any] = {
    "layers": [1, 2], "pools": ["mean", "last"], "encodings": ["whiten", "raw"], "edits": 5, "unrelated": 20, "own": (),
    "measure": "recall1", "kinds": list(KINDS),
    "chosen": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def studio(taught: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStudio]:
    """One edit with a phrasing of its own, one without, and their logged queries."""
    journal = Journal(taught, tmp_path_factory.mktemp("lab"))
    studio = journal.open()
    edited(studio, PROMPT, paraphrases=["Tell me about Ada Lovelace."])
    edited(studio, OTHER)
    yield studio
    journal.close()


@pytest.fixture
def context(studio: OpenStudio) -> Iterator[PageContext]:
    with gr.Blocks():
        session, selected, picked, revision = (gr.State() for _ in range(4))
        yield PageContext(studio, session, gr.Textbox(), selected, picked, revision, gr.Tabs(), gr.State(-1))


def last(updates: AsyncIterator[dict[Any, Any]], stop: Session | None = None) -> dict[Any, Any]:
    """All updates of one event as the page has them in the end. stop: the session whose job is stopped once it is seen."""

    async def seen() -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        async for update in updates:
            out |= update
            if stop is not None:
                stop.cancel()
        return out

    return asyncio.run(seen())


def test_an_answer_is_taken_apart_and_not_logged(context: PageContext, studio: OpenStudio) -> None:
    part, session, before = AnatomyPart(context), Session(), studio.revision()
    end = last(part.on_go(PROMPT, session))
    assert end[part.view]["matched"]
    assert (end[part.view]["with_cut"], end[part.view]["without_cut"]) == (False, False)
    assert json.loads(end[part.keys])["figure"]["data"]
    assert end[part.go]["interactive"]
    assert (studio.revision(), session.job) == (before, None)
    assert PROMPT in part.offered()["choices"]


def test_an_empty_prompt_is_refused_in_words(context: PageContext) -> None:
    part = AnatomyPart(context)
    end = last(part.on_go("  ", Session()))
    assert end[part.message]["tone"] == "error"
    assert end[part.go]["interactive"]


def test_a_page_runs_one_thing_at_a_time(context: PageContext, studio: OpenStudio) -> None:
    session = Session(busy=True)
    for part, updates in (
        (one := AnatomyPart(context), one.on_go(PROMPT, session)),
        (two := CalibratePart(context), two.on_measure(**MEASURED, session=session)),
        (three := SweepPart(context), three.on_sweep([3], 1, 20, session)),
    ):
        assert last(updates)[part.message]["text"] == BUSY


def test_a_calibration_is_kept_and_explored(context: PageContext, studio: OpenStudio) -> None:
    part, before = CalibratePart(context), studio.revision()
    end = last(part.on_measure(**MEASURED, session=Session()))
    assert not end[part.message]["text"]
    heat = json.loads(end[part.heat])
    assert len(heat["table"]["rows"]) == 8
    said = end[part.summary]["text"]
    assert said.startswith("Best: ")
    assert "2 keys, 3 paraphrases (1 given with their edits; 2 made here" in said
    # Another browser, which has seen nothing yet; one that has is left alone.
    assert part.on_revision(0, "auc", ["unrelated"], None)[part.result]["visible"]
    assert set(part.on_revision(part.kept.number, "auc", list(KINDS), None)) == {part.shown, part.summary}
    wanted = "2-last-raw"
    seen = part.on_view("recall0", list(KINDS), wanted)
    assert seen[part.choice]["value"] == wanted
    assert "distance='euclidean'" in part.use.on_epsilon(wanted, 1.0)[part.use.command]["value"]
    shown = last(part.use.on_preview(wanted, 1e-6, Session()))
    assert "would be answered otherwise" in shown[part.use.message]["text"]
    assert last(part.use.on_preview("no such", 1.0, Session()))[part.use.message]["tone"] == "error"
    assert studio.revision() == before


def test_a_file_that_two_browsers_sent_is_read_for_both(context: PageContext, tmp_path: Path) -> None:
    sent = tmp_path / "prompts.csv"  # one file: Gradio names what is sent by its content
    sent.write_text("prompt\nWho?\n")
    one, two = CalibratePart(context), CalibratePart(context)
    assert one.on_file(str(sent))[one.own] == two.on_file(str(sent))[two.own] == ("Who?",)


@pytest.fixture
def own_studio(taught: LanguageModel, tmp_path: Path) -> Iterator[OpenStudio]:
    """A journal that a test may change: one edit, its own question and another one."""
    journal = Journal(taught, tmp_path)
    studio = journal.open()
    edited(studio, PROMPT)
    studio.generate(OTHER).result(60)
    yield studio
    journal.close()


@pytest.fixture
def own_context(own_studio: OpenStudio) -> Iterator[PageContext]:
    with gr.Blocks():
        session, selected, picked, revision = (gr.State() for _ in range(4))
        yield PageContext(own_studio, session, gr.Textbox(), selected, picked, revision, gr.Tabs(), gr.State(-1))


def test_a_choice_is_put_in_force_only_as_it_was_previewed_and_is_taken_back(
    own_context: PageContext, own_studio: OpenStudio
) -> None:
    part = CalibratePart(own_context)
    last(part.on_measure(**MEASURED, session=Session()))
    use, session, wanted = part.use, Session(), "2-mean-whiten"
    shown = part.on_view("recall1", list(KINDS), wanted)
    assert "you can go back exactly" in shown[use.note]["text"]
    assert not shown[use.epsilon] or not use.fresh()[use.use]["interactive"]
    refused = last(use.on_use(wanted, 0.3, None, "Ada", session))
    assert refused[use.message]["text"].startswith("Show what would change first")
    seen = last(use.on_preview(wanted, 0.3, session))
    assert seen[use.use]["interactive"]
    assert "of 2 logged queries would be answered otherwise" in seen[use.message]["text"]
    for other in ((wanted, 0.4), ("1-mean-raw", 0.3)):
        assert last(use.on_use(*other, seen[use.seen], "Ada", session))[use.message]["tone"] == "error"
    assert not use.on_epsilon(wanted, 0.4)[use.use]["interactive"]
    assert own_studio.query_space_id == ""

    before = own_studio.codebook
    done = last(use.on_use(wanted, 0.3, seen[use.seen], "Ada", session))
    assert done[use.message]["text"].startswith("Queries are now read at layer 2")
    assert done[use.changed] == seen[use.changed]
    assert (done[use.seen], done[use.use]["interactive"], session.job) == (None, False, None)
    assert done[own_context.revision] == own_studio.revision()
    assert own_studio.status().key_layer == 2
    rows = done[use.readings]["rows"]
    assert [(row["in_force"], row["author"]) for row in rows] == [(True, "Ada"), (False, "")]
    assert last(use.on_preview(wanted, 0.3, session))[use.message]["tone"] == "error"

    back = last(use.on_back(wanted, "Bo", session, gr.EventData(None, {"reading_id": rows[1]["id"]})))
    assert "again, with the keys and radii of then" in back[use.back_message]["text"]
    assert [row["in_force"] for row in back[use.readings]["rows"]] == [False, True]
    assert_same(own_studio.codebook, before)
    again = last(use.on_back(wanted, "Bo", session, gr.EventData(None, {"reading_id": ""})))
    assert "nothing to go back to" in again[use.back_message]["text"]
    assert again[use.readings]["drawing"] > back[use.readings]["drawing"]


def test_a_choice_that_is_in_use_has_nothing_to_show(own_context: PageContext, own_studio: OpenStudio) -> None:
    part, session = CalibratePart(own_context), Session()
    last(part.on_measure(**(MEASURED | {"pools": ["weighted", "last"]}), session=session))
    use, present, other = part.use, "1-weighted-whiten", "2-last-raw"
    seen = part.on_view("auc", list(KINDS), present)
    assert not seen[use.preview]["interactive"]
    assert "so there is no change to show" in seen[use.note]["text"]
    assert part.on_view("auc", list(KINDS), other)[use.preview]["interactive"]
    done = last(use.on_use(other, 0.3, last(use.on_preview(other, 0.3, session))[use.seen], "Ada", session))
    assert not done[use.preview]["interactive"]  # it is in use now
    assert not use.on_revision(other, session)[use.preview]["interactive"]
    assert use.on_revision(present, session)[use.preview]["interactive"]
    rows = done[use.readings]["rows"]
    back = last(use.on_back(other, "Ada", session, gr.EventData(None, {"reading_id": rows[1]["id"]})))
    assert back[use.preview]["interactive"]
    stopped = part.on_measure(**(MEASURED | {"chosen": present}), session=session)
    assert not last(stopped, stop=session)[use.preview]["interactive"]


def test_a_result_that_cannot_be_kept_is_shown_and_told(
    context: PageContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab").write_text("not a folder")
    for name in ("lab.calibrate", "lab.sweep"):
        monkeypatch.setattr(f"app.ui.{name}.result_file", lambda status, kind: tmp_path / "lab" / f"{kind}.json")
    calibrate, sweep = CalibratePart(context), SweepPart(context)
    one = last(calibrate.on_measure(**(MEASURED | {"layers": [1], "pools": ["mean"]}), session=Session()))
    two = last(sweep.on_sweep([3], 1, 20, Session()))
    for part, end in ((calibrate, one), (sweep, two)):
        assert "could not be kept" in end[part.message]["text"]
        assert end[part.result]["visible"]


def test_where_no_paraphrase_is_reached_no_epsilon_is_suggested(own_context: PageContext) -> None:
    part, choice = CalibratePart(own_context), Choice(2, "last", "raw")
    cell = Separation(choice, (0.5,), (True,), {"unrelated": (0.4, 0.9), "siblings": (), "edits": ()})
    part.kept.keep(Scan((2,), ("last",), ("raw",), 1, 1, 0, {"unrelated": 2}, 9, 1.0, (cell,)))
    seen = part.on_view("recall0", list(KINDS), None)
    assert seen[part.use.epsilon] is None
    assert seen[part.use.command]["value"] == ""
    assert "none is suggested" in json.loads(seen[part.histogram])["note"]
    assert part.on_view("recall0", [], None)[part.use.epsilon] is None
    assert "none is suggested" not in json.loads(part.on_view("recall0", [], None)[part.histogram])["note"]


def test_values_that_would_have_to_move_are_refused_with_the_command(own_context: PageContext, own_studio: OpenStudio) -> None:
    part, top = CalibratePart(own_context), own_studio.query_space().blocks
    last(part.on_measure(**(MEASURED | {"layers": [top]}), session=Session()))
    wanted = f"{top}-mean-whiten"
    assert "is above the layer where values are put in" in part.on_view("auc", list(KINDS), wanted)[part.use.note]["text"]
    shown = last(part.use.on_preview(wanted, 0.3, Session()))
    assert "would have to be learned anew" in shown[part.use.message]["text"]
    assert part.use.use not in shown or not shown[part.use.use]["interactive"]
    assert f"value_layer={top}" in part.use.on_epsilon(wanted, 0.3)[part.use.command]["value"]


def test_recalibrating_is_shown_first_and_not_offered_for_raw_queries(own_context: PageContext, own_studio: OpenStudio) -> None:
    part, session = RecalibratePart(own_context), Session()
    assert last(part.on_go(None, "Ada", session))[part.message]["tone"] == "error"
    own_studio.generate("Who is <b>bold</b>?").result(60)
    seen = part.on_look()
    assert seen[part.message]["text"].startswith("0 edited prompts and 1 logged prompt would join")
    assert seen[part.go]["interactive"]
    done = last(part.on_go(seen[part.seen], "Ada", session))
    assert done[part.message]["text"].startswith("Recalibrated.")
    assert (own_studio.codebook.encoder.version, done[part.seen]) == (2, None)
    nothing = part.on_look()
    assert "nothing to join" in nothing[part.message]["text"]
    assert not nothing[part.go]["interactive"]
    own_studio.use_query_space(Choice(1, "mean", "raw"), 1.0).result(60)
    raw = part.on_revision()
    assert raw[part.note]["text"] == RAW
    assert not raw[part.look]["interactive"]


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


def test_what_is_in_use_is_said_anew_when_it_changes(own_context: PageContext, own_studio: OpenStudio) -> None:
    edited(own_studio, PROMPT)
    part = CalibratePart(own_context)
    before = last(part.on_measure(**MEASURED, session=Session()))[part.summary]
    for layer in (1, 2):
        own_studio.use_query_space(Choice(layer, "last", "raw"), 1.0).result(60)
        said = part.on_revision(part.kept.number, "recall1", list(KINDS), "1-mean-raw")
        assert said[part.summary] == part.on_view("recall1", list(KINDS), None)[part.summary] != before
        ways = (f"In use now: layer {layer}, last", f"The one in use is among them: layer {layer}, last", "codebook uses")
        assert sum(words in said[part.summary]["text"] for words in ways) == 1
        assert part.heat not in said


def test_the_sweep_offers_the_layers_at_or_above_the_present_key_layer(own_context: PageContext, own_studio: OpenStudio) -> None:
    part = SweepPart(own_context)
    assert part.on_reading([1, 3])["value"] == [1, 3]
    own_studio.use_query_space(Choice(2, "mean", "raw"), 1.0).result(60)
    offered = part.on_reading([1, 3])
    assert (offered["choices"], offered["value"]) == (list(range(2, own_studio.query_space().blocks + 1)), [3])
    assert min(part.on_reading([1])["value"]) >= 2


def test_own_prompts_are_checked_when_they_are_given(context: PageContext, tmp_path: Path) -> None:
    part = CalibratePart(context)
    file = tmp_path / "own.csv"
    file.write_text("prompt\nWho?\n")
    assert part.on_file(str(file))[part.own] == ("Who?",)
    file.write_text("text\nWho?\n")
    refused = part.on_file(str(file))
    assert refused[part.file_note]["tone"] == "error"
    assert part.own not in refused


def test_a_stopped_measurement_leaves_the_last_result(context: PageContext) -> None:
    part, session = CalibratePart(context), Session()
    out = last(part.on_measure(**MEASURED, session=session), stop=session)
    assert out[part.message] == message_value("Stopped; nothing was measured.", "note")
    assert part.kept.value is None
    assert out[part.go]["interactive"]
    last(part.on_measure(**MEASURED, session=session))
    out = last(part.on_measure(**MEASURED, session=session), stop=session)
    assert out[part.message] == message_value("Stopped; the last finished result stays.", "note")
    assert part.kept.value is not None


def test_what_waits_in_the_queue_tells_its_place_and_can_be_stopped(own_context: PageContext, own_studio: OpenStudio) -> None:
    part, session = SweepPart(own_context), Session()
    holding = own_studio.edit(PROMPT, HOPELESS)

    async def seen() -> list[dict[Any, Any]]:
        shown = []
        async for update in part.on_sweep([3], 1, 20, session):
            shown.append(update)
            if "ahead of yours" in update.get(part.progress, {}).get("stage", ""):
                session.cancel()
        return shown

    shown = asyncio.run(seen())
    assert not holding.cancelled  # it still runs, and did not have to end for the other to stop
    assert any("1 request is ahead of yours" in update.get(part.progress, {}).get("stage", "") for update in shown)
    assert shown[-1][part.message]["text"] == "Stopped; nothing was measured."
    assert (session.job, session.busy) == (None, False)
    holding.cancel()


def test_a_part_is_drawn_when_it_is_open_and_no_other(own_studio: OpenStudio) -> None:
    with gr.Blocks() as app:
        shell = context_of(own_studio)
        page = build_lab(shell)
        gr.on([app.load], page.on_load, None, [page.tabs, page.part])
        write = gr.Button()
        write.click(own_studio.revision, None, shell.redraw)
    browser = Browser(app, query={"lab": "anatomy"})
    browser.fire(write, "click")
    drawn = {name: browser.value(redraw) for name, redraw in page.redraws.items()}
    assert drawn == {"whatif": own_studio.revision(), "calibrate": -1, "sweep": -1, "anatomy": -1}
    browser.fire(app, "load")
    assert browser.props(page.tabs)["selected"] == "anatomy"
    assert browser.value(page.redraws["anatomy"]) == own_studio.revision()
    assert browser.value(page.redraws["sweep"]) == -1
    stranger = Browser(app, "stranger", query={"lab": "<b>"})
    stranger.fire(app, "load")
    assert stranger.value(page.part) == "whatif"


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
    assert "undo the edit instead" in page.on_query(own, None)[page.turn]["text"]
    assert set(page.on_query(None, None)) == {page.turn}


def test_a_sweep(context: PageContext, studio: OpenStudio) -> None:
    part, before = SweepPart(context), studio.revision()
    end = last(part.on_sweep([2, 3], 2, 30, Session()))
    assert [row[0] for row in end[part.table]["rows"]] == [2, 3]
    assert part.on_revision(0)[part.result]["visible"]
    assert part.on_revision(part.kept.number) == {part.shown: part.kept.number}
    refused = last(part.on_sweep([], 2, 30, Session()))
    assert "No layer" in refused[part.message]["text"]
    assert studio.revision() == before
