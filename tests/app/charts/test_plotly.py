"""What all Plotly figures share: layout and safe words."""

from __future__ import annotations

from app.charts.plotly import base_layout, escape, shorten, wrapped
from tests.app.lab.test_anatomy_figures import assert_drawable


def test_words_are_escaped_cut_and_broken_into_lines() -> None:
    assert escape("a<b & c>\ud800") == "a&lt;b &amp; c&gt;?"
    assert shorten("one  two\nthree", 9) == "one two…"
    assert wrapped("a" * 120, 200) == "<br>".join(["a" * 56, "a" * 56, "a" * 8])
    assert wrapped("<i>x</i>", 100) == "&lt;i&gt;x&lt;/i&gt;"


def test_a_figure_may_differ_from_the_base() -> None:
    assert (base_layout()["dragmode"], base_layout(dragmode="zoom")["dragmode"]) == (False, "zoom")
    assert_drawable({"data": [], "layout": base_layout()})
