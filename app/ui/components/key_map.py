"""The clickable map: a Plotly figure in a `gr.HTML`, with its legend, its note and its empty state.

Plotly's script is served from the installed plotly package, never from another host.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
import plotly

from app.figures import PALETTES, MapFigure
from app.membership import key_index
from app.records import MapView
from app.ui.components import asset, script

_PLOTLY = Path(plotly.__file__).resolve().parent / "package_data" / "plotly.min.js"

# Gradio answers /gradio_api/file=… below whatever prefix a proxy puts the app; a relative address keeps that prefix.
_HEAD = f'<script src="gradio_api/file={_PLOTLY.as_posix()}"></script>'

TEMPLATE = """
<section class="gs-map" aria-label="Map of edits">
  <ul class="gs-map-legend" aria-label="Legend, with counts"></ul>
  <div class="gs-map-frame">
    <div class="gs-map-plot" tabindex="0" role="application" aria-roledescription="map"
         aria-label="Map of keys and queries. N and P, or the arrow keys, go to the next and the previous key;
         U withdraws the selected edit; Escape clears the selection."></div>
    <div class="gs-map-empty" hidden></div>
    <p class="gs-map-status" role="status" hidden></p>
  </div>
  <p class="gs-map-note"></p>
  <p class="gs-map-keys">Click a key, or focus the map: <kbd>N</kbd> next, <kbd>P</kbd> previous, <kbd>U</kbd> undo,
    <kbd>Esc</kbd> clear. Scroll to zoom, drag to move, double-click to see everything.</p>
  <p class="gs-map-live gs-sr" aria-live="polite"></p>
</section>
"""

_TEACH = {
    "title": "No keys yet",
    "steps": [
        "On the Review page, ask the model something and mark what is wrong in its answer.",
        "Type what it should say and press Edit: the edit gets a key, and the key appears here as a diamond.",
        "Every question you ask is a dot. Dots near a key, within its ε, are answered by that edit.",
    ],
}


def key_map_value(view: MapView, drawn: MapFigure, selected: str | None, *, status: str = "") -> str:
    """What key_map.js draws, as JSON. `selected` may be an edit without a key in force."""
    index = key_index(view, selected)
    key = None if index is None else view.keys[index]
    value: dict[str, Any] = {
        "figure": drawn.figure,
        "palettes": PALETTES,
        "legend": [vars(item) for item in drawn.legend],
        "note": drawn.note if view.keys else "",
        "status": status,
        "selected": selected,
        "selected_key": None if key is None else key.edit_id,
        "key_ids": [one.edit_id for one in view.keys],
        "spoken": "" if key is None else f"Selected: {key.prompt}. Target: {key.target}. Epsilon {key.epsilon:.2f}.",
        "empty": None if view.keys else _TEACH,
    }
    # "<" as an escape: the text is nobody's markup, wherever it ends up.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def build_key_map() -> gr.HTML:
    """The component; it triggers `select_edit` {edit_id}, `undo_edit` {edit_id} and `clear_edit` {}."""
    gr.set_static_paths([_PLOTLY])
    return gr.HTML(
        None,
        html_template=TEMPLATE,
        css_template=asset("key_map.css"),
        js_on_load=script("key_map.js"),
        head=_HEAD,
        apply_default_css=False,
        elem_classes="gs-part",
        elem_id="gs-key-map",
    )
