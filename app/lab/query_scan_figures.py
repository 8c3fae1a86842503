"""How well choices separate, and the distances under one of them: pure functions from a `Scan` to Plotly JSON and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.charts.plotly import Figure, Table, axis, base_layout, distance_unit, escape, key_line, words
from app.lab.query_scan import ENCODING_LABELS, KIND_LABELS, MEASURES, POOL_LABELS, Measure, choice_id, choice_words, measured
from grace_core.config import Encoding
from grace_core.measuring.distances import Choice, Kind, Separation
from grace_core.measuring.query_scan import Scan

_NAMES_SHARE = 0.24
_KIND_COLOURS: dict[Kind, str] = {"unrelated": "@grey", "siblings": "@key1", "edits": "@key3"}
_SOLID = {"color": "@text", "width": 3}
_DOTTED = {"color": "@text", "width": 1.6, "dash": "dot"}
# From nothing to blue: one hue, on which the mode's own text can be read everywhere.
_SCALE = [[0.0, "@cell0"], [0.5, "@cell1"], [1.0, "@cell2"]]

# Cells in a row, and the size of figures that fit into them; into more, none do (hovering still tells them).
_TEXT_SIZES = ((10, 14), (22, 12), (30, 10))


# Between two heatmaps, as a share of the width.
_GAP = 0.03
_OWN = "paraphrases, to their own key"


def separation_figure(
    scan: Scan, measure: Measure, kinds: Sequence[Kind], chosen: Choice | None, tied: Sequence[Choice] = ()
) -> Figure:
    """One heatmap for each encoding: layers across, poolings down, the measure written into each cell.

    chosen: outlined. tied: the best ones, outlined with dots.
    """
    count = len(scan.encodings)
    size = next((size for cells, size in _TEXT_SIZES if count * len(scan.layers) <= cells), None)
    outlined = [*((one, _DOTTED) for one in tied if one != chosen), *([(chosen, _SOLID)] if chosen else [])]
    traces, shapes, titles = [], [], []
    layout: dict[str, Any] = {}
    for column, encoding in enumerate(scan.encodings):
        number = "" if column == 0 else str(column + 1)
        traces.append(_heatmap(scan, encoding, measure, kinds, number, size))
        shapes += [
            _outline(number, scan.layers.index(choice.layer), scan.pools.index(choice.pool), line)
            for choice, line in outlined
            if choice.encoding == encoding and choice.pool in scan.pools and choice.layer in scan.layers
        ]
        low = column / count + (_GAP if column else 0)
        high = (column + 1) / count - (_GAP if column + 1 < count else 0)
        titles.append(words(ENCODING_LABELS[encoding], low, 1, "@text", yanchor="bottom", yshift=4))
        layout |= _heatmap_axes(scan, number, low, high)
    layout |= {"margin": {"l": 105, "r": 8, "t": 30, "b": 48}, "shapes": shapes, "annotations": titles}
    return {"data": traces, "layout": base_layout(**layout)}


def _heatmap(
    scan: Scan, encoding: Encoding, measure: Measure, kinds: Sequence[Kind], number: str, size: int | None
) -> dict[str, Any]:
    """One encoding's choices. number: of its axes. size: of the text in the cells; None where there is no room for any."""
    choices = [[Choice(layer, pool, encoding) for layer in scan.layers] for pool in scan.pools]
    values = [
        [measured(cell, measure, kinds) if (cell := scan.cell(choice)) is not None else None for choice in row] for row in choices
    ]
    return {
        "type": "heatmap",
        "name": ENCODING_LABELS[encoding],
        "x": list(range(len(scan.layers))),
        "y": list(range(len(scan.pools))),
        "z": values,
        "customdata": [[choice_id(choice) for choice in row] for row in choices],
        "xaxis": f"x{number}",
        "yaxis": f"y{number}",
        "zmin": 0.5 if measure == "auc" else 0.0,
        "zmax": 1.0,
        "colorscale": _SCALE,
        "showscale": False,
        "xgap": 3,
        "ygap": 3,
        "text": [[_cell_text(value) for value in row] for row in values],
        "texttemplate": "" if size is None else "%{text}",
        "textfont": {"size": size, "color": "@text"},
        "hoverinfo": "text",
        "hovertext": [
            [
                f"<b>{choice_words(choice)}</b><br>{MEASURES[measure]}: {_cell_text(value)}<br>click for its distances"
                for choice, value in zip(row, numbers, strict=True)
            ]
            for row, numbers in zip(choices, values, strict=True)
        ],
    }


def _heatmap_axes(scan: Scan, number: str, low: float, high: float) -> dict[str, Any]:
    """Layers across, from low to high of the figure's width; poolings down, named at the first heatmap only."""
    across = axis(
        "key layer (block)",
        domain=[low, high],
        tickvals=list(range(len(scan.layers))),
        ticktext=[str(layer) for layer in scan.layers],
        showgrid=False,
    )
    down = axis(
        anchor=f"x{number}",
        tickvals=list(range(len(scan.pools))),
        ticktext=[""] * len(scan.pools) if number else [POOL_LABELS[pool] for pool in scan.pools],
        autorange="reversed",
        showgrid=False,
        tickfont={"size": 12, "color": "@text"},
    )
    return {f"xaxis{number}": across, f"yaxis{number}": down}


def _outline(number: str, x: int, y: int, line: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "rect",
        "xref": f"x{number}",
        "yref": f"y{number}",
        "x0": x - 0.48,
        "x1": x + 0.48,
        "y0": y - 0.47,
        "y1": y + 0.47,
        "line": line,
        "fillcolor": "rgba(0,0,0,0)",
    }


def separation_table(scan: Scan, kinds: Sequence[Kind]) -> Table:
    """Every choice as a row, with all measures and the ε that each suggests."""
    columns = (
        "layer", "pooling", "encoding", "distance", "recall_at_1_percent", "recall_at_0", "auc", "epsilon_at_1_percent",
        "epsilon_at_0", "paraphrases", "must_not_match",
    )  # fmt: skip
    rows = [
        (
            c.choice.layer, c.choice.pool, c.choice.encoding, c.choice.distance, c.recall(0.01, kinds), c.recall(0.0, kinds),
            c.auc(kinds), c.epsilon(0.01, kinds), c.epsilon(0.0, kinds), len(c.paraphrases), len(c.rest(kinds)),
        )
        for c in scan.cells
    ]  # fmt: skip
    return columns, rows


def distances_figure(cell: Separation, kinds: Sequence[Kind], epsilon: float | None) -> Figure:
    """Two histograms back to back: paraphrases upwards, what must not match downwards, with ε between them."""
    own, rest = np.array(cell.paraphrases), cell.rest(kinds)
    together = np.concatenate([own, rest, [epsilon or 0.0]])
    top = float(together.max()) * 1.02 or 1.0
    edges = np.linspace(0.0, top, 41)
    shown = [kind for kind in kinds if cell.others.get(kind)]
    traces = [_bars(edges, own, len(own), _OWN, "@own", 1)]
    traces += [_bars(edges, cell.others[kind], len(rest), KIND_LABELS[kind], _KIND_COLOURS[kind], -1) for kind in shown]
    # Kinds lie on each other below the line, so the lowest point is that of their sum.
    below = np.histogram(rest, edges)[0].max(initial=0) / max(1, len(rest))
    above = np.histogram(own, edges)[0].max(initial=0) / max(1, len(own))
    high = max(0.05, float(above) * 1.25)
    depth = max(0.05, float(below) * 1.1)
    # The names of the kinds stand in the lower right corner; the axis leaves them room below the longest bar.
    low = -depth - _NAMES_SHARE * (high + depth) / (1 - _NAMES_SHARE)
    ticks = _ticks(max(high, -low))
    values = [-t for t in reversed(ticks) if t <= depth] + [0.0] + [t for t in ticks if t <= high]
    layout = base_layout(
        barmode="relative",
        bargap=0,
        margin={"l": 64, "r": 16, "t": 28, "b": 48},
        xaxis=axis(f"distance ({distance_unit(cell.choice.distance)})", range=[0, top], showgrid=False),
        yaxis=axis("share of prompts", range=[low, high], tickvals=values, ticktext=[f"{abs(value):.0%}" for value in values]),
        **_distance_marks(shown, epsilon, top),
    )
    return {"data": traces, "layout": layout}


def _bars(edges: NDArray[Any], distances: Any, total: int, name: str, colour: str, sign: int) -> dict[str, Any]:
    """How many of the distances lie between two edges each, as shares of `total`. sign: upwards or downwards."""
    counts = np.histogram(distances, edges)[0]
    return {
        "type": "bar",
        "name": name,
        "x": ((edges[:-1] + edges[1:]) / 2).round(6).tolist(),
        "y": (sign * counts / max(1, total)).round(6).tolist(),
        "width": float(edges[1] - edges[0]),
        "marker": {"color": colour, "line": {"width": 0.6, "color": "@surface"}},
        "hoverinfo": "text",
        "hovertext": [
            f"{n} of {total} {escape(name)}<br>at a distance of {low:.3f} to {high:.3f}"
            for n, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
        ],
    }


def _distance_marks(shown: Sequence[Kind], epsilon: float | None, top: float) -> dict[str, Any]:
    """The line at 0, that of ε, and the names of what is drawn. top: the largest distance."""
    annotations = key_line([(_OWN, "@own")])
    shapes: list[dict[str, Any]] = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0, "line": {"color": "@line", "width": 1}}
    ]
    if epsilon is not None:
        dashed = {"color": "@text", "width": 1.6, "dash": "dash"}
        shapes.append({"type": "line", "x0": epsilon, "x1": epsilon, "yref": "paper", "y0": 0, "y1": 1, "line": dashed})
        side = {"xanchor": "right", "xshift": -6} if epsilon > 0.8 * top else {"xshift": 6}
        annotations.append(
            words(f"<b>ε {epsilon:.3g}</b>", epsilon, 1, "@text", xref="x", yanchor="top", bgcolor="@veil", **side)
        )
    for row, kind in enumerate(reversed(shown)):
        corner = {"xanchor": "right", "yanchor": "bottom", "yshift": 4 + 18 * row, "bgcolor": "@veil"}
        annotations.append(words(f"■ {KIND_LABELS[kind]}", 1, 0, _KIND_COLOURS[kind], **corner))
    return {"shapes": shapes, "annotations": annotations}


def distances_table(cell: Separation, kinds: Sequence[Kind]) -> Table:
    """Every distance of a choice as a row."""
    rows: list[tuple[Any, ...]] = [
        ("paraphrase", distance, own) for distance, own in zip(cell.paraphrases, cell.nearest_is_own, strict=True)
    ]
    rows += [(kind, distance, None) for kind in kinds for distance in cell.others.get(kind, ())]
    return ("kind", "distance", "own_key_is_nearest"), rows


def _ticks(high: float) -> list[float]:
    step = next((step for step in (0.02, 0.05, 0.1, 0.2, 0.25, 0.5) if high / step <= 4), 0.5)
    return [round(step * i, 4) for i in range(1, int(high / step + 1e-9) + 1)]


def _cell_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
