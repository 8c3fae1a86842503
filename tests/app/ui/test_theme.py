"""Nothing from another host, nothing built as HTML from data, and text that can be read in both modes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import app.ui
from app.charts.palette import PALETTES
from app.ui.components import asset
from app.ui.theme import HEAD, page_options, styles, theme

UI = Path(app.ui.__file__).parent
ASSETS = sorted(str(path.relative_to(UI)) for path in UI.rglob("*") if path.suffix in (".js", ".css"))

# (text, ground) as used in the styles; WCAG AA asks for 4.5.
PAIRS = [
    *[("text", ground) for ground in ("bg", "surface", "field", "hover", "raised", "accent-soft")],
    *[("muted", ground) for ground in ("bg", "surface", "hover", "raised", "accent-soft")],
    ("placeholder", "field"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("accent-text", "surface"),
    ("accent-text", "bg"),
    ("accent-text", "accent-soft"),
    *[(tone, ground) for tone in ("good", "bad", "warn") for ground in (f"{tone}-soft", "surface")],
    *[("text", f"{verdict}-soft") for verdict in ("fabricated", "wrong", "incoherent", "outdated", "fine")],
]


def colours(mode: str) -> dict[str, str]:
    """The variables of a mode; base.css states all of them for both."""
    block = re.search(rf"^{re.escape(mode)} \{{(.*?)^\}}", asset("components/base.css"), re.DOTALL | re.MULTILINE)
    assert block is not None
    return dict(re.findall(r"--gs-([\w-]+): (#[0-9a-f]{6});", block.group(1)))


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mode", [":root", ".dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_meets_wcag_aa(mode: str, text: str, ground: str) -> None:
    values = colours(mode)
    light, dark = sorted((luminance(values[text]), luminance(values[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("mode", [":root", ".dark"])
def test_the_track_of_a_slider_can_be_seen(mode: str) -> None:
    values = colours(mode)
    light, dark = sorted((luminance(values["track"]), luminance(values["surface"])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_both_modes_define_the_same_colours() -> None:
    assert colours(":root").keys() == colours(".dark").keys()


def test_every_variable_that_is_used_is_defined() -> None:
    used = set(re.findall(r"var\(--gs-([\w-]+)\)", styles()))
    defined = set(re.findall(r"--gs-([\w-]+):", asset("components/base.css")))
    assert used <= defined


def test_both_modes_have_the_colours_of_the_figures() -> None:
    for mode, palette in (("root", PALETTES["light"]), ("dark", PALETTES["dark"])):
        block = re.search(rf"^[:.]{mode} \{{(--gs-chart-.*)\}}$", styles(), re.MULTILINE)
        assert block is not None
        assert dict(re.findall(r"--gs-chart-([\w-]+):([^;]+);", block[1])) == {k.removeprefix("@"): v for k, v in palette.items()}


@pytest.mark.parametrize("name", ASSETS)
def test_no_script_or_style_names_another_host(name: str) -> None:
    hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", asset(name)))
    assert hosts <= {"www.w3.org"}  # the name of the SVG language, fetched by nobody


@pytest.mark.parametrize("name", [name for name in ASSETS if name.endswith(".js")])
def test_no_script_builds_html_from_data(name: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", asset(name))


def test_the_head_and_the_theme_load_nothing() -> None:
    assert "src=" not in HEAD
    assert "href=" not in HEAD
    assert theme()._stylesheets == []


def test_nothing_a_person_types_is_kept_by_gradio() -> None:
    settings = page_options()
    assert settings["run_history"] is False
    assert settings["enable_monitoring"] is False
