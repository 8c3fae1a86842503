"""The page that stands where the app will: the same look, and one hand-over."""

from __future__ import annotations

import re

import httpx

from app.server.loading_page import LoadingPage, listen, page


def test_its_colours_and_its_mode_are_those_of_the_pages() -> None:
    own = page().partition("html { color-scheme")[2]
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgb", own)
    assert set(re.findall(r"var\((--[\w-]+)\)", own)) <= set(re.findall(r"(--[\w-]+):", page()))
    assert "grace-studio.mode" in own
    assert "prefers-color-scheme: dark" in own


def test_it_says_how_far_the_start_is_and_gives_the_port_free() -> None:
    with listen("127.0.0.1", 0) as probe:
        port = int(probe.getsockname()[1])
    with LoadingPage("127.0.0.1", port) as shown:
        shown.show("Reading", 0.5)
        answered = httpx.get(f"http://127.0.0.1:{port}/?edit=1", trust_env=False)
        assert (answered.status_code, "Grace Studio is starting" in answered.text) == (503, True)
        asked = httpx.get(f"http://127.0.0.1:{port}/progress", trust_env=False).json()
        assert asked == {"loading": True, "words": "Reading", "fraction": 0.5}
    listen("127.0.0.1", port).close()
