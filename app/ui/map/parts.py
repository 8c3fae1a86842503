"""What stands on the Map page. What it does is in `page`."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.ui.components.figure import build_figure, figure_value
from app.ui.components.message import build_message
from app.ui.map.edit_detail import build_edit_detail
from app.ui.map.key_map import build_key_map

# How often a page that waits for a layout asks how far it is.
_ASK_SECONDS = 0.7
NO_KEY = "Select a key: what lies around it appears here at its true distance, which no flat map can keep."
UNDONE = "This edit is not in force, so it has no key. Redo brings it back."


class MapParts:
    """The page's components, built inside the tab that is open."""

    def __init__(self) -> None:
        """The map and the two exact views on the left, the selected edit on the right."""
        with gr.Row(elem_classes="gs-columns"):
            with gr.Column(scale=2, min_width=420):
                with gr.Column(elem_classes="gs-panel"):
                    self._layout_map()
                with gr.Row(elem_classes="gs-columns gs-even"):
                    self.around = _exact_view(
                        "True distances", "gs-radial", "Exact radial view of the selected edit", "grace-studio-radial"
                    )
                    self.strip = _exact_view(
                        "By distance", "gs-strip", "Queries by distance to the selected edit", "grace-studio-distances"
                    )
            with gr.Column(scale=1, min_width=300, elem_classes="gs-panel"):
                # Where key_map.js lists what is picked out, so that the map keeps its width.
                gr.HTML(
                    '<div class="gs-map-picked-room"></div>',
                    elem_id="gs-map-picked",
                    apply_default_css=False,
                    elem_classes="gs-part",
                )
                with gr.Row(elem_classes="gs-actions gs-map-actions"):
                    self.undo = gr.Button("Undo this edit", size="sm", visible=False, elem_id="gs-map-undo")
                    self.redo = gr.Button("Redo this edit", size="sm", visible=False, elem_id="gs-map-redo")
                    self.clear = gr.Button("Clear selection", size="sm", visible=False, elem_id="gs-map-clear")
                self.detail = build_edit_detail()
        self.timer = gr.Timer(_ASK_SECONDS, active=False)

    def _layout_map(self) -> None:
        with gr.Row(elem_classes="gs-map-head"):
            gr.HTML('<h2 class="gs-heading">Map of edits</h2>', apply_default_css=False, elem_classes="gs-part")
            self.relayout = gr.Button("New layout", size="sm", elem_id="gs-new-layout", scale=0, min_width=150)
        with gr.Row(elem_classes="gs-field-row gs-land"):
            self.prompt = gr.Textbox(
                label="Where does this land?",
                placeholder="Where does this land? Type a prompt to see what would answer it; nothing is logged.",
                show_label=False,
                container=False,
                max_lines=1,
                elem_id="gs-land",
            )
            self.land = gr.Button("Show", size="sm", elem_id="gs-land-show")
        self.problem = build_message("gs-land-message")
        self.key_map = build_key_map()

    def drawn(self, known: gr.State) -> list[Any]:
        """What `MapPage.draw` draws, in its order; `known` is the scene that the browser then has."""
        return [
            self.key_map, known, self.around, self.strip, self.detail, self.undo, self.redo, self.clear, self.relayout,
            self.timer,
        ]  # fmt: skip


def _exact_view(heading: str, elem_id: str, label: str, filename: str) -> gr.HTML:
    with gr.Column(min_width=320, elem_classes="gs-panel"):
        gr.HTML(f'<h2 class="gs-heading">{heading}</h2>', apply_default_css=False, elem_classes="gs-part")
        empty = figure_value(None, empty=NO_KEY)
        return build_figure(elem_id=elem_id, label=label, filename=filename, height=380, value=empty)
