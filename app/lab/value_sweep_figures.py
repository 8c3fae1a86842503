"""The layer sweep as small multiples (the paper's Figure 2): pure functions from a `Sweep` to Plotly JSON and a table."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from app.charts.plotly import Figure, Table, axis, base_layout, words
from grace_core.measuring.value_sweep import Sweep

_EPSILON_COLOURS = ("@key3", "@key2", "@own", "@key1", "@key4", "@key6")
_PANELS = ("Steps until learned", "Edited prompts answered", "Other phrasings answered")
_GAP = 0.075


def sweep_figure(sweep: Sweep) -> Figure:
    """Three panels over the value layer: steps, success on the edited prompts, success on other phrasings for each ε."""
    layers = [result.layer for result in sweep.layers]
    width = (1 - 0.1 - 2 * _GAP) / 3
    domains = [[i * (width + _GAP), i * (width + _GAP) + width] for i in range(3)]
    traces: list[dict[str, Any]] = []
    for i in range(len(sweep.prompts)):
        steps = [result.steps[i] for result in sweep.layers]
        traces.append(_line("x", layers, steps, "@faint", thin=True, name="one edit"))
    mean_steps = [sum(result.steps) / len(result.steps) for result in sweep.layers]
    traces.append(_line("x", layers, mean_steps, "@own", name="mean", form=".0f"))
    traces.append(_line("x2", layers, [sweep.success(result) for result in sweep.layers], "@own", name="edited prompts"))
    ends = []
    for epsilon, colour in zip(sweep.epsilons, _EPSILON_COLOURS, strict=False):
        shares = [sweep.phrasing_success(result, epsilon) for result in sweep.layers]
        if None in shares:
            continue
        present = abs(epsilon - sweep.present_epsilon) < 1e-9
        traces.append(_line("x3", layers, shares, colour, name=f"ε {epsilon:g}", thin=not present, marks=True))
        ends.append((float(shares[-1] or 0.0), f"ε {epsilon:g}" + (" now" if present else ""), colour))
    notes = [
        words(title, domain[0], 1, "@text", yanchor="bottom", yshift=8) for title, domain in zip(_PANELS, domains, strict=True)
    ]
    for place, (_, name, colour) in zip(spaced([end[0] for end in ends], 0.085), ends, strict=True):
        notes.append(words(name, domains[2][1], place, colour, yref="y3", xshift=8))
    span = max(1, layers[-1] - layers[0])
    across = {"tickvals": layers, "range": [layers[0] - 0.06 * span, layers[-1] + 0.06 * span], "showgrid": False}
    share = {"range": [-0.04, 1.06], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}
    most = max([sweep.max_steps, *(step for result in sweep.layers for step in result.steps)])
    layout = base_layout(
        margin={"l": 52, "r": 8, "t": 36, "b": 48},
        xaxis=axis("value layer (block)", domain=domains[0], **across),
        xaxis2=axis("value layer (block)", domain=domains[1], **across),
        xaxis3=axis("value layer (block)", domain=domains[2], **across),
        yaxis=axis("steps", range=[0, 1.06 * most]),
        yaxis2=axis("share", anchor="x2", **share),
        yaxis3=axis("share", anchor="x3", **share),
        annotations=notes,
        shapes=[
            {
                "type": "line", "xref": f"x{number}", "yref": "paper", "x0": sweep.present_layer, "x1": sweep.present_layer,
                "y0": 0, "y1": 1, "layer": "below", "line": {"color": "@muted", "width": 1, "dash": "dot"},
            }
            for number in ("", "2", "3")
        ],
    )  # fmt: skip
    return {"data": traces, "layout": layout}


def sweep_table(sweep: Sweep) -> Table:
    """One row for each layer and ε."""
    columns = (
        "value_layer", "epsilon", "mean_steps", "edited_prompts_answered", "phrasings_answered", "phrasings_reached", "seconds",
    )  # fmt: skip
    rows = [
        (
            result.layer, epsilon, sum(result.steps) / len(result.steps), sweep.success(result),
            sweep.phrasing_success(result, epsilon), sweep.reached(epsilon), round(result.seconds, 2),
        )
        for result in sweep.layers
        for epsilon in sweep.epsilons
    ]  # fmt: skip
    return columns, rows


def spaced(places: list[float], least: float, high: float = 1.03) -> list[float]:
    """The same places in the same order, moved apart until each is `least` from the next; none above `high`."""
    order = sorted(range(len(places)), key=lambda i: (places[i], -i))
    out = list(places)
    for before, now in pairwise(order):
        out[now] = max(out[now], out[before] + least)
    limit = high
    for now in reversed(order):
        out[now] = min(out[now], limit)
        limit = out[now] - least
    return out


def _line(
    x: str, layers: list[int], values: list[Any], colour: str, *, name: str, thin: bool = False, marks: bool = False,
    form: str = "",
) -> dict[str, Any]:  # fmt: skip
    number = x[1:]
    written = [format(value, form) if form else f"{value:.0%}" if isinstance(value, float) else str(value) for value in values]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": layers,
        "y": values,
        "xaxis": x,
        "yaxis": f"y{number}",
        "line": {"color": colour, "width": 1.2 if thin else 2.6},
        "marker": {"size": 4 if thin and not marks else 6 if thin else 8, "color": colour},
        "cliponaxis": False,
        "hoverinfo": "text",
        "hovertext": [f"{name}<br>layer {layer}: {text}" for layer, text in zip(layers, written, strict=True)],
    }
