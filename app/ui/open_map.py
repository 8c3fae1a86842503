"""Show an edit on the map: what a page does whose component triggers `open_map` {edit_id}, see components/address.js."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.ui.sent import OfEdit, read
from app.ui.session import PageContext, bind_every


def bind_open_map(context: PageContext, *parts: Any) -> None:
    """Bind the event of each of these components."""
    for part in parts:
        bind_every(part.open_map, _opened, None, [context.selected_edit, context.tabs])


def _opened(event: gr.EventData) -> tuple[str, Any]:
    return read(event, OfEdit).edit_id, gr.update(selected="map")
