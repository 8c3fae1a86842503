"""The figures of one answer's anatomy: pure functions to Plotly JSON and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.charts.labels import distinctive
from app.charts.plotly import Figure, Table, axis, base_layout, distance_unit, escape, key_line, shorten, words
from grace_core.answering.anatomy import Anatomy, NearKey, Reach

# How far apart the two parts of one key are drawn, in rows.
_PARTS_APART = 0.38


def keys_figure(anatomy: Anatomy) -> Figure:
    """The nearest keys, nearest on top: a bar as long as a key reaches and a dot at the query's distance, for each part."""
    keys, marks = anatomy.keys, _marks(anatomy)
    furthest = max((max(mark.part.away, mark.part.end) for mark in marks), default=1.0)
    names = [f"{row}.  {escape(shorten(name, 34))}" for row, name in enumerate(distinctive([key.prompt for key in keys]), 1)]
    parts = len(marks) > len(keys)
    layout = base_layout(
        margin={"l": 240, "r": 150 if parts else 110, "t": 24, "b": 44},
        xaxis=axis(
            "each part of the distance, over its own scale"
            if parts
            else f"distance from the query ({distance_unit(anatomy.distance)})",
            range=[-0.07 * furthest, 1.09 * furthest],
        ),
        yaxis=axis(
            tickvals=list(range(len(keys))),
            ticktext=names,
            range=[len(keys) - 0.45, -0.55],
            showgrid=False,
            showline=False,
            tickfont={"size": 12, "color": "@muted"},
        ),
        annotations=[
            words("distance, at most" if parts else "distance, ε", 1.01, 1, yanchor="bottom"),
            *map(_said, marks),
        ],
    )
    return {"data": _keys_and_distances(marks), "layout": layout}


class _Mark(NamedTuple):
    """One part of the distance to one key, and where it is drawn. named: the part is not all there is."""

    key: NearKey
    part: Reach
    y: float
    width: float
    colour: str
    named: bool


def _marks(anatomy: Anatomy) -> list[_Mark]:
    found = []
    for row, key in enumerate(anatomy.keys):
        reaches = key.reaches
        colour = "@own" if row == 0 and anatomy.edit_id is not None else "@grey"
        for at, part in enumerate(reaches):
            y = row + (0.0 if len(reaches) == 1 else _PARTS_APART * (at - 0.5))
            found.append(_Mark(key, part, y, 0.5 if len(reaches) == 1 else 0.3, colour, len(reaches) > 1))
    return found


def _said(mark: _Mark) -> dict[str, Any]:
    part, digits = mark.part, 2 if mark.named else 3
    text = f"{part.away:.{digits}f} {'≤' if part.inside else '>'} {part.end:.{digits}f}"
    named = f"{part.name} {text}" if mark.named else text
    return words(named, 1.01, mark.y, "@text" if mark.colour == "@own" else "@muted", yref="y")


def _keys_and_distances(marks: Sequence[_Mark]) -> list[dict[str, Any]]:
    """The bars and the dots of `keys_figure`."""
    rows = [mark.y for mark in marks]
    colours = [mark.colour for mark in marks]
    hover = [
        f"<b>{escape(shorten(mark.key.prompt, 90))}</b><br>→ {escape(shorten(mark.key.target, 90))}<br>"
        f"{mark.part.name} {mark.part.away:.3f}, at most {mark.part.end:.3f}"
        for mark in marks
    ]
    bars = {
        "type": "bar",
        "orientation": "h",
        "name": "at most",
        "x": [mark.part.end for mark in marks],
        "y": rows,
        "width": [mark.width for mark in marks],
        "marker": {"color": colours, "opacity": 0.28, "line": {"color": colours, "width": 1.2}},
        "hoverinfo": "text",
        "hovertext": hover,
    }
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "distance",
        "x": [mark.part.away for mark in marks],
        "y": rows,
        "marker": {
            "size": [11 if mark.named else 13 for mark in marks],
            "symbol": ["circle" if mark.part.inside else "circle-open" for mark in marks],
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
    columns = ("rank", "prompt", "target", "distance", "epsilon", "inside", "answers", "subject", "subject at most", "question")
    rows = []
    for row, key in enumerate(anatomy.keys):
        both: tuple[float | None, ...] = (None, None, None)
        if key.parts is not None:
            both = (key.parts.subject, key.reaches[0].end, key.parts.question)
        answers = row == 0 and anatomy.edit_id is not None
        rows.append((row + 1, key.prompt, key.target, key.distance, key.epsilon, key.inside, answers, *both))
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
