"""How the app looks: theme, styles and document head. Nothing comes from another host: system fonts only."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.charts.palette import PALETTES
from app.ui.components import asset

STYLES = (
    "components/base.css",
    "components/header.css",
    "components/pair.css",
    "components/state_chip.css",
    "components/progress.css",
    "review/marker.css",
    "review/loss_curve.css",
    "review/diff.css",
    "review/tries.css",
    "components/downloads.css",
    "map/picked.css",
    "edits/edit_table.css",
    "lab/what_if.css",
)

# Runs before the first component is drawn, so a stored choice does not flash the other mode. Gradio measures a text when it is
# typed; where the window is made narrower, its last lines would be cut.
HEAD = """
<meta name="description" content="Review, mark and correct what a language model says.">
<script>
(() => {
  try {
    const mode = localStorage.getItem("grace-studio.mode");
    if (mode) document.body.classList.toggle("dark", mode === "dark");
  } catch (error) { console.warn("The browser keeps no settings for this page:", error.message); }
  addEventListener("resize", () => {
    for (const text of document.querySelectorAll("textarea")) {
      if (text.offsetParent) text.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
})();
</script>
"""


# Of Gradio's variables, each with the one of base.css that it takes.
_COLOURS = {
    "body_text_color": "text",
    "body_text_color_subdued": "muted",
    "background_fill_primary": "surface",
    "background_fill_secondary": "bg",
    "border_color_primary": "border",
    "border_color_accent": "accent",
    "color_accent_soft": "accent-soft",
    "link_text_color": "accent-text",
    "link_text_color_hover": "accent-text",
    "link_text_color_active": "accent-text",
    "link_text_color_visited": "accent-text",
    "block_background_fill": "surface",
    "block_border_color": "border",
    "block_label_text_color": "muted",
    "block_label_background_fill": "surface",
    "block_title_text_color": "text",
    "block_info_text_color": "muted",
    "input_background_fill": "field",
    "input_background_fill_focus": "field",
    "input_border_color": "border-strong",
    "input_border_color_focus": "accent",
    "input_placeholder_color": "placeholder",
    "button_primary_background_fill": "accent",
    "button_primary_background_fill_hover": "accent-hover",
    "button_primary_border_color": "accent",
    "button_primary_text_color": "on-accent",
    "button_primary_text_color_hover": "on-accent",
    "button_secondary_background_fill": "surface",
    "button_secondary_background_fill_hover": "hover",
    "button_secondary_border_color": "border-strong",
    "button_secondary_text_color": "text",
    "button_secondary_text_color_hover": "text",
}


def theme() -> gr.themes.Base:
    """The theme; its colours are the variables of base.css, so that both modes are defined in one place."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
        font=["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    )
    colours = {name: f"var(--gs-{variable})" for name, variable in _COLOURS.items()}
    colours |= {f"{name}_dark": value for name, value in colours.items()}
    return base.set(
        # Plain colours: Gradio writes these two into the page before any style is loaded.
        body_background_fill="#f6f6f4",
        body_background_fill_dark="#141413",
        input_radius="8px",
        input_border_width="1px",
        input_border_width_dark="1px",
        input_shadow="none",
        input_shadow_dark="none",
        input_shadow_focus="0 0 0 3px var(--gs-ring)",
        input_shadow_focus_dark="0 0 0 3px var(--gs-ring)",
        color_accent="var(--gs-accent)",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_title_text_weight="600",
        block_title_text_size="*text_sm",
        button_border_width="1px",
        button_border_width_dark="1px",
        button_primary_shadow="none",
        button_secondary_shadow="none",
        button_large_text_weight="600",
        button_medium_text_weight="600",
        **colours,
    )


def styles() -> str:
    """All styles of the pages as one sheet, with the colours of the figures in both modes."""
    chart = {
        mode: "".join(f"--gs-chart-{token.removeprefix('@')}:{colour};" for token, colour in palette.items())
        for mode, palette in PALETTES.items()
    }
    return "\n".join((f":root {{{chart['light']}}}", f".dark {{{chart['dark']}}}", *map(asset, STYLES)))


def page_options() -> dict[str, Any]:
    """What `gr.mount_gradio_app` must be given for this app (in Gradio 6 theme, styles and head are its arguments)."""
    return {
        "theme": theme(),
        "css": styles(),
        "head": f"{HEAD}<style>{asset('components/outside.css')}</style>",
        "footer_links": ["api"],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "pwa": False,
    }
