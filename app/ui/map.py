"""The Map page: every key and query on one map, and everything about the selected edit beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.errors import NotFound
from app.figures import map_figure
from app.projection import UMAP_FROM, Activity, Layout, Projection
from app.records import EditDetail, MapView
from app.ui.components.edit_detail import build_edit_detail, edit_detail_value
from app.ui.components.key_map import build_key_map, key_map_value
from app.ui.session import private, warn

if TYPE_CHECKING:
    from app.workbench import Workbench

# How often a page that waits for a layout asks how far it is.
_ASK_SECONDS = 0.7


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
    bench: Workbench,
    selected_edit: gr.State,
    revision: gr.State,
    *,
    author: gr.Textbox | None = None,
    projection: Projection | None = None,
) -> MapPage:
    """Builds the page inside the current tab.

    selected_edit: an edit id or None, shared with the other pages. revision: changes when the journal has grown.
    author: who undoes (a box of the shell). projection: made, and UMAP warmed up, where none is given.
    """
    if projection is None:
        projection = Projection(_layout_file(bench))
        projection.warm_up()
    place = projection

    shown = gr.State(False)
    signature = author if author is not None else gr.State("")
    with gr.Row(elem_classes="gs-columns"):
        with gr.Column(scale=2, min_width=420, elem_classes="gs-panel"):
            with gr.Row(elem_classes="gs-map-head"):
                gr.HTML('<h2 class="gs-heading">Map of edits</h2>', apply_default_css=False, elem_classes="gs-part")
                relayout = gr.Button("New layout", size="sm", elem_id="gs-new-layout", scale=0, min_width=150)
            key_map = build_key_map()
        with gr.Column(scale=1, min_width=300, elem_classes="gs-panel"):
            with gr.Row(elem_classes="gs-actions gs-map-actions"):
                undo = gr.Button("Undo this edit", size="sm", visible=False, elem_id="gs-map-undo")
                redo = gr.Button("Redo this edit", size="sm", visible=False, elem_id="gs-map-redo")
                clear = gr.Button("Clear selection", size="sm", visible=False, elem_id="gs-map-clear")
            detail = build_edit_detail()
    timer = gr.Timer(_ASK_SECONDS, active=False)

    drawn = [key_map, detail, undo, redo, clear, relayout, timer]

    def draw(selected: str | None, *, opened: bool = False) -> tuple[Any, ...]:
        view = bench.map_view()
        layout = place.layout(view, opened=opened)
        activity = place.activity
        found, missing = _detail(bench, selected)
        figure = map_figure(view, layout, selected, distance=bench.codebook.config.distance)
        about = edit_detail_value(found, any_key=bool(view.keys))
        if missing:
            about |= {"title": "Edit not found", "hint": missing}
        state = found.row.state if found is not None else None
        return (
            key_map_value(view, figure, selected, status=_status(view, layout, activity)),
            about,
            gr.Button(visible=state in ("active", "superseded")),
            gr.Button(visible=state == "undone"),
            gr.Button(visible=selected is not None),
            gr.Button(_progress(activity), interactive=activity is None and bool(view.keys or view.queries)),
            gr.Timer(active=activity is not None),
        )

    def open_page(selected: str | None) -> tuple[Any, ...]:
        return True, *draw(selected, opened=True)

    def follow(selected: str | None, has_been_shown: bool) -> tuple[Any, ...]:
        return True, *draw(selected, opened=not has_been_shown)

    def refresh(selected: str | None, has_been_shown: bool) -> Any:
        return draw(selected) if has_been_shown else tuple(gr.skip() for _ in drawn)

    def select(event: gr.EventData) -> str:
        return str(event.edit_id)

    def new_layout(selected: str | None) -> tuple[Any, ...]:
        place.refit(bench.map_view())
        return draw(selected)

    def withdraw(edit_id: str | None, name: str) -> Any:
        return _change(bench.undo, edit_id, name, bench)

    def withdraw_by_key(event: gr.EventData, name: str) -> Any:
        return _change(bench.undo, str(event.edit_id), name, bench)

    def restore(edit_id: str | None, name: str) -> Any:
        return _change(bench.redo, edit_id, name, bench)

    # One way in: every gesture only sets the selection or makes the journal grow, and the page follows these two.
    private(key_map.select_edit, select, None, selected_edit)
    private(detail.open_edit, select, None, selected_edit)
    private(key_map.clear_edit, lambda: None, None, selected_edit)
    private(clear.click, lambda: None, None, selected_edit)
    private(selected_edit.change, follow, [selected_edit, shown], [shown, *drawn])
    private(revision.change, refresh, [selected_edit, shown], drawn)
    private(timer.tick, refresh, [selected_edit, shown], drawn)
    private(relayout.click, new_layout, [selected_edit], drawn)
    private(undo.click, withdraw, [selected_edit, signature], revision)
    private(key_map.undo_edit, withdraw_by_key, [signature], revision)
    private(redo.click, restore, [selected_edit, signature], revision)
    return MapPage(place, open_page, [selected_edit], [shown, *drawn])


def _change(act: Callable[..., Any], edit_id: str | None, author: str, bench: Workbench) -> Any:
    """Undo or redo; the new revision makes every page follow. A refusal is shown and changes nothing."""
    if edit_id is None:
        return gr.skip()
    try:
        act(edit_id, author=author)
    except Exception as error:  # noqa: BLE001 - `warn` shows our own errors as they are and logs all others.
        warn(error)
    return bench.revision()


def _detail(bench: Workbench, selected: str | None) -> tuple[EditDetail | None, str]:
    """The selected edit, or why there is none (a permalink may name an edit of another codebook)."""
    if selected is None:
        return None, ""
    try:
        return bench.detail(selected), ""
    except NotFound as error:
        return None, str(error)


def _status(view: MapView, layout: Layout, activity: Activity | None) -> str:
    """What to know about this layout right now; usually nothing."""
    parts = []
    if activity is not None:
        done = "" if activity.fraction is None else f" {activity.fraction:.0%}"
        meanwhile = " This preliminary layout is shown meanwhile." if layout.provisional else ""
        parts.append(f"{activity.text}…{done}{meanwhile}")
    elif layout.method != "umap" and not layout.problem and len(view.keys) + len(view.queries) >= UMAP_FROM:
        parts.append("Made when there were few points. “New layout” arranges all of them with UMAP.")
    if layout.problem:
        parts.append(layout.problem)
    return " ".join(parts)


def _progress(activity: Activity | None) -> str:
    if activity is None:
        return "New layout"
    return "Laying out…" if activity.fraction is None else f"Laying out… {activity.fraction:.0%}"


def _layout_file(bench: Workbench) -> Path | None:
    """One file for each model and key layer (their query spaces have nothing in common); None without a data dir."""
    status = bench.status()
    if not Path(status.data_dir).is_dir():
        return None
    name = hashlib.blake2b(f"{status.fingerprint} {status.key_layer}".encode(), digest_size=8).hexdigest()
    return Path(status.data_dir) / "map" / f"{name}.npz"
