"""The curves of "What if ε?" as a Plotly figure, in words and as a table; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.charts.labels import counted
from app.charts.plotly import Figure, Table, axis, base_layout, words
from grace_core.config import Distance
from grace_core.measuring.what_if import Curves, Yardstick

_CLOSE = 0.09
"""Labels at the ends of two lines need so much of the height between them."""


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
        lines.append(("phrasings reached", "@own", "solid", [float(share) for share in curves.reached], curves.now[1]))
    if curves.touched is not None:
        lines.append(("unrelated touched", "@contested", "dot", [float(share) for share in curves.touched], curves.now[2]))
    traces: list[dict[str, Any]] = []
    for name, colour, dash, shares, now in lines:
        traces.append(_line(name, colour, dash, x, shares))
        if now is not None:
            traces.append(_present(name, colour, curves.now[0], now))
    end = x[-1]
    ends = [(name, colour, shares[-1]) for name, colour, _, shares, _ in lines]
    outside = {"showgrid": False, "showline": True, "ticks": "outside", "tickcolor": "@line"}
    layout = base_layout(
        xaxis=axis(f"ε ({distance} distance)", range=[0, end], **outside),
        yaxis=axis("share of prompts", range=[-0.02, 1.04], tickformat=".0%", dtick=0.25),
        margin={"l": 62, "r": 128, "t": 30, "b": 48},
        hovermode="x unified",
        shapes=_verticals(curves, tried, end),
        annotations=[*_ends(ends), *_marks(curves, tried, end)],
    )
    figure: Figure = {"data": traces, "layout": layout}
    return CurvesFigure(figure, _note(curves, probes), _spoken(curves), _table(curves))


def _line(name: str, colour: str, dash: str, x: list[float], shares: list[float]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": shares,
        "line": {"color": colour, "width": 2.4, "dash": dash, "shape": "hv"},
        "hovertemplate": "%{y:.1%} " + name + "<extra></extra>",
    }  # fmt: skip


def _present(name: str, colour: str, epsilon: float, share: float) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": f"{name} now", "x": [epsilon], "y": [share],
        "marker": {"symbol": "circle", "size": 10, "color": colour, "line": {"width": 2, "color": "@surface"}},
        "hovertemplate": "%{y:.1%} " + name + " at present<extra></extra>", "cliponaxis": False,
    }  # fmt: skip


def _verticals(curves: Curves, tried: float | None, end: float) -> list[dict[str, Any]]:
    found = [(curves.now[0], "@muted", "solid")]
    if tried is not None and tried <= end:
        found.append((tried, "@text", "dash"))
    return [
        {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "layer": "below",
         "line": {"color": colour, "width": 1.3, "dash": dash}}
        for at, colour, dash in found
    ]  # fmt: skip


def _marks(curves: Curves, tried: float | None, end: float) -> list[dict[str, Any]]:
    """Names of the vertical lines, above the plot, each on the side away from the other."""
    now = curves.now[0]
    marks = [(now, f"now {now:.2f}", "@muted", None if tried is None else ("right" if now <= tried else "left"))]
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
    if curves.edit_id is None:
        parts.append("Dots: at present, where each key has its own ε; “now” is their median.")
    return " ".join(parts)


def _spoken(curves: Curves) -> str:
    epsilon, reached, touched = curves.now
    parts = [f"At the present ε of {epsilon:.2f}"]
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
        rows.append([float(epsilon), reached, touched])
    return ["epsilon", "phrasings_reached", "unrelated_touched"], rows
