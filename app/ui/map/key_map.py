"""The clickable map: a Plotly figure in a `gr.HTML`, with its legend, search, list, note and empty state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.charts.plotly import Table, shorten
from app.map.legend import landing_words, tried_legend
from app.map.paint import paint
from app.map.scene import MapScene
from app.map.trials import Landed
from app.map.undone_keys import UndoneOnMap
from app.ui.components import asset
from app.ui.scripts import script

TEMPLATE = """
<section class="gs-map" aria-label="Map of edits">
  <div class="gs-map-look">
    <label class="gs-map-search"><span class="gs-sr">Search keys and queries on the map</span>
      <input type="search" placeholder="Search keys and queries" autocomplete="off" spellcheck="false"></label>
    <label class="gs-map-undone" hidden><input type="checkbox"><span class="gs-swatch gs-swatch-undone" aria-hidden="true"></span>
      <span>show <span class="gs-map-count"></span> undone</span></label>
  </div>
  <ul class="gs-map-legend" aria-label="Legend, with counts"></ul>
  <div class="gs-map-landing" role="group" aria-label="Where prompts land" hidden></div>
  <p class="gs-map-heard gs-sr" role="status"></p>
  <div class="gs-map-stage">
    <div class="gs-map-frame">
      <div class="gs-map-plot" tabindex="0" role="application" aria-roledescription="map"
           aria-label="Map of keys and queries. J and K, or the arrow keys, go to the next and the previous key;
           F zooms to the selected key and back; zero shows everything; U withdraws the selected edit;
           Escape clears the selection; slash searches; question mark helps."></div>
      <div class="gs-map-tip" role="tooltip" hidden></div>
      <div class="gs-map-empty" hidden></div>
      <p class="gs-map-status" role="status" hidden></p>
    </div>
    <aside class="gs-map-marked" aria-label="Picked out on the map" hidden></aside>
  </div>
  <p class="gs-map-note"></p>
  <div class="gs-map-foot">
    <p class="gs-map-keys">Click a key. <kbd>J</kbd> next, <kbd>K</kbd> previous, <kbd>/</kbd> search,
      <kbd>F</kbd> focus, <kbd>U</kbd> undo,
      <kbd>Esc</kbd> clear, <button type="button" class="gs-link gs-map-help">all keys</button></p>
    <span class="gs-map-downloads"></span>
  </div>
  <p class="gs-map-live gs-sr" aria-live="polite"></p>
  <dialog class="gs-map-dialog" aria-labelledby="gs-map-dialog-title">
    <h3 id="gs-map-dialog-title">On the map</h3>
    <dl>
      <dt><kbd>J</kbd> <kbd>N</kbd> <kbd>↓</kbd> <kbd>→</kbd></dt><dd>next key</dd>
      <dt><kbd>K</kbd> <kbd>P</kbd> <kbd>↑</kbd> <kbd>←</kbd></dt><dd>previous key</dd>
      <dt><kbd>F</kbd></dt><dd>focus: zoom to the selected key, and back</dd>
      <dt><kbd>0</kbd></dt><dd>show everything</dd>
      <dt><kbd>U</kbd></dt><dd>undo the selected edit</dd>
      <dt><kbd>/</kbd></dt><dd>search; <kbd>Enter</kbd> selects the first key found</dd>
      <dt><kbd>Esc</kbd></dt><dd>clear what is picked out, then the selection</dd>
      <dt><kbd>?</kbd></dt><dd>this help</dd>
      <dt>Click</dt><dd>a key, or a query: it is ringed, and the edit that answers it selected</dd>
      <dt>Lasso, box</dt><dd>pick out many (tools above the map); they are listed beside it</dd>
      <dt>Scroll, drag</dt><dd>zoom and move; double-click shows everything</dd>
    </dl>
    <button type="button" class="gs-btn">Close</button>
  </dialog>
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


def key_map_value(
    scene: MapScene,
    selected: str | None,
    *,
    status: str = "",
    landed: Sequence[Landed] = (),
    undone: UndoneOnMap | None = None,
    undone_shown: bool = False,
    known: str = "",
    table: tuple[int, Table] | None = None,
) -> str:
    """What key_map.js draws, as JSON. `selected` may be an edit without a key in force.

    undone: the undone edits, with the keys to draw where a person wants to see them (undone_shown).
    known: the `scene_id` that the browser has: its points are not sent again.
    table: what `export_table` asked for, with its number.
    """
    view = scene.view
    row = None if selected is None else scene.row_of.get(selected)
    key = None if row is None else view.keys[row]
    painted = paint(scene, selected)
    value: dict[str, Any] = {
        "scene_id": scene.scene_id,
        "paint": painted.value,
        "legend": [vars(item) for item in (*painted.legend, *tried_legend(len(landed)))],
        "note": painted.note if view.keys else "",
        "status": status,
        "selected": selected,
        "selected_key": None if key is None else key.edit_id,
        "selected_prompt": "" if key is None else key.prompt,
        "spoken": "" if key is None else f"Selected: {key.prompt}. Target: {key.target}. Epsilon {key.epsilon:.2f}.",
        "empty": None if view.keys else _TEACH,
        "landings": landings_value(landed),
        "undone": _undone(undone or UndoneOnMap(0), shown=undone_shown),
    }
    if table is not None:
        asked, (columns, rows) = table
        value["table"] = {"asked": asked, "columns": columns, "rows": rows}
    text = _json(value)
    if known != scene.scene_id:
        text = f'{text[:-1]},"points":{_points(scene)}}}'
    return text


def landings_value(landed: Sequence[Landed]) -> dict[str, list[Any]]:
    """Columns of the prompts that were tried, the oldest first."""
    return {
        "number": [one.number for one in landed],
        "prompt": [shorten(one.prompt, 160) for one in landed],
        "x": [round(one.x, 4) for one in landed],
        "y": [round(one.y, 4) for one in landed],
        "key": [None if one.key is None else one.key.edit_id for one in landed],
        "distance": [None if one.key is None else round(one.distance, 4) for one in landed],
        "matched": [one.matched for one in landed],
        "words": [landing_words(one) for one in landed],
    }


def _undone(undone: UndoneOnMap, *, shown: bool) -> dict[str, Any]:
    keys = undone.keys
    return {
        "count": undone.count,
        "shown": shown,
        "keys": {
            "id": [key.edit_id for key in keys],
            "x": [round(key.x, 4) for key in keys],
            "y": [round(key.y, 4) for key in keys],
            "prompt": [shorten(key.prompt, 160) for key in keys],
            "target": [shorten(key.target, 160) for key in keys],
        },
    }


def _points(scene: MapScene) -> str:
    """The points as JSON, made once for all browsers."""
    if "json" not in scene.kept:
        scene.kept["json"] = _json(scene.points)
    return scene.kept["json"]


def _json(value: Any) -> str:
    # "<" as an escape: the text is nobody's markup, wherever it ends up.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def build_key_map() -> gr.HTML:
    """The component.

    It triggers `select_edit` and `undo_edit` {edit_id}, `show_undone` {shown}, `clear_edit`, `need_points`,
    `pick_keys` {edit_ids, selected} (null: none is), `clear_landing` {number} (null: all of them),
    `export_table` {asked}.
    """
    return gr.HTML(
        None,
        html_template=TEMPLATE,
        css_template=asset("map/key_map.css"),
        js_on_load=script(
            "map/key_map.js",
            "select_edit",
            "undo_edit",
            "show_undone",
            "clear_edit",
            "need_points",
            "pick_keys",
            "clear_landing",
            "export_table",
        ),
        apply_default_css=False,
        elem_classes="gs-part",
        elem_id="gs-key-map",
    )
