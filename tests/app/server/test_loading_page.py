"""The page that stands where the app will: the same look, and one hand-over."""

from __future__ import annotations

import re
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection

import httpx
import pytest

from app import __version__
from app.server.hosts import Hosts
from app.server.loading_page import LoadingPage, listen, page


def test_its_colours_and_its_mode_are_those_of_the_pages() -> None:
    own = page().partition("html { color-scheme")[2]
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgb", own)
    assert set(re.findall(r"var\((--[\w-]+)\)", own)) <= set(re.findall(r"(--[\w-]+):", page()))
    assert "grace-studio.mode" in own
    assert "prefers-color-scheme: dark" in own


@pytest.fixture
def port() -> int:
    with listen("127.0.0.1", 0) as probe:
        return int(probe.getsockname()[1])


def test_it_says_how_far_the_start_is_and_gives_the_port_free(port: int) -> None:
    with LoadingPage("127.0.0.1", port, Hosts("127.0.0.1")) as shown:
        shown.show("Reading", 0.5)
        answered = httpx.get(f"http://127.0.0.1:{port}/?edit=1", trust_env=False)
        assert (answered.status_code, "Grace Studio is starting" in answered.text) == (503, True)
        asked = httpx.get(f"http://127.0.0.1:{port}/progress", trust_env=False).json()
        assert asked == {"loading": True, "words": "Reading", "fraction": 0.5}
    listen("127.0.0.1", port).close()


def test_what_is_answered_is_sent_at_once() -> None:
    """The rest of an answer does not wait for the acknowledgement of its beginning."""
    with listen("127.0.0.1", 0) as listening, create_connection(listening.getsockname()), listening.accept()[0] as accepted:
        assert accepted.getsockopt(IPPROTO_TCP, TCP_NODELAY)


def test_what_watches_the_studio_is_told_in_json_that_it_loads(port: int) -> None:
    with LoadingPage("127.0.0.1", port, Hosts("127.0.0.1")) as shown:
        shown.show("Reading", 0.5)
        answered = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
        assert answered.status_code == 503
        assert answered.json() == {"status": "loading", "version": __version__, "words": "Reading", "fraction": 0.5}
        refused = httpx.post(f"http://127.0.0.1:{port}/api/status", trust_env=False)
        assert (refused.status_code, refused.json()["code"]) == (503, "loading")


@pytest.mark.parametrize("path", ["/", "/health", "/progress"])
def test_another_name_is_refused_while_it_loads_too(path: str, port: int) -> None:
    with LoadingPage("127.0.0.1", port, Hosts("127.0.0.1", ["studio.example.org"])):
        url = f"http://127.0.0.1:{port}{path}"
        answered = httpx.get(url, headers={"Host": "evil.example"}, trust_env=False)
        assert (answered.status_code, answered.json()["code"]) == (403, "unknown_host")
        assert httpx.get(url, headers={"Host": "studio.example.org"}, trust_env=False).status_code != 403
