"""The end of an edit: before and after side by side, with the words that differ marked."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.studio.views import EditOutcome
from app.ui.scripts import script

TEMPLATE = """
<section class="gs-outcome" aria-label="Result of the edit" hidden>
  <div class="gs-outcome-head" role="status">
    <h2 class="gs-heading gs-verdict-line"></h2><p class="gs-note gs-outcome-prompt"></p></div>
  <p class="gs-message gs-reason"></p>
  <div class="gs-pair">
    <div class="gs-side before"><h3></h3><p></p></div>
    <div class="gs-side after"><h3></h3><p></p></div>
  </div>
  <p class="gs-message gs-outcome-note"></p>
  <p class="gs-note gs-sentence"></p>
</section>
"""

HIDDEN: dict[str, Any] = {"visible": False}


@dataclass(frozen=True)
class Piece:
    """A run of text and whether it differs from the other side."""

    text: str
    changed: bool


def tokens(text: str) -> list[str]:
    """Words, single punctuation marks and runs of white space; joined they are the text again."""
    return re.findall(r"\w+(?:['’\-]\w+)*|\s+|[^\w\s]", text)


def word_diff(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both texts as pieces, changed words marked. White space alone is never a change between two equal words."""
    left, right = tokens(before), tokens(after)
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    changed_left, changed_right = [True] * len(left), [True] * len(right)
    for block in matcher.get_matching_blocks():
        changed_left[block.a : block.a + block.size] = [False] * block.size
        changed_right[block.b : block.b + block.size] = [False] * block.size
    return _pieces(left, changed_left), _pieces(right, changed_right)


def _pieces(words: list[str], changed: list[bool]) -> tuple[Piece, ...]:
    """Merge neighbours; white space counts as changed where the words on both sides of it are."""
    changed = list(changed)
    for i, word in enumerate(words):
        if word.isspace():
            changed[i] = 0 < i < len(words) - 1 and changed[i - 1] and changed[i + 1]
    merged: list[Piece] = []
    for word, differs in zip(words, changed, strict=True):
        if merged and merged[-1].changed == differs:
            merged[-1] = Piece(merged[-1].text + word, differs)
        else:
            merged.append(Piece(word, differs))
    return tuple(merged)


def outcome_value(outcome: EditOutcome) -> dict[str, Any]:
    """What diff.js draws."""
    before, after = word_diff(outcome.text_before, outcome.text_after)
    took = f"{len(outcome.losses)} steps, {outcome.seconds:.1f} s"
    changed = outcome.text_before != outcome.text_after
    return {
        "visible": True,
        "success": outcome.success,
        "title": "The edit is in force" if outcome.success else "The edit did not take; nothing was kept",
        "prompt": outcome.prompt,
        "reason": "" if outcome.success else outcome.reason,
        "note": outcome.note,
        "sentence": f"{outcome.change.sentence()} ({took})" if outcome.change is not None else f"Tried for {took}.",
        "before": [[piece.text, piece.changed] for piece in before],
        "after": [[piece.text, piece.changed] for piece in after],
        "after_title": "After" if outcome.success else "With the edit, as it was tried",
        "before_title": "Before" if outcome.success or changed else "The answer stays as it was",
        "show_after": outcome.success or changed,
        "edit_id": outcome.edit_id,
    }


def build_diff() -> gr.HTML:
    """The component; it triggers `open_map` {edit_id} and `undo` {edit_id}."""
    return gr.HTML(
        HIDDEN,
        html_template=TEMPLATE,
        js_on_load=script("review/diff.js", "open_map", "undo"),
        apply_default_css=False,
        elem_id="gs-outcome",
        elem_classes="gs-part",
    )
