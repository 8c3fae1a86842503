"""The colours of all figures and pages, for both modes.

Figures hold tokens ("@own"); a page's script puts the colours of its mode in their place, so that switching the mode asks no
server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Theme = Literal["light", "dark"]

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
