"""Clients that wait hold no thread, and what nobody waits for any more is called off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import gradio as gr
import httpx
import pytest

from app.server.endpoints import Departures, add_endpoints
from app.server.hosts import Hosts
from app.server.shell import MOST_WAITING
from app.server.web import WebServer, make_web
from app.studio.facade import Studio
from app.studio.views import EditPage

MANY = 100
SOON = 30.0
PATIENCE = 0.5
Ask = Callable[[httpx.AsyncClient], Any]


class Endless:
    """A job that ends only when nobody waits for it any more."""

    def __init__(self, studio: EndlessStudio) -> None:
        self._studio = studio

    async def wait(self) -> Any:
        self._studio.waiting += 1
        self._studio.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._studio.waiting -= 1
            self._studio.called_off.set()


class EndlessStudio:
    """As much of the studio as these tests ask for."""

    def __init__(self) -> None:
        self.waiting = 0
        self.begun, self.called_off = threading.Event(), threading.Event()

    def generate(self, prompt: str, *, in_context: bool | None = None, author: str, asker: str) -> Endless:
        return Endless(self)

    def edits(self, **_: Any) -> EditPage:
        return EditPage((), 0, {"active": 0, "undone": 0, "superseded": 0})


@contextmanager
def served(patience: float) -> Iterator[tuple[EndlessStudio, str]]:
    """The studio, and the address at which it is served."""
    fake, departures = EndlessStudio(), Departures(patience)
    studio = cast(Studio, fake)
    with gr.Blocks(analytics_enabled=False) as blocks:
        add_endpoints(studio, departures)
    blocks.max_threads = MOST_WAITING
    blocks.queue(default_concurrency_limit=None)
    with WebServer(make_web(studio, blocks, Hosts("127.0.0.1"), departures), "127.0.0.1", 0) as server:
        yield fake, f"http://127.0.0.1:{server.port}"


async def by_http(http: httpx.AsyncClient) -> None:
    await http.post("/api/generate", json={"prompt": "Who?"})


async def listen(http: httpx.AsyncClient, path: str) -> None:
    async with http.stream("GET", path) as stream:
        async for _ in stream.aiter_raw():
            pass


async def by_event(http: httpx.AsyncClient) -> None:
    joined = await http.post("/gradio_api/call/generate", json={"data": ["Who?", None]})
    await listen(http, f"/gradio_api/call/generate/{joined.json()['event_id']}")


async def join(http: httpx.AsyncClient) -> str:
    config = (await http.get("/config")).json()
    index = next(one["id"] for one in config["dependencies"] if one["api_name"] == "generate")
    session = f"session-{id(asyncio.current_task())}"
    await http.post("/gradio_api/queue/join", json={"data": ["Who?", None], "fn_index": index, "session_hash": session})
    return session


async def by_session(http: httpx.AsyncClient) -> None:
    await listen(http, f"/gradio_api/queue/data?session_hash={await join(http)}")


def client(url: str) -> httpx.AsyncClient:
    # A connection that lay idle may be closed by the server just as the next request goes out on it: none is kept.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=url, timeout=SOON, trust_env=False, limits=limits)


@pytest.mark.parametrize("ask", [by_http, by_event, by_session])
def test_what_a_client_asked_that_hangs_up_is_called_off(ask: Ask) -> None:
    async def ask_and_leave() -> None:
        async with client(url) as http:
            asking = asyncio.create_task(ask(http))
            assert await asyncio.to_thread(studio.begun.wait, SOON)
            await asyncio.sleep(PATIENCE * 2)  # it listens, so it is not gone
            assert not studio.called_off.is_set()
            asking.cancel()

    with served(PATIENCE) as (studio, url):
        asyncio.run(ask_and_leave())
        assert studio.called_off.wait(SOON)


@pytest.mark.parametrize("ask", [by_http, by_event, by_session])
def test_however_many_wait_another_is_answered(ask: Ask) -> None:
    async def ask_together() -> list[int]:
        async with client(url) as http:
            asking = [asyncio.create_task(ask(http)) for _ in range(MANY)]
            try:
                for _ in range(600):
                    if studio.waiting == MANY:
                        break
                    assert [task.exception() for task in asking if task.done()] == []
                    await asyncio.sleep(0.05)
                assert studio.waiting == MANY
                async with client(url) as other:
                    paths = [other.post("/api/edits", json={}), other.get("/"), other.get("/health")]
                    return [(await answer).status_code for answer in paths]
            finally:
                for task in asking:
                    task.cancel()
                await asyncio.gather(*asking, return_exceptions=True)

    with served(SOON) as (studio, url):
        assert asyncio.run(ask_together()) == [200, 200, 200]


def test_what_a_client_asked_that_never_listens_is_called_off() -> None:
    async def ask_and_leave() -> None:
        async with client(url) as http:
            await join(http)

    with served(PATIENCE) as (studio, url):
        asyncio.run(ask_and_leave())
        assert studio.begun.wait(SOON)
        assert studio.called_off.wait(SOON)
