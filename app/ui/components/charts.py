"""What every component that draws with Plotly needs: Plotly itself, the palettes, and the scripts they share.

Plotly's script is served from the installed plotly package, never from another host.
"""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import plotly

from app.charts.palette import PALETTES
from app.ui.components import asset

PLOTLY = Path(plotly.__file__).resolve().parent / "package_data" / "plotly.min.js"

# Gradio answers /gradio_api/file=… below whatever prefix a proxy puts the app; a relative address keeps that prefix.
# Many components may name it: a browser loads it once.
_ADDRESS = f"gradio_api/file={PLOTLY.as_posix()}"
HEAD = f'<script src="{_ADDRESS}"></script>'


def chart_script(*names: str) -> str:
    """The `js_on_load` of a component that draws: the shared helpers, the palettes, then its own scripts in this order."""
    palettes = f"const PALETTES = {json.dumps(PALETTES)};\nconst PLOTLY_ADDRESS = {json.dumps(_ADDRESS)};"
    return "\n".join(
        (asset("components/dom.js"), palettes, asset("components/csv.js"), asset("components/charts.js"), *map(asset, names))
    )


def serve_plotly() -> None:
    """Let browsers load Plotly's script; needed once before the app starts, harmless more often."""
    gr.set_static_paths([PLOTLY])
