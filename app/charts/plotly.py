"""What all Plotly figures share: their layout, axes, words in them, and text that is safe there. Knows no domain.

Colours are tokens of `palette.PALETTES`. Plotly reads tags: what comes from a prompt or a model goes through `escape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grace_core.config import Distance

Figure = dict[str, Any]
"""Plotly's {"data", "layout"}."""
Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Column names, and rows of numbers and texts: what the CSV of a figure holds."""


def base_layout(**extra: Any) -> dict[str, Any]:
    """What all figures look alike in; none is dragged or zoomed unless `extra` says so."""
    return {
        "paper_bgcolor": "@surface",
        "plot_bgcolor": "@surface",
        "font": {"family": "ui-sans-serif, system-ui, sans-serif", "size": 12, "color": "@text"},
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


def escape(text: str) -> str:
    """Text that Plotly shows as it is: it would read tags and entities in hover texts and labels."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def distance_unit(distance: Distance) -> str:
    """What a distance is measured in, for the title of its axis."""
    return {"cosine": "1 − cos", "euclidean": "Euclidean", "two_keys": "larger of subject and question"}[distance]


def shorten(text: str, length: int) -> str:
    """On one line and at most this long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


def wrapped(text: str, length: int, width: int = 56) -> str:
    """Shortened, escaped and broken into lines; a word longer than a line is cut."""
    lines: list[str] = []
    for word in shorten(text, length).split(" "):
        for piece in [word[at : at + width] for at in range(0, len(word), width)]:
            if lines and len(lines[-1]) + 1 + len(piece) <= width:
                lines[-1] += " " + piece
            else:
                lines.append(piece)
    return "<br>".join(escape(line) for line in lines)
