"""The answer: streamed text, marks on spans of it, and who answered.

Offsets are code points, as Python counts. Marks may overlap: the text is cut at every mark's ends, and each piece
knows all marks that cover it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import gradio as gr

from app.studio.views import VERDICTS, Answer, FactGiven, Mark, Verdict
from app.ui.scripts import script

Phase = Literal["empty", "waiting", "writing", "done", "stopped", "failed"]

# Two keys for each verdict: its number and a letter.
VERDICT_KEYS: dict[Verdict, str] = {
    "fabricated": "f",
    "wrong": "w",
    "incoherent": "i",
    "outdated": "o",
    "fine": "n",
}

TEMPLATE = """
<div class="gs-marker" data-phase="empty">
  <div class="gs-marker-head"><h2 class="gs-heading">Answer</h2><p class="gs-source" role="status"></p></div>
  <ol class="gs-steps">
    <li><b>Ask.</b> Type a prompt above and send it; the answer appears here.</li>
    <li><b>Mark.</b> Drag over words that are fabricated or wrong and choose a verdict.</li>
    <li><b>Correct.</b> Change the answer to what it should say and press Edit.
      The model learns it in seconds, and every edit can be undone.</li>
  </ol>
  <div class="gs-text-wrap">
    <div class="gs-text" role="textbox" aria-multiline="true" aria-readonly="true" tabindex="0"
         aria-label="The model's answer. Select words with Shift and the arrow keys, then press 1 to 5 to mark them."
         spellcheck="false" autocorrect="off" autocapitalize="off" inputmode="none"></div>
    <div class="gs-verdicts" role="toolbar" aria-label="Verdict on the selected words" hidden></div>
  </div>
  <p class="gs-hint">Drag over words to mark them, or select with <kbd>Shift</kbd> + arrow keys;
    then <kbd>1</kbd>–<kbd>5</kbd> or the first letter (<kbd>n</kbd> for fine).</p>
  <ul class="gs-marks" aria-label="Marks on this answer"></ul>
</div>
"""


@dataclass(frozen=True)
class Segment:
    """A piece text[start:end] and the marks that cover it, longest first (so the most specific one comes last)."""

    start: int
    end: int
    marks: tuple[str, ...]


def segments(length: int, marks: Sequence[Mark]) -> tuple[Segment, ...]:
    """Cut a text of `length` code points at the ends of all marks; together the pieces are the whole text."""
    cuts = sorted({0, length, *(min(end, length) for mark in marks for end in (mark.start, mark.end))})
    longest_first = sorted(marks, key=lambda mark: mark.start - mark.end)
    return tuple(
        Segment(start, end, tuple(mark.mark_id for mark in longest_first if mark.start <= start and end <= mark.end))
        for start, end in pairwise(cuts)
    )


def same_span(marks: Sequence[Mark], start: int, end: int) -> Mark | None:
    """The mark on exactly this span: a second verdict on the same words replaces the first."""
    return next((mark for mark in marks if (mark.start, mark.end) == (start, end)), None)


@dataclass(frozen=True)
class Now:
    """What would answer the same prompt now, where that is not what answered it. edit_id: None for the model itself."""

    edit_id: str | None
    prompt: str = ""


def source(answer: Answer, edit_prompt: str = "", now: Now | None = None) -> dict[str, Any]:
    """Who answered, in words; edit_id is there where a link to the map makes sense.

    edit_prompt: of the edit that answered, or whose fact was given.
    """
    by_edit = answer.edit_id is not None and answer.distance is not None and answer.epsilon is not None
    by = _by(answer.edit_id if by_edit else None, edit_prompt)
    if answer.fact is not None:
        quoted = f": “{edit_prompt}”" if edit_prompt else ""
        by = f"the model itself, with an edit's fact before the prompt{quoted}"
    if now is not None:
        present = "an edit of this prompt" if now.prompt == answer.prompt else _by(now.edit_id, now.prompt)
        detail = f"now {present} answers"
        return {"kind": "model", "label": f"Said then by {by}", "detail": detail, "edit_id": now.edit_id}
    if answer.fact is not None:
        return _with_fact(answer.fact, by)
    parts = "" if answer.parts is None else f" · {answer.parts}"
    if by_edit:
        detail = f"distance {answer.distance:.2f}, within its ε {answer.epsilon:.2f}{parts}"
        return {"kind": "edit", "label": f"Answered by {by}", "detail": detail, "edit_id": answer.edit_id}
    detail = "no edit yet"
    if answer.distance is not None and answer.epsilon is not None:
        where = "outside its" if answer.distance > answer.epsilon else "another subject within its"
        detail = f"nearest key at distance {answer.distance:.2f}, {where} ε {answer.epsilon:.2f}{parts}"
    return {"kind": "model", "label": f"Answered by {by}", "detail": detail, "edit_id": answer.nearest_edit_id}


def _with_fact(fact: FactGiven, by: str) -> dict[str, Any]:
    if fact.parts is None:
        label, detail = f"Said then by {by}", "that edit is no longer in force"
    else:
        label, detail = f"Answered by {by}", f"{fact.parts}: the subject is near enough for the fact"
    return {"kind": "model", "label": label, "detail": detail, "edit_id": fact.edit_id}


def _by(edit_id: str | None, prompt: str) -> str:
    if edit_id is None:
        return "the model itself"
    return f"an edit: “{prompt}”" if prompt else "an edit"


def marker_value(
    phase: Phase,
    text: str = "",
    *,
    status: str = "",
    answer: Answer | None = None,
    marks: Sequence[Mark] = (),
    edit_prompt: str = "",
    now: Now | None = None,
) -> dict[str, Any]:
    """What marker.js draws; only a logged answer can be marked. now: what would answer now, where that has changed."""
    text = answer.text if answer is not None else text
    return {
        "phase": phase,
        "text": text,
        "status": status,
        "query_id": answer.query_id if answer is not None else None,
        "source": source(answer, edit_prompt, now) if answer is not None else None,
        "truncated": answer.truncated if answer is not None else False,
        "segments": [[piece.start, piece.end, list(piece.marks)] for piece in segments(len(text), marks)],
        "marks": [
            {"id": mark.mark_id, "text": mark.text, "verdict": mark.verdict, "author": mark.author}
            for mark in sorted(marks, key=lambda mark: (mark.start, mark.end))
        ],
        "verdicts": [[verdict, VERDICT_KEYS[verdict]] for verdict in VERDICTS],
    }


def build_marker() -> gr.HTML:
    """The component; triggers `mark` {query_id, start, end, verdict}, `unmark` {mark_id}, `open_map` {edit_id}."""
    return gr.HTML(
        marker_value("empty"),
        html_template=TEMPLATE,
        js_on_load=script("review/marker.js", "mark", "unmark", "open_map"),
        apply_default_css=False,
        elem_id="gs-answer",
        elem_classes="gs-part",
    )
