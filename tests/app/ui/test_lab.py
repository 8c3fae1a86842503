"""The Lab's parts, driven as a page drives them, on a tiny model that was taught a few sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.ui.lab_anatomy import AnatomyPart
from app.ui.lab_calibrate import CalibratePart
from app.ui.lab_sweep import SweepPart
from app.ui.session import BUSY, PageContext, Session
from app.workbench import Workbench
from grace_core.models import LanguageModel
from grace_core.separation import KINDS
from tests.app.test_workbench import OTHER, PROMPT, Studio, edited

MEASURED: dict[str, Any] = {
    "layers": [1, 2], "pools": ["mean", "last"], "encodings": ["whiten", "raw"], "edits": 5, "unrelated": 20, "own": (),
    "measure": "recall1", "kinds": list(KINDS),
}  # fmt: skip


@pytest.fixture(scope="module")
def bench(taught: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """One edit with a phrasing of its own, one without, and their logged queries."""
    studio = Studio(taught, tmp_path_factory.mktemp("lab"))
    bench = studio.open()
    edited(bench, PROMPT, paraphrases=["Tell me about Ada Lovelace."])
    edited(bench, OTHER)
    yield bench
    studio.close()


@pytest.fixture
def context(bench: Workbench) -> Iterator[PageContext]:
    with gr.Blocks():
        states = [gr.State() for _ in range(3)]
        yield PageContext(bench, states[0], gr.Textbox(), states[1], states[2], gr.Tabs())


def last(updates: Iterator[dict[Any, Any]]) -> dict[Any, Any]:
    """All updates of one event as the page has them in the end."""
    out: dict[Any, Any] = {}
    for update in updates:
        out |= update
    return out


def test_an_answer_is_taken_apart_and_not_logged(context: PageContext, bench: Workbench) -> None:
    part, session, before = AnatomyPart(context), Session(), bench.revision()
    end = last(part.on_go(PROMPT, session))
    assert end[part.view]["matched"]
    assert json.loads(end[part.keys])["figure"]["data"]
    assert end[part.go]["interactive"]
    assert (bench.revision(), session.job) == (before, None)
    assert PROMPT in part.offered()["choices"]


def test_an_empty_prompt_is_refused_in_words(context: PageContext) -> None:
    part = AnatomyPart(context)
    end = last(part.on_go("  ", Session()))
    assert end[part.message]["tone"] == "error"
    assert end[part.go]["interactive"]


def test_a_page_runs_one_thing_at_a_time(context: PageContext, bench: Workbench) -> None:
    session = Session(job=bench.run(lambda model, codebook, job: None))
    for part, updates in (
        (one := AnatomyPart(context), one.on_go(PROMPT, session)),
        (two := CalibratePart(context), two.on_measure(**MEASURED, session=session)),
        (three := SweepPart(context), three.on_sweep([3], 1, 20, session)),
    ):
        assert last(updates)[part.message]["text"] == BUSY


def test_a_calibration_is_kept_and_explored(context: PageContext, bench: Workbench) -> None:
    part, before = CalibratePart(context), bench.revision()
    end = last(part.on_measure(**MEASURED, session=Session()))
    assert not end[part.message]["text"]
    heat = json.loads(end[part.heat])
    assert len(heat["table"]["rows"]) == 8
    assert end[part.summary]["text"].startswith("2 keys, 3 paraphrases (2 made here")
    # Another browser, which has seen nothing yet; one that has is left alone.
    assert part.on_revision(0, "auc", ["unrelated"], None)[part.result]["visible"]
    assert part.on_revision(part.kept.number, "auc", list(KINDS), None) == {part.shown: part.kept.number}
    wanted = "2-last-raw"
    seen = part.on_view("recall0", list(KINDS), wanted)
    assert seen[part.choice]["value"] == wanted
    assert "distance='euclidean'" in seen[part.use.command]["value"]
    shown = last(part.use.on_preview(wanted, 1e-6, Session()))
    assert "would be answered otherwise" in shown[part.use.message]["text"]
    assert last(part.use.on_preview("no such", 1.0, Session()))[part.use.message]["tone"] == "error"
    assert bench.revision() == before


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
    updates = part.on_measure(**MEASURED, session=session)
    out = next(updates)
    session.cancel()
    out = last(updates)
    assert out[part.message]["tone"] == "note"
    assert part.kept.value is None
    assert out[part.go]["interactive"]


def test_a_sweep(context: PageContext, bench: Workbench) -> None:
    part, before = SweepPart(context), bench.revision()
    end = last(part.on_sweep([2, 3], 2, 30, Session()))
    assert [row[0] for row in end[part.table]["rows"]] == [2, 3]
    assert part.on_revision(0)[part.result]["visible"]
    assert part.on_revision(part.kept.number) == {part.shown: part.kept.number}
    refused = last(part.on_sweep([], 2, 30, Session()))
    assert "No layer" in refused[part.message]["text"]
    assert bench.revision() == before
