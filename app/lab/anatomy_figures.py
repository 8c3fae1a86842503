"""What the Lab's figures have in common, and those of one answer's anatomy: pure functions to Plotly JSON and tables.

Colours are tokens of `figures.PALETTES`. Every text that comes from a prompt or a model is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.charts.palette import Figure, distance_unit, escape
from grace_core.answering.anatomy import Anatomy

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Column names, and rows of numbers and texts: what a CSV holds."""

_FONT = {"family": "ui-sans-serif, system-ui, sans-serif", "size": 12, "color": "@text"}


def base_layout(**extra: Any) -> dict[str, Any]:
    """What all of these figures look alike in."""
    return {
        "paper_bgcolor": "@surface",
        "plot_bgcolor": "@surface",
        "font": _FONT,
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "bgcolor": "@surface", "bordercolor": "@line", "font": {"size": 13, "color": "@text"}},
        "dragmode": False,
        **extra,
    }


def axis(title: str = "", **extra: Any) -> dict[str, Any]:
    """An axis with a quiet grid."""
    return {
        "title": {"text": title, "font": {"size": 12, "color": "@muted"}, "standoff": 8},
        "gridcolor": "@line",
        "gridwidth": 0.5,
        "zeroline": False,
        "linecolor": "@line",
        "tickfont": {"size": 12, "color": "@muted"},
        "fixedrange": True,
        "ticks": "",
        **extra,
    }


def shorten(text: str, length: int) -> str:
    """One line, cut with an ellipsis, safe for Plotly."""
    flat = " ".join(text.split())
    return escape(flat if len(flat) <= length else flat[: length - 1].rstrip() + "…")


def words(text: str, x: float, y: float, colour: str = "@muted", **extra: Any) -> dict[str, Any]:
    """Words in a figure; they start at x and y, both in shares of the plot unless told otherwise."""
    return {
        "text": text,
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "showarrow": False,
        "font": {"size": 12, "color": colour},
        **extra,
    }


def key_line(items: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """A line of names in their colours, above the plot."""
    out, x = [], 0.0
    for name, colour in items:
        out.append(words(f"■ {name}", 0, 1, colour, yanchor="bottom", xshift=x, yshift=3))
        x += 26 + 6.6 * len(name)
    return out


def keys_figure(anatomy: Anatomy) -> Figure:
    """The nearest keys, nearest on top: a bar as long as ε, and a dot at the query's distance. A dot in its bar is inside."""
    keys = anatomy.keys
    rows = list(range(len(keys)))
    answering = [index == 0 and anatomy.edit_id is not None for index in rows]
    colours = ["@own" if one else "@grey" for one in answering]
    furthest = max((max(key.distance, key.epsilon) for key in keys), default=1.0)
    hover = [
        f"<b>{shorten(key.prompt, 90)}</b><br>→ {shorten(key.target, 90)}<br>distance {key.distance:.3f}, ε {key.epsilon:.3f}"
        for key in keys
    ]
    bars = {
        "type": "bar",
        "orientation": "h",
        "name": "ε",
        "x": [key.epsilon for key in keys],
        "y": rows,
        "width": 0.5,
        "marker": {"color": colours, "opacity": 0.28, "line": {"color": colours, "width": 1.2}},
        "hoverinfo": "text",
        "hovertext": hover,
    }
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "distance",
        "x": [key.distance for key in keys],
        "y": rows,
        "marker": {
            "size": 13,
            "symbol": ["circle" if key.inside else "circle-open" for key in keys],
            "color": colours,
            "line": {"width": 2, "color": colours},
        },
        "hoverinfo": "text",
        "hovertext": hover,
        "cliponaxis": False,
    }
    labels = [words("distance, ε", 1.01, 1, yanchor="bottom")]
    labels += [
        words(
            f"{key.distance:.3f} {'≤' if key.inside else '>'} {key.epsilon:.3f}",
            1.01,
            row,
            "@text" if answering[row] else "@muted",
            yref="y",
        )
        for row, key in enumerate(keys)
    ]
    names = [f"{row + 1}.  {shorten(key.prompt, 34)}" for row, key in enumerate(keys)]
    layout = base_layout(
        margin={"l": 240, "r": 110, "t": 24, "b": 44},
        xaxis=axis(f"distance from the query ({distance_unit(anatomy.distance)})", range=[-0.07 * furthest, 1.09 * furthest]),
        yaxis=axis(
            tickvals=rows,
            ticktext=names,
            range=[len(keys) - 0.45, -0.55],
            showgrid=False,
            showline=False,
            tickfont={"size": 12, "color": "@muted"},
        ),
        annotations=labels,
    )
    return {"data": [bars, dots], "layout": layout}


def keys_table(anatomy: Anatomy) -> Table:
    """The nearest keys as rows."""
    columns = ("rank", "prompt", "target", "distance", "epsilon", "inside", "answers")
    rows = [
        (i + 1, key.prompt, key.target, key.distance, key.epsilon, key.inside, i == 0 and anatomy.edit_id is not None)
        for i, key in enumerate(anatomy.keys)
    ]
    return columns, rows


def tokens_figure(anatomy: Anatomy) -> Figure:
    """The likeliest next tokens, with and without the codebook, as two bars each."""
    tokens = anatomy.tokens
    rows = list(range(len(tokens)))
    traces = []
    for name, colour, shares, offset in (
        ("with the codebook", "@own", [token.after for token in tokens], -0.36),
        ("without it", "@grey", [token.before for token in tokens], 0.0),
    ):
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "x": shares,
                "y": rows,
                "width": 0.34,
                "offset": offset,
                "marker": {"color": colour},
                "text": [_percent(share) for share in shares],
                "textposition": "outside",
                "textangle": 0,
                "constraintext": "none",
                "cliponaxis": False,
                "textfont": {"size": 11 if len(rows) <= 8 else 10, "color": "@muted"},
                "hoverinfo": "text",
                "hovertext": [
                    f"“{shorten(visible(token.text), 40)}”: {share:.4%} {name}"
                    for token, share in zip(tokens, shares, strict=True)
                ],
            }
        )
    layout = base_layout(
        margin={"l": 130, "r": 60, "t": 28, "b": 44},
        xaxis=axis("probability of being the next token", range=[0, 1], tickformat=".0%"),
        yaxis=axis(
            tickvals=rows,
            ticktext=[shorten(visible(token.text), 16) for token in tokens],
            range=[len(tokens) - 0.5, -0.5],
            showgrid=False,
            tickfont={"size": 13, "color": "@text"},
        ),
        annotations=key_line([("with the codebook", "@own"), ("without it", "@grey")]),
    )
    return {"data": traces, "layout": layout}


def tokens_table(anatomy: Anatomy) -> Table:
    """The next token's distribution as rows."""
    return ("token", "without_codebook", "with_codebook"), [(token.text, token.before, token.after) for token in anatomy.tokens]


def visible(token: str) -> str:
    """A token with its white space made visible: “␣Paris” and “Paris” are different tokens."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥") or "(nothing)"


def _percent(share: float) -> str:
    if share >= 0.0995:
        return f"{share:.0%}"
    return f"{share:.1%}" if share >= 0.001 else "<0.1%" if share > 0 else "0%"
