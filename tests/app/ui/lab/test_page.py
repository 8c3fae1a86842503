"""The Lab's parts, driven as a page drives them, on a tiny model that was taught a few sentences."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.studio.studio import OpenStudio
from app.ui.lab.anatomy import AnatomyPart
from app.ui.lab.calibrate import CalibratePart
from app.ui.lab.page import build_lab
from app.ui.lab.sweep import SweepPart
from app.ui.session import BUSY, PageContext, Session
from grace_core.measuring.distances import Choice
from tests.app.studios import HOPELESS, PROMPT
from tests.app.ui.browser import Browser
from tests.app.ui.browser import context as context_of
from tests.app.ui.lab.updates import MEASURED, last


def test_an_answer_is_taken_apart_and_not_logged(context: PageContext, studio: OpenStudio) -> None:
    part, session, before = AnatomyPart(context), Session(), studio.revision()
    end = last(part.on_go(PROMPT, session))
    assert end[part.view]["matched"]
    assert (end[part.view]["with_cut"], end[part.view]["without_cut"]) == (False, False)
    assert end[part.words]["keys"][0]["lines"][0]["pieces"]
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


def test_the_sweep_offers_the_layers_at_or_above_the_present_key_layer(own_context: PageContext, own_studio: OpenStudio) -> None:
    part = SweepPart(own_context)
    assert part.on_reading([1, 3])["value"] == [1, 3]
    own_studio.use_query_space(Choice(2, "mean", "raw"), 1.0).result(60)
    offered = part.on_reading([1, 3])
    assert (offered["choices"], offered["value"]) == (list(range(2, own_studio.query_space().blocks + 1)), [3])
    assert min(part.on_reading([1])["value"]) >= 2


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


def test_a_sweep(context: PageContext, studio: OpenStudio) -> None:
    part, before = SweepPart(context), studio.revision()
    end = last(part.on_sweep([2, 3], 2, 30, Session()))
    assert [row[0] for row in end[part.table]["rows"]] == [2, 3]
    assert part.on_revision(0)[part.result]["visible"]
    assert part.on_revision(part.kept.number) == {part.shown: part.kept.number}
    refused = last(part.on_sweep([], 2, 30, Session()))
    assert "No layer" in refused[part.message]["text"]
    assert studio.revision() == before
