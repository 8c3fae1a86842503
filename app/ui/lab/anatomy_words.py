"""The prompt word by word: how much each brought it near a key, in colour and as a number. Every word is a text node."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.lab.anatomy_words import FELT, Line, key_words, words_table
from app.ui.components import asset
from app.ui.scripts import script
from grace_core.answering.anatomy import Anatomy

FILENAME = "grace-studio-words"
# Where even the strongest word moves a distance by less, no word has the full colour.
_FULL = 0.4

TEMPLATE = """
<section class="gs-words" aria-label="Which words brought it near">
  <p class="gs-note gs-words-empty" hidden></p>
  <div class="gs-words-head" hidden>
    <label class="gs-words-choice">Key <select class="gs-words-key"></select></label>
    <span class="gs-downloads"><span class="gs-download-title">Download</span></span>
  </div>
  <p class="gs-words-sentence"></p>
  <div class="gs-words-lines"></div>
  <p class="gs-note gs-words-note" hidden>Each word is left out in turn and the rest is read again. A number is by how much
    farther the prompt then is from the key: <span class="near">blue, +</span> brought it near,
    <span class="far">orange, −</span> kept it away. <span class="turns">Underlined</span>: without it something else answers.</p>
</section>
"""
NO_KEY = "No key yet, so there is nothing to be near to."
ONE_WORD = "The prompt is a single word: nothing can be left out of it."


def words_value(anatomy: Anatomy) -> dict[str, Any]:
    """What anatomy_words.js draws."""
    keys = key_words(anatomy)
    if not keys:
        return {"empty": ONE_WORD if anatomy.keys else NO_KEY, "keys": [], "filename": FILENAME, "table": None}
    columns, rows = words_table(anatomy)
    return {
        "empty": "",
        "keys": [
            {
                "name": f"{place}. {key.name}",
                "sentence": key.sentence,
                "lines": [_line(line, max(_FULL, *(one.strongest for one in key.lines))) for line in key.lines],
            }
            for place, key in enumerate(keys, 1)
        ],
        "filename": FILENAME,
        "table": {"columns": list(columns), "rows": [list(row) for row in rows]},
    }


def _line(line: Line, full: float) -> dict[str, Any]:
    """full: the move that has the full colour."""
    return {
        "name": line.name,
        "away": f"{line.away:.2f}, ends at {line.end:.2f}",
        "pieces": [
            {
                "text": piece.text,
                "number": None if piece.farther is None else _signed(piece.farther),
                "way": "" if piece.farther is None or abs(piece.farther) < FELT else "near" if piece.farther > 0 else "far",
                "share": 0.0 if piece.farther is None else round(min(1.0, abs(piece.farther) / full), 3),
                "turns": piece.turns,
                "says": piece.says,
            }
            for piece in line.pieces
        ],
    }


def _signed(farther: float) -> str:
    return "0" if abs(farther) < 0.005 else f"{'+' if farther > 0 else '−'}{abs(farther):.2f}"


def build_anatomy_words() -> gr.HTML:
    return gr.HTML(
        None,
        html_template=TEMPLATE,
        css_template=asset("lab/anatomy_words.css"),
        js_on_load=script("lab/anatomy_words.js"),
        apply_default_css=False,
        elem_id="gs-anatomy-words",
        elem_classes="gs-part",
    )
