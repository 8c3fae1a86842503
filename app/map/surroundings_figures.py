"""The exact radial view and the sorted-distance strip as Plotly figures, their sentences and their CSV tables.

Pure functions of a `Radial`. Colours are tokens of `palette.PALETTES`; texts are escaped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.charts.labels import part_of
from app.charts.plotly import Figure, base_layout, distance_unit, escape, shorten, wrapped
from app.map.surroundings import Radial, Spot, Standing
from grace_core.config import Rule
from grace_core.measuring.what_if import Cap

# Drawing order: what matters lies on top. (colour, words for the hover text)
_LOOKS: dict[Standing, tuple[str, str]] = {
    "outside": ("@grey", "outside its ε"),
    "other subject": ("@grey", "within its ε, but about another subject"),
    "contested": ("@contested", "inside, nearer to another key"),
    "own": ("@own", "answered by this edit"),
    "other target": ("@text", "key with another target"),
    "same target": ("@own", "key with the same target"),
}
_CIRCLE = np.exp(1j * np.linspace(0, 2 * np.pi, 121))
_HEIGHT_ABOVE = 1.09
# Lines nearer to each other than this share of all that is shown are one line.
_APART = 0.02
# What the place of a circle's name is chosen for: the width of the square in pixels, and of a character.
_SIDE, _CHARACTER = 300.0, 6.8
# Where on its circle the name may stand, in half turns, best first.
_TURNS = (0.5, -0.5, 0.25, 0.75, -0.25, -0.75, 0.375, 0.625, -0.375, -0.625, 0.125, 0.875, -0.125, -0.875, 0.0, 1.0)

# Of both parts, what is farther off than so many times where they end is left out.
_BEYOND = 2.2

# What the two rules do with a new edit inside the ring, and what the way to another target is to them.
_SPLIT: dict[Rule, str] = {
    "separated": "({}ε) takes from this ε",
    "published": "(ε + its own ε) leaves both at most half their distance",
}
_CAP: dict[Rule, str] = {"separated": "ε at most", "published": "half way"}

COLUMNS = (
    "kind", "id", "prompt", "target or logged answer", "distance", "gap", "standing", "epsilon", "angle (radians)", "subject",
    "question",
)  # fmt: skip


def table(view: Radial) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Every point of both figures, for the CSV: the selected key first."""
    rows: list[tuple[Any, ...]] = [("key", view.edit_id, view.prompt, "", 0.0, None, "selected", view.epsilon, None, None, None)]
    rows += [
        (s.kind, s.name, s.prompt, s.says, round(s.distance, 6), None if s.gap is None else round(s.gap, 6), s.standing,
         None, round(s.angle, 4), *((None, None) if s.parts is None else (round(s.parts.subject, 6), round(s.parts.question, 6))))
        for s in view.spots
    ]  # fmt: skip
    return COLUMNS, rows


def _reach(view: Radial) -> float:
    """The largest distance that the figures show."""
    rings = (view.rings.splitting, view.rings.joining) if view.distance != "two_keys" else ()
    return max([*rings, view.epsilon, *(spot.distance for spot in view.spots)], default=1.0) or 1.0


def _axis_title(view: Radial) -> str:
    if view.distance == "two_keys":
        return "true distance (the larger part)"
    return f"true distance to the selected key ({distance_unit(view.distance)})"


def _circles(view: Radial) -> list[tuple[float, str, str, str]]:
    """(radius, words, colour, dash) of the circles that mean something: within which a new edit would do what.

    Where what merges is within ε itself, one circle says both.
    """
    if view.distance == "two_keys":
        return _part_circles(view)
    rings = view.rings
    joins = abs(rings.joining - view.epsilon) <= _APART * _reach(view)
    found = [(view.epsilon, f"ε {view.epsilon:.2f}" + (", merge" if joins else ""), "@own", "solid")]
    if not joins:
        found.append((rings.joining, f"merge {rings.joining:.2f}", "@own", "dot"))
    return [*found, (rings.splitting, f"split {rings.splitting:.2f}", "@muted", "dot")]


def _part_circles(view: Radial) -> list[tuple[float, str, str, str]]:
    """Where the two parts end: a query is in the ball where each of its parts is within its own."""
    if view.subject_end is None:
        return [(view.epsilon, f"ε {view.epsilon:.2f}", "@own", "solid")]
    return [
        (view.epsilon, f"ε {view.epsilon:.2f}", "@own", "solid"),
        (view.subject_end, f"subject {view.subject_end:.2f}", "@own", "dot"),
    ]


def _step(reach: float) -> float:
    """A round distance between the faint circles: three to six of them."""
    base = 10.0 ** np.floor(np.log10(reach))
    return float(next(base * part for part in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if reach / (base * part) <= 6))


def radial_figure(view: Radial) -> Figure:
    """Distance to the centre is the true distance, so the ε circle is exact."""
    reach = _reach(view)
    step = _step(reach)
    rings = [step * count for count in range(1, int(reach / step) + 1)]
    data = [_ring(radius, "@line", 0.75, "solid", "distance") for radius in rings]
    data += [_ring(radius, colour, 1.25, dash, words.split()[0]) for radius, words, colour, dash in _circles(view)[1:]]
    data.append(_ring(view.epsilon, "@own", 1.75, "solid", "ε") | {"fill": "toself", "fillcolor": "@own-soft"})
    for standing in _LOOKS:
        spots = [spot for spot in view.spots if spot.standing == standing]
        if spots:
            xy = np.array([spot.distance * np.exp(1j * spot.angle) for spot in spots]).round(5)
            data.append(_marks(spots, standing, xy.real.tolist(), xy.imag.tolist()))
    data.append(_centre())
    span = reach * _HEIGHT_ABOVE
    ticks = [*(-value for value in reversed(rings)), 0.0, *rings]
    layout = {
        "margin": {"l": 8, "r": 8, "t": 8, "b": 40},
        "xaxis": {
            "range": [-span, span], "zeroline": False, "showgrid": False, "tickvals": ticks,
            "ticktext": [f"{abs(value):g}" for value in ticks], "ticks": "outside", "tickcolor": "@line",
            "title": {"text": _axis_title(view), "font": {"size": 12}}, "constrain": "domain",
        },
        "yaxis": {"range": [-span, span], "visible": False, "scaleanchor": "x", "constrain": "domain"},
        "annotations": _tags(view, span),
    }  # fmt: skip
    return {"data": data, "layout": base_layout(dragmode="zoom", **layout)}


def strip_figure(view: Radial) -> Figure:
    """Queries by rank along the true distance, keys in a lane below; vertical lines are exact. With two parts, see `_plane`."""
    if view.distance == "two_keys":
        return _plane(view)
    queries = view.of("query")
    rank = {spot.name: place for place, spot in enumerate(queries, 1)}
    top = max(len(queries), 4)
    lane = -0.14 * top
    data: list[dict[str, Any]] = []
    for standing in _LOOKS:
        spots = [spot for spot in view.spots if spot.standing == standing]
        if spots:
            x = [round(spot.distance, 5) for spot in spots]
            data.append(_marks(spots, standing, x, [rank[s.name] if s.kind == "query" else lane for s in spots]))
    lines = [(x, colour, dash, words) for x, words, colour, dash in _circles(view)]
    cap = view.rings.cap
    if cap is not None and abs(cap - view.epsilon) > _APART * _reach(view):
        lines.append((cap, "@contested", "dash", f"{_CAP[view.rings.rule]} {cap:.2f}"))
    lines.sort()
    reach = _reach(view)
    layout = {
        "margin": {"l": 52, "r": 10, "t": 14 + 16 * len(lines), "b": 40},
        "xaxis": {
            "range": [-0.02 * reach, reach * 1.05], "zeroline": False, "gridcolor": "@line", "gridwidth": 0.5,
            "title": {"text": _axis_title(view), "font": {"size": 12}},
        },
        "yaxis": {
            "range": [lane * 1.8, top * 1.05], "zeroline": True, "zerolinecolor": "@line", "gridcolor": "@line", "gridwidth": 0.5,
            "title": {"text": "queries within this distance", "font": {"size": 12}}, "tickformat": "d",
            # The lane of the keys lies below 0, where there is nothing to count.
            "tickvals": list(range(0, top + 1, -(-top // 4))) if queries else [],
        },
        "shapes": [
            {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1,
             "line": {"color": colour, "width": 1.75, "dash": dash}}
            for x, colour, dash, _ in lines
        ],
        # One line of the upper margin for each label: they may stand as near to each other as they like.
        "annotations": [
            {"x": x, "xanchor": "left" if x < 0.6 * reach else "right", "yref": "paper", "y": 1, "yanchor": "bottom",
             "yshift": 2 + 16 * (len(lines) - 1 - place), "text": words, "showarrow": False,
             "font": {"size": 12, "color": colour}}
            for place, (x, colour, _, words) in enumerate(lines)
        ],
    }  # fmt: skip
    return {"data": data, "layout": base_layout(dragmode="zoom", **layout)}


def _plane(view: Radial) -> Figure:
    """Both parts of every distance, one along each axis: what lies in the rectangle is in the ball. Exact."""
    wide, high = _subject_end(view), view.epsilon
    right, top = (_BEYOND * end for end in (max(wide, high), high))
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "name": "ball", "x": [0, wide, wide, 0, 0], "y": [0, 0, high, high, 0],
            "fill": "toself", "fillcolor": "@own-soft", "hoverinfo": "skip", "line": {"color": "@own", "width": 1.75},
        }
    ]  # fmt: skip
    for standing in _LOOKS:
        spots = [spot for spot in _near(view) if spot.standing == standing]
        parts = [spot.parts for spot in spots if spot.parts is not None]
        if parts:
            x, y = [round(one.subject, 5) for one in parts], [round(one.question, 5) for one in parts]
            data.append(_marks(spots, standing, x, y))
    data.append(_centre())
    named = {"showarrow": False, "font": {"size": 12, "color": "@own"}, "bgcolor": "@veil"}
    layout = {
        "margin": {"l": 52, "r": 10, "t": 14, "b": 40},
        "xaxis": {
            "range": [-0.03 * right, right], "zeroline": False, "gridcolor": "@line", "gridwidth": 0.5,
            "title": {"text": "distance of the subject", "font": {"size": 12}},
        },
        "yaxis": {
            "range": [-0.03 * top, top], "zeroline": False, "gridcolor": "@line", "gridwidth": 0.5,
            "title": {"text": "distance of the question", "font": {"size": 12}},
        },
        "annotations": [
            {"x": wide, "y": high / 2, "xanchor": "left", "xshift": 4, "text": f"ends {wide:.2f}", **named},
            {"x": wide / 2, "y": high, "yanchor": "bottom", "yshift": 2, "text": f"ends {high:.2f}", **named},
        ],
    }  # fmt: skip
    return {"data": data, "layout": base_layout(dragmode="zoom", **layout)}


def _subject_end(view: Radial) -> float:
    return view.epsilon if view.subject_end is None else view.subject_end


def _near(view: Radial) -> list[Spot]:
    """What the plane of both parts shows: the rest is far from being answered."""
    right, top = _BEYOND * max(view.epsilon, _subject_end(view)), _BEYOND * view.epsilon
    return [
        spot for spot in view.spots if spot.parts is not None and spot.parts.subject <= right and spot.parts.question <= top
    ]  # fmt: skip


def _plane_note(view: Radial) -> str:
    """Which queries lie in the ball, why each part ends where it does, and what the plane leaves out."""
    inside = sum(spot.standing in ("own", "contested") for spot in view.of("query"))
    shown = sum(spot.kind == "query" for spot in _near(view))
    parts = [
        f"Both parts of each true distance. In the rectangle both are near enough: {inside:,} "
        f"{'query is' if inside == 1 else 'queries are'} within reach. Diamonds are keys."
    ]
    parts += [_end_words(cap) for cap in view.rings.ends]
    if shown < view.queries:
        parts.append(f"{view.queries - shown:,} {'query lies' if view.queries - shown == 1 else 'queries lie'} farther off.")
    return " ".join(parts)


def _end_words(cap: Cap) -> str:
    why = f"{part_of(cap.share)} to “{shorten(cap.other_prompt, 80)}”, which has another target"
    if cap.kind == "siblings":
        why = "the same question about others is near"
    return f"The {cap.part}'s part ends at {cap.epsilon:.2f}: {why}."


def radial_note(view: Radial) -> str:
    """What the radial view says, in a few sentences."""
    shown = len(view.of("query"))
    part = f" The nearest {shown:,} of {view.queries:,} queries are shown." if shown < view.queries else ""
    if view.distance == "two_keys":
        inner = " The dotted circle is where the subject's part ends." if view.subject_end is not None else ""
        return f"Exact: the distance to the centre is the larger of both parts; directions are those of the map.{inner}{part}"
    return (
        "Exact: the distance to the centre is the true distance; directions are those of the map."
        " A new edit with the same target inside “merge” joins this key, if no key is nearer and its value works there too;"
        f" one with another target inside “split” {_SPLIT[view.rings.rule].format(f'{1 / view.rings.share:g}')}.{part}"
    )


def strip_note(view: Radial) -> str:
    """What the strip says, in a sentence or two."""
    if view.distance == "two_keys":
        return _plane_note(view)
    inside = sum(spot.standing in ("own", "contested") for spot in view.of("query"))
    cap = ""
    if view.rings.cap is not None:
        cap = f" {part_of(view.rings.share).capitalize()} to the nearest edited query with another target is {view.rings.cap:.2f}"
        cap += ": ε cannot grow beyond that." if view.rings.rule == "separated" else "."
    return (
        f"Queries in order of their true distance; left of the ε line {inside:,} {'is' if inside == 1 else 'are'} within reach."
        f" Diamonds are keys.{cap}"
    )


def _ring(radius: float, colour: str, width: float, dash: str, name: str) -> dict[str, Any]:
    circle = (radius * _CIRCLE).round(5)
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": circle.real.tolist(), "y": circle.imag.tolist(),
        "hoverinfo": "skip", "line": {"color": colour, "width": width, "dash": dash},
    }  # fmt: skip


def _centre() -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": "selected key", "x": [0], "y": [0], "hoverinfo": "skip",
        "marker": {"symbol": "diamond", "size": 15, "color": "@own", "line": {"width": 2, "color": "@text"}},
    }  # fmt: skip


def _marks(spots: list[Spot], standing: Standing, x: list[float], y: list[float]) -> dict[str, Any]:
    colour, words = _LOOKS[standing]
    key = spots[0].kind == "key"
    return {
        "type": "scatter", "mode": "markers", "name": words, "x": x, "y": y, "hoverinfo": "text",
        "hovertext": [_hover(spot, words) for spot in spots],
        "customdata": [spot.edit_id or "" for spot in spots],
        "cliponaxis": False,
        "marker": {
            "symbol": "diamond" if key else "circle", "size": 11 if key else 7, "color": colour,
            "opacity": 0.6 if standing == "outside" else 0.95, "line": {"width": 1, "color": "@surface"},
        },
    }  # fmt: skip


def _hover(spot: Spot, words: str) -> str:
    lines = [f"<b>{wrapped(spot.prompt, 160)}</b>"]
    if spot.kind == "key":
        lines.append(f"→ {wrapped(spot.says, 160)}")
    else:
        # The answer is the logged one: an edit made since would answer otherwise now.
        lines.append(wrapped(f"said then: {spot.says}", 160))
        if spot.now:
            lines.append(f"now → {wrapped(spot.now, 160)}")
    parts = "" if spot.parts is None else f" ({spot.parts})"
    lines.append(f"distance {spot.distance:.3f}{parts}, {words}")
    if spot.gap is not None:
        lines.append(f"gap {spot.gap:.3f}" + (" (the balls overlap)" if spot.gap < 0 else ""))
    return "<br>".join(lines)


def _tags(view: Radial, span: float) -> list[dict[str, Any]]:
    """The names of the circles, each on its circle where it covers the fewest points; at the top where it can."""
    points = np.array([spot.distance * np.exp(1j * spot.angle) for spot in view.spots], dtype=np.complex128)
    tags: list[dict[str, Any]] = []
    for radius, words, colour, _ in _circles(view):
        # Half the width and height of the name, in units of distance.
        reach = np.array([_CHARACTER / 2 * len(words) + 5.0, 11.0]) * 2.0 * span / _SIDE

        def covered(place: complex, reach: NDArray[np.float64] = reach) -> tuple[int, int]:
            other = np.array([complex(tag["x"], tag["y"]) for tag in tags], dtype=np.complex128) - place
            off = points - place
            names = (np.abs(other.real) <= 2 * reach[0]) & (np.abs(other.imag) <= 2 * reach[1])
            dots = (np.abs(off.real) <= reach[0]) & (np.abs(off.imag) <= reach[1])
            return int(names.sum()), int(dots.sum())

        best = min((radius * np.exp(1j * np.pi * turn) for turn in _TURNS), key=covered)
        tags.append(
            {
                "x": round(float(best.real), 5), "y": round(float(best.imag), 5), "text": escape(words), "showarrow": False,
                "bgcolor": "@veil", "borderpad": 1, "font": {"size": 12, "color": colour},
            }
        )  # fmt: skip
    return tags
