"""The map as a table, for its CSV: every point whole, with who wrote it, when, and on what source. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.map.colouring import groups
from app.map.scene import MapScene
from app.map.trials import Landed
from app.map.undone_keys import UndoneKey
from app.studio.views import EditRow

COLUMNS = (
    "kind", "id", "prompt", "target or logged answer", "author", "time", "source", "map x", "map y", "epsilon", "answered by",
    "distance to nearest key", "distance to selected key", "standing",
)  # fmt: skip
_DIGITS = 4


def map_table(
    scene: MapScene,
    edits: Mapping[str, EditRow],
    *,
    selected: str | None = None,
    undone: Sequence[UndoneKey] = (),
    landed: Sequence[Landed] = (),
) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Columns and rows: keys, undone keys that are shown, queries, prompts tried. edits: by their ids."""
    view, layout = scene.view, scene.layout
    chosen = None if selected is None else scene.row_of.get(selected)
    to_queries = None if chosen is None else scene.to_queries(chosen)
    standing = [""] * len(view.queries)
    for group in groups(view, chosen, to_queries, scene.distance).groups:
        for row in group.rows.tolist():
            standing[row] = group.label
    owners = {edit_id: key.edit_id for key in view.keys for edit_id in (*key.edit_ids, key.edit_id)}
    rows = [
        ["key", key.edit_id, key.prompt, key.target, *_made(edits.get(key.edit_id)), *_place(layout.keys[row]),
         round(float(key.epsilon), _DIGITS), None, None, None, "selected" if row == chosen else ""]
        for row, key in enumerate(view.keys)
    ]  # fmt: skip
    rows += [
        ["key", key.edit_id, key.prompt, key.target, *_made(edits.get(key.edit_id)), *_place((key.x, key.y)),
         None, None, None, None, "undone"]
        for key in undone
    ]  # fmt: skip
    rows += [
        ["query", query.query_id, query.prompt, query.text, query.author, query.at.isoformat() if query.at else None, None,
         *_place(layout.queries[row]), None, owners.get(query.edit_id or ""), _number(query.distance),
         None if to_queries is None else _number(to_queries[row]), standing[row]]
        for row, query in enumerate(view.queries)
    ]  # fmt: skip
    rows += [
        ["prompt tried", one.number, one.prompt, None, None, None, None, *_place((one.x, one.y)), None,
         one.key.edit_id if one.key is not None and one.matched else None,
         None if one.key is None else _number(one.distance), None, "not logged"]
        for one in landed
    ]  # fmt: skip
    return COLUMNS, rows


def _made(edit: EditRow | None) -> tuple[str | None, str | None, str | None]:
    return (None, None, None) if edit is None else (edit.author, edit.at.isoformat(), edit.source_url)


def _place(xy: Any) -> tuple[float, float]:
    return round(float(xy[0]), _DIGITS), round(float(xy[1]), _DIGITS)


def _number(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DIGITS)
