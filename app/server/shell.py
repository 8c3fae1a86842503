"""The frame around the pages: header, tabs, permalinks, and the poll that shows what other browsers did."""

from __future__ import annotations

import html
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.server.endpoints import Departures, add_endpoints
from app.studio.views import EditsMark
from app.ui.components.header import build_header, build_mode_switch, header_value
from app.ui.edits.page import build_edits
from app.ui.lab.page import build_lab
from app.ui.map.page import build_map
from app.ui.review.page import build_review
from app.ui.session import PageContext, Session, bind

if TYPE_CHECKING:
    from app.map.layout.layout import Projection
    from app.studio.facade import Studio

TABS = ("review", "map", "edits", "lab")
POLL_SECONDS = 2.0
# Requests that Gradio lets wait at the same time.
MOST_WAITING = 1000

READ_AUTHOR = """() => {
  try { return localStorage.getItem("grace-studio.author") ?? ""; } catch (error) { return ""; }
}"""
KEEP_AUTHOR = """(name) => {
  try { localStorage.setItem("grace-studio.author", name); }
  catch (error) { console.warn("The browser does not keep your name:", error.message); }
}"""


KEEP_FILES_SECONDS = 60
"""How long a file that somebody sent lies here. Its page reads it at once and leaves it: Gradio names files by their content,
so that another browser may have sent the same one and not have read it yet.
"""


def build_app(studio: Studio, departures: Departures, projection: Projection | None = None) -> gr.Blocks:
    """All pages and the named endpoints over one studio; `web.make_web` serves them.

    projection: the map's; where none is given, it is kept in the data directory and UMAP starts in the background.
    """
    app = gr.Blocks(title="Grace Studio", analytics_enabled=False, delete_cache=(KEEP_FILES_SECONDS, KEEP_FILES_SECONDS))
    # Pages wait side by side for the studio's own queue, and a waiting one holds no thread: Gradio's must never be full.
    app.max_threads = MOST_WAITING
    with app:
        Shell(studio, app, projection)
        add_endpoints(studio, departures)
    app.queue(default_concurrency_limit=None)
    return app


class Shell:
    """The header, the tabs and what binds the pages together, built inside `app`."""

    def __init__(self, studio: Studio, app: gr.Blocks, projection: Projection | None = None) -> None:
        self.studio = studio
        self.session = gr.State(Session())
        self.selected_edit, self.picked_edits = gr.State(None), gr.State(None)
        self.revision = gr.State(-1)
        self.tab = gr.State("review")
        self.redraws = {name: gr.State(-1) for name in TABS}
        with gr.Row(elem_id="gs-header"):
            self.header = build_header(studio.status())
            self.author = gr.Textbox(
                label="Your name",
                placeholder="Your name",
                show_label=False,
                max_lines=1,
                container=False,
                elem_id="gs-author",
            )
            build_mode_switch()
        with gr.Tabs(selected="review", elem_id="gs-tabs") as self.tabs:
            for name in TABS:
                with gr.Tab(name.title(), id=name, elem_id=f"gs-tab-{name}") as tab:
                    self._page(name, tab, projection)
                bind(tab.select, partial(self.on_tab, name), self.revision, [self.tab, self.redraws[name]])
        self._bind(app)

    def _page(self, name: str, tab: gr.Tab, projection: Projection | None) -> None:
        context = PageContext(
            self.studio, self.session, self.author, self.selected_edit, self.picked_edits, self.revision, self.tabs,
            self.redraws[name],
        )  # fmt: skip
        match name:
            case "review":
                build_review(context)
            case "map":
                build_map(context, projection).on_open(tab.select)
            case "edits":
                build_edits(context)
            case "lab":
                self.lab = build_lab(context)

    def _bind(self, app: gr.Blocks) -> None:
        opening = [self.selected_edit, self.tabs, self.tab, self.revision, self.header]
        bind(app.load, self.on_load, self.session, opening)
        bind(app.load, self.lab.on_load, None, [self.lab.tabs, self.lab.part])
        bind(app.load, None, None, self.author, js=READ_AUTHOR)
        bind(self.author.change, None, self.author, js=KEEP_AUTHOR)
        bind(gr.Timer(POLL_SECONDS).tick, self.on_poll, [self.revision, self.session, self.author], self.revision)
        bind(self.revision.change, self.on_revision, [self.revision, self.tab], [self.header, *self.redraws.values()])
        app.unload(self.on_unload)

    def on_load(self, request: gr.Request, own: Session) -> tuple[Any, ...]:
        """A fresh page: the address may name a tab and an edit."""
        own.asker = request.session_hash or ""
        own.known = self.studio.edits_mark()
        edit_id = request.query_params.get("edit") or None
        named = request.query_params.get("tab") or ("map" if edit_id else "")
        tab = named if named in TABS else "review"
        # Where the address names none, a person who was quicker than this event has perhaps opened one.
        where = (gr.update(selected=tab), tab) if named else (gr.skip(), gr.skip())
        return edit_id, *where, self.studio.revision(), header_value(self.studio.status())

    def on_tab(self, name: str, revision: int) -> tuple[str, int]:
        """A tab is opened: its page draws itself where it has not yet shown this revision."""
        return name, revision

    def on_poll(self, seen: int, own: Session, name: str) -> Any:
        """Has the journal grown? Views redraw when `revision` changes; a toast tells of other people's edits."""
        now = self.studio.revision()
        if now == seen:
            return gr.skip()
        known = self.studio.edits_mark()
        if own.known is not None and known != own.known and not own.busy:
            tell(own.known, known, name)
        own.known = known
        return now

    def on_revision(self, revision: int, tab: str) -> tuple[Any, ...]:
        """The header and the page of the open tab follow; others wait until they are opened."""
        redraws = (revision if name == tab else gr.skip() for name in self.redraws)
        return header_value(self.studio.status()), *redraws

    def on_unload(self, request: gr.Request) -> None:
        """The browser is gone: nobody waits for its jobs any more."""
        if request.session_hash:
            self.studio.leave(request.session_hash)


def tell(before: EditsMark, now: EditsMark, name: str) -> None:
    """A toast about a change of the edits that this browser did not make. Toasts render HTML: escape."""
    if now.newest != before.newest:
        if now.author != name or not name:
            gr.Info(html.escape(f"{now.author or 'Someone'} edited “{now.prompt}”."))
    else:
        gr.Info("An edit was undone or restored in another window.")
