"""The figures of one answer's anatomy: pure functions to Plotly JSON and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.charts.labels import distinctive
from app.charts.plotly import Figure, Table, axis, base_layout, distance_unit, escape, key_line, shorten, words
from grace_core.answering.anatomy import Anatomy, NearKey


def keys_figure(anatomy: Anatomy) -> Figure:
    """The nearest keys, nearest on top: a bar as long as ε, and a dot at the query's distance. A dot in its bar is inside."""
    keys = anatomy.keys
    rows = list(range(len(keys)))
    answering = [index == 0 and anatomy.edit_id is not None for index in rows]
    colours = ["@own" if one else "@grey" for one in answering]
    furthest = max((max(key.distance, key.epsilon) for key in keys), default=1.0)
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
    names = [f"{row}.  {escape(shorten(name, 34))}" for row, name in enumerate(distinctive([key.prompt for key in keys]), 1)]
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
    return {"data": _keys_and_distances(keys, colours), "layout": layout}


def _keys_and_distances(keys: Sequence[NearKey], colours: list[str]) -> list[dict[str, Any]]:
    """The bars and the dots of `keys_figure`."""
    rows = list(range(len(keys)))
    hover = [
        f"<b>{escape(shorten(key.prompt, 90))}</b><br>→ {escape(shorten(key.target, 90))}<br>"
        f"distance {key.distance:.3f}, ε {key.epsilon:.3f}"
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
    return [bars, dots]


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
                    f"“{escape(shorten(visible(token.text), 40))}”: {share:.4%} {name}"
                    for token, share in zip(tokens, shares, strict=True)
                ],
            }
        )
    layout = base_layout(
        margin={"l": 130, "r": 60, "t": 28, "b": 44},
        xaxis=axis("probability of being the next token", range=[0, 1], tickformat=".0%"),
        yaxis=axis(
            tickvals=rows,
            ticktext=[escape(shorten(visible(token.text), 16)) for token in tokens],
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
