"""What all figures share: palettes, safe words."""

from __future__ import annotations

import json

import pytest

from app.charts.palette import PALETTES, Theme, escape, frame, shorten, themed, wrapped


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_leaves_no_token(theme: Theme) -> None:
    assert '"@' not in json.dumps(themed(frame([{"type": "scatter", "marker": {"color": ["@own", "@grey"]}}]), theme))
    assert themed({"hovertext": ["@own"], "color": "@own"}, theme) == {
        "hovertext": ["@own"],
        "color": PALETTES[theme]["@own"],
    }


def test_words_are_escaped_cut_and_broken_into_lines() -> None:
    assert escape("a<b & c>\ud800") == "a&lt;b &amp; c&gt;?"
    assert shorten("one  two\nthree", 9) == "one two…"
    assert wrapped("a" * 120, 200) == "<br>".join(["a" * 56, "a" * 56, "a" * 8])
    assert wrapped("<i>x</i>", 100) == "&lt;i&gt;x&lt;/i&gt;"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_that_mean_something_stand_out_from_the_ground(theme: Theme) -> None:
    palette = PALETTES[theme]
    for name, colour in palette.items():
        if name in ("@own", "@contested", "@grey") or name.startswith("@key"):
            assert contrast(colour, palette["@surface"]) >= 3.0, name
    assert contrast(palette["@muted"], palette["@surface"]) >= 4.5
    for cell in ("@cell0", "@cell1", "@cell2"):
        assert contrast(palette["@text"], palette[cell]) >= 4.5, f"text on {cell}"


def contrast(left: str, right: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        r, g, b = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(left), luminance(right)), reverse=True)
    return (high + 0.05) / (low + 0.05)
