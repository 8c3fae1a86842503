"""The table of edits: rows by id, newest first, with search, filter, pages and a button for each thing a row can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import gradio as gr

from app.studio.views import EditPage, EditRow, EditState
from app.ui.components import drawing_number
from app.ui.components.edit_words import STATE_LABELS, is_web_address
from app.ui.scripts import script
from app.ui.sent import Looking

PAGE_SIZE = 25

# Ids of the edits that are picked out on the map, None where none were asked for.
Picked: TypeAlias = tuple[str, ...] | None

# What the filter for edits picked out on the map is called where others have a state's name.
PICKED = "picked"

TEMPLATE = """
<div class="gs-edits">
  <div class="gs-edits-bar">
    <label class="gs-search"><span class="gs-sr">Search the edits</span>
      <input type="search" placeholder="Search prompt, target or author" autocomplete="off"></label>
    <div class="gs-filters" role="group" aria-label="Show edits by state"></div>
  </div>
  <p class="gs-sr" role="status"></p>
  <div class="gs-edits-body"></div>
  <div class="gs-pages"></div>
</div>
"""


@dataclass(frozen=True)
class View:
    """Which part of the edits a browser looks at.

    picked: only those whose keys are picked out on the map. seen: the pick that this view has followed.
    asked: counts what this browser has asked for.
    """

    search: str = ""
    state: EditState | None = None
    offset: int = 0
    picked: bool = False
    seen: Picked = None
    asked: int = 0

    @classmethod
    def of(cls, sent: Looking) -> View:
        """What a browser asks for: unknown states and offsets below zero become their defaults."""
        state = next((known for known in STATE_LABELS if known == sent.state), None)
        return cls(sent.search, state, max(0, sent.offset), picked=sent.state == PICKED, asked=sent.asked)


def row_value(row: EditRow) -> dict[str, Any]:
    """One row as edit_table.js draws it, and as `/edits` returns it less the labels."""
    return {
        "id": row.edit_id,
        "prompt": row.prompt,
        "target": row.target,
        "author": row.author,
        "at": row.at.isoformat(),
        "epsilon": f"{row.epsilon:.2f}" if row.epsilon is not None else "",
        "matches": row.matches,
        "state": row.state,
        "state_label": STATE_LABELS[row.state],
        "action": "redo" if row.state == "undone" else "undo",
        "phrasings": len(row.paraphrases),
        "source": row.source_url,
        "source_is_link": is_web_address(row.source_url),
    }


def table_value(page: EditPage, view: View, *, selected: str | None = None, picked: Picked = None) -> dict[str, Any]:
    """What edit_table.js draws: the rows of one page, the filters with their counts, where the page lies.

    picked: the filter of those picked out on the map is offered where there are any.
    """
    everything = sum(page.counts.values())
    filters: list[dict[str, Any]] = [{"state": "", "label": "All", "count": everything}]
    counts = [(s, label, page.counts.get(s, 0)) for s, label in STATE_LABELS.items()]
    # Only a journal that was damaged has such rows.
    filters += [{"state": s, "label": label, "count": count} for s, label, count in counts if count or s != "broken"]
    if picked is not None:
        filters.append({"state": PICKED, "label": "Picked on the map", "count": len(picked)})
    return {
        "drawing": drawing_number(),
        "rows": [row_value(row) for row in page.rows],
        "filters": filters,
        "search": view.search,
        "state": PICKED if view.picked else view.state or "",
        "offset": view.offset,
        "limit": PAGE_SIZE,
        "total": page.total,
        "everything": everything,
        "selected": selected,
    }


def build_table(value: dict[str, Any]) -> gr.HTML:
    """The component; it triggers `view` {search, state, offset, asked}, `undo`, `redo` and `open_map` {edit_id}, `review`."""
    return gr.HTML(
        value,
        html_template=TEMPLATE,
        js_on_load=script("edits/edit_table.js", "view", "undo", "redo", "open_map", "review"),
        apply_default_css=False,
        elem_id="gs-edits",
        elem_classes="gs-part",
    )
