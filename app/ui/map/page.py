"""The Map page: every key and query on one map, and everything about the selected edit beside it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.map.layout.layout import Activity, Projection
from app.map.page import MapDesk
from app.map.surroundings import Radial
from app.map.surroundings_figures import radial_figure, radial_note, strip_figure, strip_note, table
from app.studio.views import Tries
from app.ui.components.figure import build_figure, figure_value
from app.ui.components.message import NONE, build_message, message_value
from app.ui.map.edit_detail import build_edit_detail, edit_detail_value
from app.ui.map.key_map import build_key_map, key_map_value
from app.ui.session import Waiting, each, failure_text, private, waiting_text, warn
from app.ui.session import follow as follow_job

if TYPE_CHECKING:
    from app.studio.facade import Studio

# How often a page that waits for a layout asks how far it is.
_ASK_SECONDS = 0.7
_NO_KEY = "Select a key: what lies around it appears here at its true distance, which no flat map can keep."
_WITHDRAWN = "This edit is not in force, so it has no key. Redo brings it back."


@dataclass(frozen=True)
class MapPage:
    """What the shell needs to know of the page: bind `on_open` to the select event of its tab."""

    projection: Projection
    _open: Callable[..., Any]
    _inputs: list[Any]
    _outputs: list[Any]

    def on_open(self, event: Any) -> Any:
        """Draw the map when `event` says that it is being opened; until then nothing is computed."""
        return private(event, self._open, self._inputs, self._outputs)


def build_map(
    studio: Studio,
    selected_edit: gr.State,
    revision: gr.State,
    *,
    picked_edits: gr.State | None = None,
    author: gr.Textbox | None = None,
    projection: Projection | None = None,
) -> MapPage:
    """Builds the page inside the current tab.

    selected_edit: an edit id or None, shared with the other pages. revision: changes when the journal has grown.
    picked_edits: the ids of the edits whose keys a lasso or a search picked out, or None; for the other pages, too.
    author: who undoes (a box of the shell). projection: made, and UMAP warmed up, where none is given.
    """
    if projection is None:
        projection = Projection(_layout_file(studio))
        projection.warm_up()
    place = projection

    shown = gr.State(False)
    known = gr.State("")  # The scene whose points this browser has.
    tries = gr.State(Tries())  # The prompts of "Where does this land?"; changed in place: several may wait at a time.
    tried = gr.State(0)  # Another number whenever they have changed.
    undone_shown = gr.State(False)
    signature = author if author is not None else gr.State("")
    picked = picked_edits if picked_edits is not None else gr.State(None)
    with gr.Row(elem_classes="gs-columns"):
        with gr.Column(scale=2, min_width=420):
            with gr.Column(elem_classes="gs-panel"):
                with gr.Row(elem_classes="gs-map-head"):
                    gr.HTML('<h2 class="gs-heading">Map of edits</h2>', apply_default_css=False, elem_classes="gs-part")
                    relayout = gr.Button("New layout", size="sm", elem_id="gs-new-layout", scale=0, min_width=150)
                with gr.Row(elem_classes="gs-field-row gs-land"):
                    prompt = gr.Textbox(
                        label="Where does this land?",
                        placeholder="Where does this land? Type a prompt to see what would answer it; nothing is logged.",
                        show_label=False,
                        container=False,
                        max_lines=1,
                        elem_id="gs-land",
                    )
                    land = gr.Button("Show", size="sm", elem_id="gs-land-show")
                problem = build_message("gs-land-message")
                key_map = build_key_map()
            with gr.Row(elem_classes="gs-columns gs-even"):
                with gr.Column(min_width=320, elem_classes="gs-panel"):
                    gr.HTML('<h2 class="gs-heading">True distances</h2>', apply_default_css=False, elem_classes="gs-part")
                    around = build_figure(
                        elem_id="gs-radial", label="Exact radial view of the selected edit", filename="grace-studio-radial",
                        height=380, value=figure_value(None, empty=_NO_KEY),
                    )  # fmt: skip
                with gr.Column(min_width=320, elem_classes="gs-panel"):
                    gr.HTML('<h2 class="gs-heading">By distance</h2>', apply_default_css=False, elem_classes="gs-part")
                    strip = build_figure(
                        elem_id="gs-strip", label="Queries by distance to the selected edit", filename="grace-studio-distances",
                        height=380, value=figure_value(None, empty=_NO_KEY),
                    )  # fmt: skip
        with gr.Column(scale=1, min_width=300, elem_classes="gs-panel"):
            with gr.Row(elem_classes="gs-actions gs-map-actions"):
                undo = gr.Button("Undo this edit", size="sm", visible=False, elem_id="gs-map-undo")
                redo = gr.Button("Redo this edit", size="sm", visible=False, elem_id="gs-map-redo")
                clear = gr.Button("Clear selection", size="sm", visible=False, elem_id="gs-map-clear")
            detail = build_edit_detail()
    timer = gr.Timer(_ASK_SECONDS, active=False)

    looking = [selected_edit, known, tries, undone_shown]
    drawn = [key_map, known, around, strip, detail, undo, redo, clear, relayout, timer]
    desk = MapDesk(studio, place)

    def draw(selected: str | None, has: str, tries: Tries, undone: bool, *, opened: bool = False) -> tuple[Any, ...]:
        look = desk.look(selected, tries, opened=opened, undone=undone)
        state = look.detail.row.state if look.detail is not None else None
        about = edit_detail_value(look.detail, any_key=bool(look.scene.view.keys))
        if look.missing:
            about |= {"title": "Edit not found", "hint": look.missing}
        return (
            key_map_value(
                look.scene, selected, status=look.status, landed=look.landed, withdrawn=look.withdrawn,
                undone_shown=undone, known=has,
            ),
            look.scene.scene_id,
            *_exact(look.radial, in_force=state != "undone"),
            about,
            gr.Button(visible=state in ("active", "superseded")),
            gr.Button(visible=state == "undone"),
            gr.Button(visible=selected is not None),
            gr.Button(_progress(look.activity), interactive=look.activity is None and bool(look.scene.scene_size)),
            gr.Timer(active=look.activity is not None),
        )  # fmt: skip

    def open_page(*look: Any) -> tuple[Any, ...]:
        return True, *draw(*look, opened=True)

    def follow(*look: Any) -> tuple[Any, ...]:
        *looked, has_been_shown = look
        return True, *draw(*looked, opened=not has_been_shown)

    def refresh(*look: Any) -> Any:
        *looked, has_been_shown = look
        return draw(*looked) if has_been_shown else tuple(gr.skip() for _ in drawn)

    def send_points(selected: str | None, tries: Tries, undone: bool) -> tuple[Any, ...]:
        return draw(selected, "", tries, undone)

    def select(event: gr.EventData) -> str:
        return str(event.edit_id)

    def pick(event: gr.EventData) -> tuple[tuple[str, ...] | None, Any]:
        return desk.scene().edits_of(event.edit_ids or ()) or None, str(event.selected) if event.selected else gr.skip()

    def show_undone(event: gr.EventData) -> bool:
        return bool(event.shown)

    def select_point(event: gr.EventData) -> Any:
        return str(event.id) if event.id else gr.skip()

    def new_layout(*look: Any) -> tuple[Any, ...]:
        place.refit(studio.map_view())
        return draw(*look)

    def try_prompt(text: str, tries: Tries) -> Iterator[Any]:
        try:
            job = studio.probe(text)
            for waiting in follow_job(job):
                yield gr.skip(), message_value(waiting_text(waiting.ahead) if isinstance(waiting, Waiting) else "", "plain")
            tries.add(job.result())
            yield time.monotonic_ns(), NONE
        except Exception as error:  # noqa: BLE001 - shown to the person; all but our own are logged.
            yield gr.skip(), message_value(failure_text(error))

    def clear_try(tries: Tries, event: gr.EventData) -> tuple[int, Any]:
        tries.clear(event.number)
        return time.monotonic_ns(), NONE

    def withdraw(edit_id: str | None, name: str) -> Any:
        return _change(studio.undo, edit_id, name, studio)

    def withdraw_by_key(event: gr.EventData, name: str) -> Any:
        return _change(studio.undo, str(event.edit_id), name, studio)

    def restore(edit_id: str | None, name: str) -> Any:
        return _change(studio.redo, edit_id, name, studio)

    # One way in: every gesture only sets the selection or makes the journal grow, and the page follows these two.
    each(key_map.select_edit, select, None, selected_edit)
    each(key_map.pick_keys, pick, None, [picked, selected_edit])
    each(detail.open_edit, select, None, selected_edit)
    each(around.point_click, select_point, None, selected_edit)
    each(strip.point_click, select_point, None, selected_edit)
    private(key_map.clear_edit, lambda: None, None, selected_edit)
    private(clear.click, lambda: None, None, selected_edit)
    private(selected_edit.change, follow, [*looking, shown], [shown, *drawn])
    private(revision.change, refresh, [*looking, shown], drawn)
    private(timer.tick, refresh, [*looking, shown], drawn)
    private(key_map.need_points, send_points, [selected_edit, tries, undone_shown], drawn)
    private(relayout.click, new_layout, looking, drawn)
    each(gr.on, [land.click, prompt.submit], try_prompt, [prompt, tries], [tried, problem])
    each(key_map.clear_landing, clear_try, tries, [tried, problem])
    each(key_map.show_undone, show_undone, None, undone_shown)
    private(undone_shown.change, refresh, [*looking, shown], drawn)
    private(tried.change, refresh, [*looking, shown], drawn)
    private(undo.click, withdraw, [selected_edit, signature], revision)
    private(key_map.undo_edit, withdraw_by_key, [signature], revision)
    private(redo.click, restore, [selected_edit, signature], revision)
    return MapPage(place, open_page, looking, [shown, *drawn])


def _exact(view: Radial | None, *, in_force: bool) -> tuple[str, str]:
    """The radial view and the strip."""
    if view is None:
        empty = figure_value(None, empty=_NO_KEY if in_force else _WITHDRAWN)
        return empty, empty
    rows = table(view)
    return (
        figure_value(radial_figure(view), note=radial_note(view), table=rows),
        figure_value(strip_figure(view), note=strip_note(view), table=rows),
    )


def _change(act: Callable[..., Any], edit_id: str | None, author: str, studio: Studio) -> Any:
    """Undo or redo; the new revision makes every page follow. A refusal is shown and changes nothing."""
    if edit_id is None:
        return gr.skip()
    try:
        act(edit_id, author=author)
    except Exception as error:  # noqa: BLE001 - `warn` shows our own errors as they are and logs all others.
        warn(error)
    return studio.revision()


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
