"""Scripts are served as modules, may be kept for ever, and have another address after every change."""

from __future__ import annotations

import re
from pathlib import Path

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.ui.scripts import FOLDER, address, modules, script, script_routes, version


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=script_routes()))


def test_every_module_is_served_as_javascript_and_may_be_kept(client: TestClient) -> None:
    for name, path in modules().items():
        response = client.get(address(name))
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/javascript")
        assert "immutable" in response.headers["cache-control"]
        assert response.content == path.read_bytes()


@pytest.mark.parametrize("name", ["session.py", "components/base.css", "../settings.py", "%2e%2e/settings.py", "nothing.js", ""])
def test_nothing_but_modules_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"scripts/{version()}/{name}").status_code == 404


def test_a_page_from_before_an_upgrade_gets_what_there_is_but_keeps_it_not(client: TestClient) -> None:
    response = client.get("scripts/before/components/dom.js")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"


def test_the_address_is_relative_so_that_a_prefix_stays() -> None:
    assert not address("map/key_map.js").startswith("/")
    assert version() in address("map/key_map.js")
    with pytest.raises(KeyError, match="no script"):
        address("map/nothing.js")


def test_gradio_knows_the_events_that_a_module_may_trigger() -> None:
    component = gr.HTML(js_on_load=script("review/marker.js", "mark", "unmark"), render=False)
    assert callable(component.mark)
    assert callable(component.unmark)
    with pytest.raises(AttributeError):
        component.open_map  # noqa: B018


@pytest.mark.parametrize("name", [name for name, path in modules().items() if path.is_relative_to(FOLDER)])
def test_a_module_imports_only_what_is_served(name: str) -> None:
    path = modules()[name]
    text = path.read_text(encoding="utf-8")
    assert text.startswith("// @ts-check\n")
    for target in re.findall(r'from "([^"]+)"', text):
        assert target.startswith(".")
        assert (path.parent / target).resolve() in modules().values()


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_module_triggers_no_event_that_its_component_does_not_name(path: Path) -> None:
    """What Gradio does not know of, it drops without a word."""
    text = path.read_text(encoding="utf-8")
    for call in re.findall(r"js_on_load=script\((.*?)\),\n", text, re.DOTALL):
        name, *events = re.findall(r'"([^"]+)"', call)
        found = set(re.findall(r'trigger\("(\w+)"', modules()[name].read_text(encoding="utf-8")))
        assert found <= set(events), name
