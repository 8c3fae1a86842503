"""Calibrate: what is measured, put in force and taken back, on a tiny model that was taught a few sentences."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr

from app.studio.studio import OpenStudio
from app.ui.components.message import message_value
from app.ui.lab.calibrate import CalibratePart
from app.ui.lab.move import THERE, MovePart
from app.ui.session import PageContext, Session
from grace_core.measuring.distances import KINDS, Choice, Separation
from grace_core.measuring.query_scan import Scan
from tests.app.studios import PROMPT, edited
from tests.app.ui.lab.updates import MEASURED, last
from tests.grace_core.builders import assert_same


def test_a_calibration_is_kept_and_explored(context: PageContext, studio: OpenStudio) -> None:
    part, before = CalibratePart(context), studio.revision()
    end = last(part.on_measure(**MEASURED, session=Session()))
    assert not end[part.message]["text"]
    heat = json.loads(end[part.heat])
    assert len(heat["table"]["rows"]) == 8 + 1  # and the learned encoder
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


def test_moving_to_the_learned_encoder_is_shown_first_and_offered_once(own_context: PageContext, own_studio: OpenStudio) -> None:
    part, session = MovePart(own_context), Session()
    assert last(part.on_go(None, "Ada", session))[part.message]["tone"] == "error"
    own_studio.generate("Who is <b>bold</b>?").result(60)
    seen = last(part.on_look(session))
    assert "logged quer" in seen[part.message]["text"]
    assert seen[part.go]["interactive"]
    done = last(part.on_go(seen[part.seen], "Ada", session))
    assert done[part.message]["text"].startswith("The learned encoder reads queries now.")
    assert (own_studio.codebook.config.encoding, done[part.seen]) == ("learned", None)
    after = part.on_revision()
    assert after[part.note]["text"] == THERE
    assert not after[part.look]["visible"]


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
