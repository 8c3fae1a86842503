"""The Map page: every key and query on one map, and everything about the selected edit beside it."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.charts.plotly import Table
from app.map.export import map_table
from app.map.layout.layout import Projection
from app.map.layout.umap_worker import Activity
from app.map.page import Look, MapDesk
from app.map.surroundings import Radial
from app.map.surroundings_figures import radial_figure, radial_note, strip_figure, strip_note, table
from app.map.trials import Tries
from app.studio.views import EditRow
from app.ui.components.figure import figure_value
from app.ui.components.message import NONE, message_value
from app.ui.map.edit_detail import edit_detail_value
from app.ui.map.key_map import key_map_value
from app.ui.map.parts import NO_KEY, UNDONE, MapParts
from app.ui.sent import Asking, Clearing, OfEdit, Picking, Point, Switch, read
from app.ui.session import PageContext, Session, Waiting, bind, bind_every, failure_text, in_thread, waiting_text, warn

if TYPE_CHECKING:
    from app.studio.facade import Studio

Updates = tuple[Any, ...]


class MapPage:
    """The page and its events. `on_open` is to be bound where the tab is."""

    def __init__(self, context: PageContext, projection: Projection | None = None) -> None:
        """`projection`: made, and UMAP warmed up, where none is given."""
        if projection is None:
            projection = Projection(_layout_file(context.studio))
            projection.warm_up()
        self.context = context
        self.studio = context.studio
        self.projection = projection
        self.desk = MapDesk(context.studio, projection)
        self.shown = gr.State(False)
        self.known = gr.State("")  # The scene whose points this browser has.
        self.tries = gr.State(Tries())  # The prompts of "Where does this land?"; changed in place: several may wait at a time.
        self.tried = gr.State(0)  # Another number whenever they have changed.
        self.undone_shown = gr.State(False)
        self.parts = MapParts()
        self._bind()

    # --- events ---------------------------------------------------------------------------------------------------
    def _bind(self) -> None:
        """One way in: every gesture only sets the selection or makes the journal grow, and the page follows these two."""
        context, parts = self.context, self.parts
        selected, looking, drawn = context.selected_edit, self._looking(), parts.drawn(self.known)
        for event in (parts.key_map.select_edit, parts.detail.open_edit):
            bind_every(event, self.on_select, None, selected)
        for event in (parts.around.point_click, parts.strip.point_click):
            bind_every(event, self.on_select_point, None, selected)
        bind_every(parts.key_map.pick_keys, self.on_pick, None, [context.picked_edits, selected])
        for event in (parts.key_map.clear_edit, parts.clear.click):
            bind(event, self.on_clear, None, selected)
        bind(selected.change, self.on_follow, [*looking, self.shown], [self.shown, *drawn])
        for event in (context.redraw.change, parts.timer.tick, self.undone_shown.change, self.tried.change):
            bind(event, self.on_refresh, [*looking, self.shown], drawn)
        bind(parts.key_map.need_points, self.on_need_points, [selected, self.tries, self.undone_shown], drawn)
        bind_every(parts.key_map.export_table, self.on_export, looking, [parts.key_map, self.known])
        bind(parts.relayout.click, self.on_new_layout, looking, drawn)
        asking = [parts.prompt, self.tries, context.session]
        trying = [self.tried, parts.problem]
        bind_every([parts.land.click, parts.prompt.submit], self.on_try, asking, trying, failed=self.on_try_failed)
        bind_every(parts.key_map.clear_landing, self.on_clear_try, self.tries, trying)
        bind_every(parts.key_map.show_undone, self.on_show_undone, None, self.undone_shown)
        refused = {"failed": self.on_refused}
        bind(parts.undo.click, self.on_undo, [selected, context.author], context.revision, **refused)
        bind(parts.key_map.undo_edit, self.on_undo_key, context.author, context.revision, **refused)
        bind(parts.redo.click, self.on_redo, [selected, context.author], context.revision, **refused)

    def _looking(self) -> list[gr.State]:
        return [self.context.selected_edit, self.known, self.tries, self.undone_shown]

    def on_open(self, event: Any) -> Any:
        """Draw the map when `event` says that it is being opened; until then nothing is computed."""
        return bind(event, self.open, self._looking(), [self.shown, *self.parts.drawn(self.known)])

    def open(self, selected: str | None, known: str, tries: Tries, undone: bool) -> Updates:
        return True, *self.draw(selected, known, tries, undone, opened=True)

    def on_follow(self, selected: str | None, known: str, tries: Tries, undone: bool, shown: bool) -> Updates:
        """Another edit was selected, here or on another page, which may be about to open this one."""
        return True, *self.draw(selected, known, tries, undone, opened=not shown)

    def on_refresh(self, selected: str | None, known: str, tries: Tries, undone: bool, shown: bool) -> Updates:
        """Something has changed that is drawn; nothing where this page was never opened."""
        if not shown:
            return tuple(gr.skip() for _ in self.parts.drawn(self.known))
        return self.draw(selected, known, tries, undone)

    def on_need_points(self, selected: str | None, tries: Tries, undone: bool) -> Updates:
        """This browser has not got the points that it should have."""
        return self.draw(selected, "", tries, undone)

    def on_select(self, event: gr.EventData) -> str:
        return read(event, OfEdit).edit_id

    def on_select_point(self, event: gr.EventData) -> Any:
        return read(event, Point).id or gr.skip()

    def on_clear(self) -> None:
        return None

    def on_pick(self, event: gr.EventData) -> tuple[tuple[str, ...] | None, Any]:
        """A lasso or a search picked keys out."""
        sent = read(event, Picking)
        edits = self.desk.scene().edits_of(sent.edit_ids or ())
        return edits or None, sent.selected or gr.skip()

    def on_show_undone(self, event: gr.EventData) -> bool:
        return read(event, Switch).shown

    def on_export(self, selected: str | None, known: str, tries: Tries, undone: bool, event: gr.EventData) -> tuple[str, str]:
        """The whole table: a browser has only as much of each text as it draws."""
        look = self.desk.look(selected, tries, undone=undone)
        edits = {row.edit_id: row for row in self.studio.edits(limit=sys.maxsize).rows}
        table = map_table(look.scene, edits, selected=selected, undone=look.undone.keys, landed=look.landed)
        return self._map_value(look, selected, undone, known, (read(event, Asking).asked, table)), look.scene.scene_id

    def on_new_layout(self, selected: str | None, known: str, tries: Tries, undone: bool) -> Updates:
        self.projection.refit(self.studio.map_view())
        return self.draw(selected, known, tries, undone)

    async def on_try(self, text: str, tries: Tries, session: Session) -> AsyncIterator[tuple[Any, Any]]:
        """Where does this prompt land?"""
        job = await in_thread(self.studio.try_prompt, text, asker=session.asker)
        async for waiting in job:
            words = waiting_text(waiting.ahead) if isinstance(waiting, Waiting) else ""
            yield gr.skip(), message_value(words, "plain")
        tries.add(await job.wait())
        yield time.monotonic_ns(), NONE

    def on_try_failed(self, error: Exception, *arguments: Any) -> tuple[Any, Any]:
        return gr.skip(), message_value(failure_text(error))

    def on_clear_try(self, tries: Tries, event: gr.EventData) -> tuple[int, Any]:
        tries.clear(read(event, Clearing).number)
        return time.monotonic_ns(), NONE

    def on_undo(self, edit_id: str | None, author: str) -> Any:
        return gr.skip() if edit_id is None else self._changed(self.studio.undo(edit_id, author=author))

    def on_undo_key(self, author: str, event: gr.EventData) -> Any:
        return self._changed(self.studio.undo(read(event, OfEdit).edit_id, author=author))

    def on_redo(self, edit_id: str | None, author: str) -> Any:
        return gr.skip() if edit_id is None else self._changed(self.studio.redo(edit_id, author=author))

    def _changed(self, row: EditRow) -> int:
        """The new revision makes every page follow."""
        return self.studio.revision()

    def on_refused(self, error: Exception, *arguments: Any) -> int:
        """An undo or redo changed nothing, perhaps since another browser was faster: show what is there."""
        warn(error)
        return self.studio.revision()

    # --- drawing --------------------------------------------------------------------------------------------------
    def draw(self, selected: str | None, known: str, tries: Tries, undone: bool, *, opened: bool = False) -> Updates:
        """All that `MapParts.drawn` names, with this edit selected."""
        look = self.desk.look(selected, tries, opened=opened, undone=undone)
        state = look.detail.row.state if look.detail is not None else None
        about = edit_detail_value(look.detail, any_key=bool(look.scene.view.keys))
        if look.missing:
            about |= {"title": "Edit not found", "hint": look.missing}
        return (
            self._map_value(look, selected, undone, known),
            look.scene.scene_id,
            *_exact(look.radial, in_force=state != "undone"),
            about,
            gr.Button(visible=state in ("active", "superseded")),
            gr.Button(visible=state == "undone"),
            gr.Button(visible=selected is not None),
            gr.Button(_progress(look.activity), interactive=look.activity is None and bool(look.scene.scene_size)),
            gr.Timer(active=look.activity is not None),
        )  # fmt: skip

    @staticmethod
    def _map_value(
        look: Look, selected: str | None, undone: bool, known: str, table: tuple[int, Table] | None = None
    ) -> str:  # fmt: skip
        return key_map_value(
            look.scene, selected, status=look.status, landed=look.landed, undone=look.undone, undone_shown=undone,
            known=known, table=table,
        )  # fmt: skip


def build_map(context: PageContext, projection: Projection | None = None) -> MapPage:
    """Build the page inside the tab that is open."""
    return MapPage(context, projection)


def _exact(view: Radial | None, *, in_force: bool) -> tuple[str, str]:
    """The radial view and the strip."""
    if view is None:
        empty = figure_value(None, empty=NO_KEY if in_force else UNDONE)
        return empty, empty
    rows = table(view)
    return (
        figure_value(radial_figure(view), note=radial_note(view), table=rows),
        figure_value(strip_figure(view), note=strip_note(view), table=rows),
    )


def _progress(activity: Activity | None) -> str:
    if activity is None:
        return "New layout"
    return "Laying out…" if activity.fraction is None else f"Laying out… {activity.fraction:.0%}"


def _layout_file(studio: Studio) -> Path | None:
    """One file for each codebook, of the reading that was in force when it was last seen; None without a data dir."""
    status = studio.status()
    if not Path(status.data_dir).is_dir():
        return None
    name = hashlib.blake2b(status.codebook_id.encode(), digest_size=8).hexdigest()
    return Path(status.data_dir) / "map" / f"{name}.npz"
