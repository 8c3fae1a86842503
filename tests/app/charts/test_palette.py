"""The colours of both modes."""

from __future__ import annotations

import pytest

from app.charts.palette import PALETTES, Theme


def test_both_modes_have_the_same_tokens() -> None:
    assert PALETTES["light"].keys() == PALETTES["dark"].keys()


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
