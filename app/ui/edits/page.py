"""The Edits page: every edit, newest first, with Undo, Redo and a link to the map on each row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from app.studio.views import EditPage
from app.ui.edits.edit_table import PAGE_SIZE, Picked, View, build_table, table_value
from app.ui.open_map import bind_open_map
from app.ui.sent import Looking, OfEdit, read
from app.ui.session import PageContext, Session, bind, bind_every, warn


class EditsPage:
    """The table and its events. What a browser looks at is its `View`; rows are always named by id."""

    def __init__(self, context: PageContext) -> None:
        self.context = context
        self.studio = context.studio
        self.view = gr.State(View())
        with gr.Column(elem_classes="gs-panel"):
            self.table = build_table(self.draw(View(), None))
        self._bind()

    def _bind(self) -> None:
        context = self.context
        looking = [self.view, context.selected_edit, context.picked_edits]
        acting = [*looking, context.author, context.session]
        acted = [self.table, context.revision]
        bind_every(self.table.view, self.on_view, looking, [self.table, self.view])
        bind_every(self.table.undo, self.on_undo, acting, acted, failed=self.on_refused)
        bind_every(self.table.redo, self.on_redo, acting, acted, failed=self.on_refused)
        bind_open_map(context, self.table)
        bind(self.table.review, self.on_review, None, context.tabs)
        bind(context.redraw.change, self.draw, looking, self.table)
        # One handler for both, which change together: of two, the slower would put the view of before back.
        elsewhere = [context.selected_edit.change, context.picked_edits.change]
        bind(elsewhere, self.on_elsewhere, looking, [self.table, self.view])

    def draw(self, view: View, selected: str | None, picked: Picked = None) -> dict[str, Any]:
        """The rows of this view as they are now; a page that has become empty gives way to the last that is not."""
        page = self._page(view, picked)
        if not page.rows and page.total:
            view = replace(view, offset=(page.total - 1) // PAGE_SIZE * PAGE_SIZE)
            page = self._page(view, picked)
        return table_value(page, view, selected=selected, picked=picked)

    def on_elsewhere(self, view: View, selected: str | None, picked: Picked) -> tuple[Any, Any]:
        """On the map edits were picked out, or one was selected.

        Show those that were picked out, until that is over; turn to the page that the selected edit is on, unless the
        search or filter leaves it out.
        """
        if picked != view.seen:
            view = View(picked=True) if picked is not None else replace(view, picked=False)
            view = replace(view, seen=picked)
        page = self._page(view, picked, selected)
        if not page.rows:
            return self.draw(view, selected, picked), view
        view = replace(view, offset=page.offset)
        return table_value(page, view, selected=selected, picked=picked), view

    def _page(self, view: View, picked: Picked, holding: str | None = None) -> EditPage:
        among = frozenset(picked or ()) if view.picked else None
        return self.studio.edits(
            search=view.search, state=view.state, among=among, offset=view.offset, limit=PAGE_SIZE, holding=holding
        )  # fmt: skip

    def on_view(self, before: View, selected: str | None, picked: Picked, event: gr.EventData) -> tuple[Any, Any]:
        view = replace(View.of(read(event, Looking)), seen=before.seen)
        if view.asked < before.asked:  # overtaken by what was asked for later
            return gr.skip(), gr.skip()
        return self.draw(view, selected, picked), view

    def on_undo(
        self, view: View, selected: str | None, picked: Picked, author: str, session: Session, event: gr.EventData
    ) -> tuple[Any, Any]:
        self.studio.undo(read(event, OfEdit).edit_id, author=author)
        return self._acted(view, selected, picked, session)

    def on_redo(
        self, view: View, selected: str | None, picked: Picked, author: str, session: Session, event: gr.EventData
    ) -> tuple[Any, Any]:
        self.studio.redo(read(event, OfEdit).edit_id, author=author)
        return self._acted(view, selected, picked, session)

    def on_refused(
        self, error: Exception, view: View, selected: str | None, picked: Picked, author: str, session: Session, *event: Any
    ) -> tuple[Any, Any]:
        """Nothing was changed; the rows are drawn all the same, which frees the button that was pressed."""
        warn(error)
        return self._acted(view, selected, picked, session)

    def _acted(self, view: View, selected: str | None, picked: Picked, session: Session) -> tuple[Any, Any]:
        session.known = self.studio.edits_mark()
        return self.draw(view, selected, picked), self.studio.revision()

    def on_review(self) -> Any:
        return gr.update(selected="review")


def build_edits(context: PageContext) -> EditsPage:
    """Build the page inside the tab that is open."""
    return EditsPage(context)
