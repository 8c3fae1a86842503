"""What all figures share: the palette of both modes, the frame of a Plotly figure, and safe words in it.

Colours are tokens ("@own") until `themed` puts those of the light or dark mode in their place; a page's script does
the same, so that switching the mode asks no server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from grace_core.config import Distance

Theme = Literal["light", "dark"]
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
        "@cell0": "#f4efe6",
        "@cell1": "#b9d5e6",
        "@cell2": "#56b4e9",
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
        "@cell0": "#2a2927",
        "@cell1": "#264a60",
        "@cell2": "#1f6b9a",
    },
}

# Texts, ids and coordinates: data, whatever they begin with.
_PLAIN = frozenset({"hovertext", "customdata", "text", "x", "y"})


def frame(data: Sequence[dict[str, Any]]) -> Figure:
    """A Plotly figure of these traces in the house's looks; axes, margins and annotations are its maker's."""
    return {
        "data": list(data),
        "layout": {
            "showlegend": False,
            "hovermode": "closest",
            "paper_bgcolor": "@surface",
            "plot_bgcolor": "@surface",
            "font": {"family": "ui-sans-serif, system-ui, sans-serif", "size": 12, "color": "@text"},
            "hoverlabel": {
                "align": "left",
                "bgcolor": "@surface",
                "bordercolor": "@line",
                "font": {"size": 13, "color": "@text"},
            },
        },
    }


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


def escape(text: str) -> str:
    """Text that Plotly shows as it is: it would read tags and entities in hover texts and labels."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def distance_unit(distance: Distance) -> str:
    """What a distance is measured in, for the title of its axis."""
    return "1 − cos" if distance == "cosine" else "Euclidean"


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
