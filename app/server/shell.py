"""The frame around the pages: header, tabs, permalinks, and the poll that shows what other browsers did."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.server.endpoints import Departures, add_endpoints
from app.studio.views import EditRow
from app.ui.components.header import build_header, build_mode_switch, header_value
from app.ui.edits.page import build_edits
from app.ui.lab.page import build_lab
from app.ui.map.page import build_map
from app.ui.review.page import build_review
from app.ui.session import PageContext, Session, edits_mark, private

if TYPE_CHECKING:
    from app.studio.facade import Studio

TABS = ("review", "map", "edits", "lab")
POLL_SECONDS = 2.0

READ_AUTHOR = """() => {
  try { return localStorage.getItem("grace-studio.author") ?? ""; } catch (error) { return ""; }
}"""
KEEP_AUTHOR = """(name) => {
  try { localStorage.setItem("grace-studio.author", name); }
  catch (error) { console.warn("The browser does not keep your name:", error.message); }
}"""


KEEP_FILES_SECONDS = 300
"""How long a file that somebody sent may lie here; its page reads it at once."""


def build_app(studio: Studio, departures: Departures) -> gr.Blocks:
    """All pages and the named endpoints over one studio; `web.make_web` serves them."""
    app = gr.Blocks(title="Grace Studio", analytics_enabled=False, delete_cache=(60, KEEP_FILES_SECONDS))
    with app:
        session = gr.State(Session())
        selected_edit = gr.State(None)
        picked_edits = gr.State(None)
        revision = gr.State(-1)
        with gr.Row(elem_id="gs-header"):
            header = build_header(studio.status())
            author = gr.Textbox(
                label="Your name",
                placeholder="Your name",
                show_label=False,
                max_lines=1,
                container=False,
                elem_id="gs-author",
            )
            build_mode_switch()
        with gr.Tabs(selected="review", elem_id="gs-tabs") as tabs:
            context = PageContext(studio, session, author, selected_edit, picked_edits, revision, tabs)
            with gr.Tab("Review", id="review", elem_id="gs-tab-review"):
                build_review(context)
            with gr.Tab("Map", id="map", elem_id="gs-tab-map") as map_tab:
                build_map(context).on_open(map_tab.select)
            with gr.Tab("Edits", id="edits", elem_id="gs-tab-edits"):
                build_edits(context)
            with gr.Tab("Lab", id="lab", elem_id="gs-tab-lab"):
                build_lab(context)

        def load(request: gr.Request, own: Session) -> tuple[Any, Any, Any, Any]:
            """A fresh page: the address may name a tab and an edit."""
            own.known, _ = edits_mark(studio)
            edit_id = request.query_params.get("edit") or None
            tab = request.query_params.get("tab") or ("map" if edit_id else "review")
            selected = gr.update(selected=tab) if tab in TABS else gr.skip()
            return edit_id, selected, studio.revision(), header_value(studio.status())

        def poll(seen: int, own: Session, name: str) -> Any:
            """Has the journal grown? Views redraw when `revision` changes; a toast tells of other people's edits."""
            now = studio.revision()
            if now == seen:
                return gr.skip()
            known, newest = edits_mark(studio)
            if own.known and known != own.known and own.job is None:
                tell(own.known, newest, name)
            own.known = known
            return now

        private(app.load, load, inputs=session, outputs=[selected_edit, tabs, revision, header])
        private(app.load, fn=None, js=READ_AUTHOR, outputs=author)
        private(author.change, fn=None, js=KEEP_AUTHOR, inputs=author)
        private(gr.Timer(POLL_SECONDS).tick, poll, inputs=[revision, session, author], outputs=revision)
        private(revision.change, lambda: header_value(studio.status()), outputs=header)
        add_endpoints(studio, departures)
    # Pages may wait together: the workbench's own queue is the one that counts.
    app.queue(default_concurrency_limit=None)
    return app


def tell(before: tuple[object, ...], newest: EditRow | None, name: str) -> None:
    """A toast about a change of the edits that this browser did not make. Toasts render HTML: escape."""
    if newest is not None and newest.edit_id != before[0]:
        who = newest.author or "Someone"
        if newest.author != name or not name:
            gr.Info(html.escape(f"{who} edited “{newest.prompt}”."))
    else:
        gr.Info("An edit was undone or restored in another window.")
