"""The map as a Plotly figure: pure functions of a `MapView`, its `Layout` and the selected edit.

Colours are tokens ("@own") until `themed` puts those of the light or dark mode in their place; the page's script does
the same, so that switching the mode asks no server. Positions and circles are approximate, colours are exact:
membership is computed from the vectors themselves, never from the plane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.labels import Box, Label, distinctive, place_labels
from app.membership import COLOURED_KEYS, CROWD, Group, Groups, exact_distances, groups, key_colours, key_index
from app.projection import Layout
from app.records import MapKey, MapQuery, MapView
from grace_core.config import Distance

Theme = Literal["light", "dark"]
Symbol = Literal["key", "dot", "ball"]
Figure = dict[str, Any]

# Okabe and Ito's colours, with a contrast of 3:1 or more to the ground of their mode; @faint,
# which greys out what a selection leaves aside, has less. They stay apart for the common kinds of colour blindness;
# keys and dots differ in shape as well.
PALETTES: Mapping[Theme, Mapping[str, str]] = {
    "light": {
        "@text": "#1d1c1a",
        "@muted": "#5d5b55",
        "@surface": "#ffffff",
        "@veil": "rgba(255,255,255,0.82)",
        "@line": "#c9c7c0",
        "@own": "#0072b2",
        "@own-soft": "rgba(0,114,178,0.07)",
        "@contested": "#c75000",
        "@grey": "#8b8980",
        "@faint": "#b5b3ab",
        "@key0": "#0072b2",
        "@key1": "#c75000",
        "@key2": "#008a65",
        "@key3": "#b85a93",
        "@key4": "#a87400",
        "@key5": "#3e8fc4",
        "@key6": "#6b4fa3",
    },
    "dark": {
        "@text": "#ecebe6",
        "@muted": "#aaa79e",
        "@surface": "#1d1d1b",
        "@veil": "rgba(29,29,27,0.82)",
        "@line": "#4b4944",
        "@own": "#56b4e9",
        "@own-soft": "rgba(86,180,233,0.09)",
        "@contested": "#f08a3c",
        "@grey": "#8f8d85",
        "@faint": "#63615b",
        "@key0": "#56b4e9",
        "@key1": "#f08a3c",
        "@key2": "#2bc497",
        "@key3": "#e08fbd",
        "@key4": "#e6b93c",
        "@key5": "#4f8fd0",
        "@key6": "#b39be6",
    },
}

_LABELLED_KEYS = 12
_BALLS = 400
_WEBGL_FROM = 1500
_KEY_SIZE, _DOT_SIZE = 15, 7
# The plot's size is not known here: labels are placed for this one, and keep clear of each other in any larger one.
_NOMINAL = (700.0, 530.0)
# Texts, ids and coordinates: data, whatever they begin with.
_PLAIN = frozenset({"hovertext", "customdata", "text", "x", "y"})
_CIRCLE = np.exp(1j * np.linspace(0, 2 * np.pi, 49))


@dataclass(frozen=True)
class LegendItem:
    """A line of the legend: what a mark means and how many there are now."""

    label: str
    count: int
    colour: str
    symbol: Symbol


@dataclass(frozen=True)
class MapFigure:
    """figure: Plotly JSON (data, layout). note: what the colours and circles of this very map are worth."""

    figure: Figure
    legend: tuple[LegendItem, ...]
    note: str


def map_figure(
    view: MapView,
    layout: Layout,
    selected: str | None = None,
    theme: Theme | None = None,
    *,
    distance: Distance,
) -> MapFigure:
    """Everything the map shows. Without a theme, colours stay tokens of `PALETTES`. distance: the codebook's."""
    chosen = key_index(view, selected)
    by_class = groups(view, chosen, distance)
    colours = key_colours(view, chosen, by_class.contesting)
    radii = layout.scales * _straight(np.array([key.epsilon for key in view.keys], dtype=np.float64), distance)
    distances = None if chosen is None else exact_distances(view, chosen, distance)

    gl = "scattergl" if len(view.queries) + len(view.keys) > _WEBGL_FROM else "scatter"
    traces = _balls(view, layout, radii, colours, chosen)
    for group in by_class.groups:
        traces.append(_dots(view, layout, group, gl, distances))
    traces.append(_diamonds(view, layout, gl, colours, chosen))
    ranges = _ranges(layout, radii if len(view.keys) <= CROWD else np.zeros(len(view.keys)))
    figure: Figure = {
        "data": traces,
        "layout": {
            "uirevision": f"layout-{layout.layout_id}",
            "xaxis": {"visible": False, "range": ranges[0], "constrain": "range"},
            "yaxis": {"visible": False, "range": ranges[1], "constrain": "range", "scaleanchor": "x"},
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "showlegend": False,
            "hovermode": "closest",
            "hoverdistance": 12,
            "dragmode": "pan",
            "paper_bgcolor": "@surface",
            "plot_bgcolor": "@surface",
            "font": {"family": "ui-sans-serif, system-ui, sans-serif", "size": 12, "color": "@text"},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "@muted", "activecolor": "@text"},
            "hoverlabel": {
                "align": "left",
                "bgcolor": "@surface",
                "bordercolor": "@line",
                "font": {"size": 13, "color": "@text"},
            },
            "annotations": _annotations(view, layout, ranges, chosen),
        },
    }
    legend = _legend(view, by_class, chosen)
    note = _note(view, layout, radii, by_class, chosen)
    return MapFigure(figure if theme is None else themed(figure, theme), legend, note)


def _straight(epsilon: NDArray[np.float64], distance: Distance) -> NDArray[np.float64]:
    """ε as a length in the query space, which is what layouts keep: for unit vectors, 1 - cos = length² / 2."""
    return np.sqrt(2.0 * epsilon) if distance == "cosine" else epsilon


def themed(value: Any, theme: Theme) -> Any:
    """`value` with every colour token replaced by the theme's colour."""
    palette = PALETTES[theme]
    if isinstance(value, str):
        return palette.get(value, value)
    if isinstance(value, Mapping):
        return {name: part if name in _PLAIN else themed(part, theme) for name, part in value.items()}
    if isinstance(value, list):
        return [themed(part, theme) for part in value]
    return value


# -- Traces -----------------------------------------------------------------------------------------------------------


def _dots(view: MapView, layout: Layout, group: Group, kind: str, distances: NDArray[np.float64] | None) -> dict[str, Any]:
    points = layout.queries[group.rows].round(4)
    brief = len(view.queries) > 5000
    return {
        "type": kind,
        "mode": "markers",
        "name": group.label,
        "meta": "query",
        "x": points[:, 0].tolist(),
        "y": points[:, 1].tolist(),
        "customdata": [view.queries[row].edit_id or "" for row in group.rows],
        "hoverinfo": "text",
        "hovertext": [
            _query_hover(view.queries[row], None if distances is None else float(distances[row]), brief) for row in group.rows
        ],
        "marker": {
            "size": _DOT_SIZE if len(view.queries) <= _WEBGL_FROM else _DOT_SIZE - 2,
            "symbol": "circle",
            "color": group.colours,
            "opacity": group.opacity,
            "line": {"width": 0.75, "color": "@surface"},
        },
    }


def _diamonds(view: MapView, layout: Layout, kind: str, colours: list[str], chosen: int | None) -> dict[str, Any]:
    """The keys, of the same kind as the dots: WebGL traces lie above all others, and keys must lie above dots."""
    points = layout.keys.round(4)
    usual = _KEY_SIZE if len(view.keys) <= CROWD else _KEY_SIZE - 5
    size = [_KEY_SIZE + 6 if row == chosen else usual for row in range(len(view.keys))]
    return {
        "type": kind,
        "mode": "markers",
        "name": "keys",
        "meta": "key",
        "x": points[:, 0].tolist(),
        "y": points[:, 1].tolist(),
        "customdata": [key.edit_id for key in view.keys],
        "hoverinfo": "text",
        "hovertext": [_key_hover(key) for key in view.keys],
        "marker": {
            "symbol": "diamond",
            "size": size,
            "color": colours,
            "opacity": 1.0,
            "line": {
                "width": [2.5 if row == chosen else 1.5 for row in range(len(view.keys))],
                "color": ["@text" if row == chosen else "@surface" for row in range(len(view.keys))],
            },
        },
    }


def _balls(
    view: MapView, layout: Layout, radii: NDArray[np.float64], colours: list[str], chosen: int | None
) -> list[dict[str, Any]]:
    """Dashed circles, the selected one last and tinted. Too many would hide the map: then the selected one alone."""
    all_drawn = len(view.keys) <= (_BALLS if chosen is None else CROWD)
    rows = [row for row in range(len(view.keys)) if row != chosen] if all_drawn else []
    groups: dict[str, list[int]] = {}
    for row in rows:
        groups.setdefault(colours[row], []).append(row)
    faint = chosen is not None or len(view.keys) > CROWD
    traces = [_circles(layout, radii, members, colour, faint) for colour, members in groups.items()]
    if chosen is not None:
        traces.append(_circles(layout, radii, [chosen], "@own", False) | {"fill": "toself", "fillcolor": "@own-soft"})
    return traces


def _circles(layout: Layout, radii: NDArray[np.float64], rows: Sequence[int], colour: str, faint: bool) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for row in rows:
        circle = radii[row] * _CIRCLE
        x += [*(layout.keys[row, 0] + circle.real).round(4).tolist(), None]
        y += [*(layout.keys[row, 1] + circle.imag).round(4).tolist(), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "ε, approximate",
        "meta": "ball",
        "x": x,
        "y": y,
        "hoverinfo": "skip",
        "opacity": 0.3 if faint else 0.75,
        "line": {"color": colour, "width": 1 if faint else 1.4, "dash": "dash"},
    }


def _ranges(layout: Layout, radii: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Axis ranges that hold all points and circles, on a coarse grid so that a new point seldom changes them."""
    corners = np.concatenate([layout.queries, layout.keys - radii[:, None], layout.keys + radii[:, None], layout.keys], axis=0)
    if not len(corners):
        return [-1.0, 1.0], [-1.0, 1.0]
    low, high = corners.min(0), corners.max(0)
    step = 2.0 ** np.floor(np.log2(max(float((high - low).max()), 1.0) / 10))
    low, high = np.floor(low / step - 0.3) * step, np.ceil(high / step + 0.3) * step
    return [float(low[0]), float(high[0])], [float(low[1]), float(high[1])]


def _annotations(
    view: MapView, layout: Layout, ranges: tuple[list[float], list[float]], chosen: int | None
) -> list[dict[str, Any]]:
    """Names beside the keys, where they are few; the selected key always has its own."""
    named = list(range(len(view.keys))) if len(view.keys) <= _LABELLED_KEYS else []
    named = ([chosen] if chosen is not None else []) + [row for row in named if row != chosen]
    if not named:
        return []
    (left, right), (bottom, top) = ranges
    pixels = min(_NOMINAL[0] / (right - left), _NOMINAL[1] / (top - bottom))
    origin = np.array([(left + right) / 2, (bottom + top) / 2])
    half = np.array(_NOMINAL) / 2

    def on_screen(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        screen: NDArray[np.float64] = (xy - origin) * pixels * np.array([1.0, -1.0]) + half
        return screen

    key_points = on_screen(layout.keys)
    names = distinctive([key.prompt for key in view.keys])
    placed = place_labels(
        [
            ((float(key_points[row, 0]), float(key_points[row, 1])), _shorten(names[row], 34 if row == chosen else 26))
            for row in named
        ],
        obstacles=[Box.around(x, y, _KEY_SIZE + 2, _KEY_SIZE + 2) for x, y in key_points],
        avoid=on_screen(layout.queries),
        frame=Box(0, 0, *_NOMINAL),
        required=1 if chosen is not None else 0,
    )
    return [
        _annotation(layout.keys[row], label, bold=row == chosen, muted=chosen is not None and row != chosen)
        for row, label in zip(named, placed, strict=True)
        if label is not None
    ]


def _annotation(point: NDArray[np.float64], label: Label, *, bold: bool, muted: bool) -> dict[str, Any]:
    text = escape(label.text)
    return {
        "x": round(float(point[0]), 4),
        "y": round(float(point[1]), 4),
        "text": f"<b>{text}</b>" if bold else text,
        "showarrow": False,
        "xanchor": label.xanchor,
        "yanchor": label.yanchor,
        "xshift": label.dx,
        "yshift": -label.dy,
        "font": {"size": 12, "color": "@muted" if muted else "@text"},
        "bgcolor": "@veil",
        "borderpad": 1,
    }


# -- Words ------------------------------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """Text that Plotly shows as it is: it would read tags and entities in hover texts and labels."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shorten(text: str, length: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


def _wrapped(text: str, length: int, width: int = 56) -> str:
    """Shortened, escaped and broken into lines; a word longer than a line is cut."""
    lines: list[str] = []
    for word in _shorten(text, length).split(" "):
        for piece in [word[at : at + width] for at in range(0, len(word), width)]:
            if lines and len(lines[-1]) + 1 + len(piece) <= width:
                lines[-1] += " " + piece
            else:
                lines.append(piece)
    return "<br>".join(escape(line) for line in lines)


def _key_hover(key: MapKey) -> str:
    shared = f"<br>serves {len(key.edit_ids)} edits" if len(key.edit_ids) > 1 else ""
    return f"<b>{_wrapped(key.prompt, 160)}</b><br>→ {_wrapped(key.target, 160)}<br>ε {key.epsilon:.2f}{shared}"


def _query_hover(query: MapQuery, to_selected: float | None, brief: bool) -> str:
    lines = [f"<b>{_wrapped(query.prompt, 80 if brief else 160)}</b>"]
    if not brief:
        lines.append(_wrapped(query.text, 160))
    if query.distance is not None:
        who = "by an edit" if query.edit_id is not None else "by the model itself"
        lines.append(f"now answered {who}; nearest key at {query.distance:.2f}")
    if to_selected is not None:
        lines.append(f"{to_selected:.2f} from the selected key")
    return "<br>".join(lines)


def _legend(view: MapView, by_class: Groups, chosen: int | None) -> tuple[LegendItem, ...]:
    items = [LegendItem("keys", len(view.keys), "@text" if chosen is None else "@grey", "key")]
    for group in reversed(by_class.groups):
        several = chosen is None and 1 < len(view.keys) <= COLOURED_KEYS and group.label == "answered by an edit"
        label = "answered by an edit, in its key's colour" if several else group.label
        items.append(LegendItem(label, len(group.rows), group.swatch, "dot"))
    if len(view.keys) <= (_BALLS if chosen is None else CROWD):
        items.append(LegendItem("ε, approximate", len(view.keys), "@muted", "ball"))
    elif chosen is not None:
        items.append(LegendItem("its ε, approximate", 1, "@own", "ball"))
    return tuple(items)


def _note(view: MapView, layout: Layout, radii: NDArray[np.float64], by_class: Groups, chosen: int | None) -> str:
    if chosen is None:
        colour = "Colours are exact: what answers each query now."
    else:
        colour = "Colours are exact: which queries the selected edit answers now."
    parts = [colour, "Positions and dashed circles are approximate: a plane cannot keep every distance."]
    if chosen is not None and len(view.queries):
        drawn = np.linalg.norm(layout.queries - layout.keys[chosen], axis=1) <= radii[chosen]
        truly = np.zeros(len(view.queries), bool)
        for group in by_class.groups[1:]:
            truly[group.rows] = True
        inside = int(drawn.sum())
        if inside:
            parts.append(f"Of {inside:,} drawn inside its circle, {int((drawn & truly).sum()):,} truly are within ε.")
    if chosen is None and len(view.keys) > _BALLS:
        parts.append(f"With more than {_BALLS} keys, circles are left out until one is selected.")
    return " ".join(parts)
