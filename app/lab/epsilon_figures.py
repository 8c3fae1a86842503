"""The curves of "What if ε?" as a Plotly figure, in words and as a table; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.charts.labels import counted
from app.charts.plotly import Figure, Table, axis, base_layout, distance_unit, words
from grace_core.config import Distance
from grace_core.measuring.epsilon_curves import Curves, Yardstick

_CLOSE = 0.09
"""Labels at the ends of two lines need so much of the height between them."""
_UNCAPPED = "if no key were capped"


@dataclass(frozen=True)
class CurvesFigure:
    """figure: Plotly JSON. note: what it shows and from what. spoken: its gist for screen readers. table: for the CSV."""

    figure: Figure
    note: str
    spoken: str
    table: Table


def curves_figure(curves: Curves, probes: Yardstick, tried: float | None, distance: Distance) -> CurvesFigure:
    """Both shares against ε, with the present ε and the tried one."""
    x = [round(float(epsilon), 4) for epsilon in curves.epsilons]
    lines = []
    if curves.reached is not None:
        lines.append(("phrasings reached", "@own", "solid", curves.reached.tolist(), curves.now[0], curves.uncapped_reached))
    if curves.touched is not None:
        lines.append(("unrelated touched", "@contested", "dot", curves.touched.tolist(), curves.now[1], curves.uncapped_touched))
    traces: list[dict[str, Any]] = []
    for name, colour, dash, shares, now, uncapped in lines:
        if uncapped is not None and uncapped.tolist() != shares:
            traces.append(_line(f"{name}, {_UNCAPPED}", colour, dash, x, uncapped.tolist(), width=1.0))
        traces.append(_line(name, colour, dash, x, shares))
        if now is not None:
            traces.append(_present(name, colour, curves.radii[1], now))
    end = x[-1]
    ends = [(name, colour, shares[-1]) for name, colour, _, shares, *_ in lines]
    outside = {"showgrid": False, "showline": True, "ticks": "outside", "tickcolor": "@line"}
    layout = base_layout(
        xaxis=axis(f"ε asked for ({distance_unit(distance)})", range=[0, end], **outside),
        yaxis=axis("share of prompts", range=[-0.02, 1.04], tickformat=".0%", dtick=0.25),
        margin={"l": 62, "r": 128, "t": 30, "b": 48},
        hovermode="x unified",
        shapes=_verticals(curves, tried, end),
        annotations=[*_ends(ends), *_marks(curves, tried, end)],
    )
    figure: Figure = {"data": traces, "layout": layout}
    return CurvesFigure(figure, _note(curves, probes), _spoken(curves), _table(curves))


def _line(name: str, colour: str, dash: str, x: list[float], shares: list[float], width: float = 2.4) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": shares,
        "line": {"color": colour, "width": width, "dash": dash, "shape": "hv"},
        "hovertemplate": "%{y:.1%} " + name + "<extra></extra>",
    }  # fmt: skip


def _present(name: str, colour: str, epsilon: float, share: float) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": f"{name} now", "x": [epsilon], "y": [share],
        "marker": {"symbol": "circle", "size": 10, "color": colour, "line": {"width": 2, "color": "@surface"}},
        "hovertemplate": "%{y:.1%} " + name + " at present<extra></extra>", "cliponaxis": False,
    }  # fmt: skip


def _verticals(curves: Curves, tried: float | None, end: float) -> list[dict[str, Any]]:
    found = [(curves.radii[1], "@muted", "solid")]
    if tried is not None and tried <= end:
        found.append((tried, "@text", "dash"))
    return [
        {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "layer": "below",
         "line": {"color": colour, "width": 1.3, "dash": dash}}
        for at, colour, dash in found
    ]  # fmt: skip


def _marks(curves: Curves, tried: float | None, end: float) -> list[dict[str, Any]]:
    """Names of the vertical lines, above the plot, each on the side away from the other."""
    least, now, most = curves.radii
    name = "now" if least == most else "median now"
    marks = [(now, f"{name} {now:.2f}", "@muted", None if tried is None else ("right" if now <= tried else "left"))]
    if tried is not None and tried <= end:
        marks.append((tried, f"tried {tried:.2f}", "@text", "left" if now <= tried else "right"))
    return [
        words(text, at, 1.0, colour, xref="x", yanchor="bottom", yshift=4, xanchor=side or "center")
        for at, text, colour, side in marks
    ]


def _ends(lines: list[tuple[str, str, float]]) -> list[dict[str, Any]]:
    """Names at the right ends of the lines, kept apart."""
    heights = [height for _, _, height in lines]
    if len(heights) == 2 and abs(heights[0] - heights[1]) < _CLOSE:
        middle = min(max(sum(heights) / 2, _CLOSE / 2), 1 - _CLOSE / 2)
        up = heights[0] >= heights[1]
        heights = [middle + (_CLOSE / 2 if up else -_CLOSE / 2), middle - (_CLOSE / 2 if up else -_CLOSE / 2)]
    return [
        words(name, 1.0, height, colour, yref="y", xshift=8) for (name, colour, _), height in zip(lines, heights, strict=True)
    ]


def _note(curves: Curves, probes: Yardstick) -> str:
    whose = "any edit" if curves.edit_id is None else "this edit"
    parts = []
    if curves.reached is not None:
        marked = f", {probes.marked:,} of them answers marked fine" if probes.marked and curves.edit_id is None else ""
        own = "their own edit" if curves.edit_id is None else "this edit"
        parts.append(f"Reached: of {counted(curves.phrasings, 'known phrasing')}{marked}, the share that {own} answers.")
    else:
        parts.append(
            "No other phrasing is known here: give some with an edit on the Review page, or mark an edit's right answer as fine."
        )
    if curves.touched is not None:
        fine = max(0, curves.unrelated - probes.background - probes.strangers)
        kinds = [counted(probes.background, "background prompt")]
        if probes.strangers:
            kinds.append(f"{counted(probes.strangers, 'edited prompt')} asked about others")
        if fine:
            kinds.append(f"{counted(fine, 'answer')} of the model itself that were marked fine")
        listed = kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
        parts.append(f"Touched: of {listed}, the share that {whose} answers, though none should.")
    least, median, most = curves.radii
    if least != most:
        parts.append(
            f"Dots: at present, where the keys' radii go from {least:.2f} to {most:.2f}; their median, {median:.2f}, is marked."
        )
    if any(shares is not None and shares.tolist() != free.tolist() for shares, free in _both(curves) if free is not None):
        parts.append(
            "Thin: what it would be if no key were capped by the nearest edit with another target; asking "
            "for a larger ε does not lift that."
        )
    return " ".join(parts)


def _spoken(curves: Curves) -> str:
    least, median, most = curves.radii
    reached, touched = curves.now
    parts = [f"At the present ε of {median:.2f}" if least == most else f"At the present radii, {least:.2f} to {most:.2f}"]
    if reached is not None:
        parts.append(f"{reached:.0%} of {curves.phrasings:,} phrasings are reached")
    if touched is not None:
        parts.append(f"{touched:.1%} of {curves.unrelated:,} unrelated prompts are touched")
    return ", ".join(parts) + "."


def _table(curves: Curves) -> Table:
    rows: list[list[float | None]] = []
    for row, epsilon in enumerate(curves.epsilons):
        reached = None if curves.reached is None else float(curves.reached[row])
        touched = None if curves.touched is None else float(curves.touched[row])
        uncapped = [None if free is None else float(free[row]) for _, free in _both(curves)]
        rows.append([float(epsilon), reached, touched, *uncapped])
    return ["epsilon", "phrasings_reached", "unrelated_touched", "reached_if_uncapped", "touched_if_uncapped"], rows


def _both(curves: Curves) -> tuple[tuple[NDArray[np.float64] | None, NDArray[np.float64] | None], ...]:
    """Each share as it is, and as it would be without caps."""
    return (curves.reached, curves.uncapped_reached), (curves.touched, curves.uncapped_touched)
