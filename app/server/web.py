"""The web server: FastAPI with the pages mounted, its guards around all of it, on a thread of its own."""

from __future__ import annotations

import os
import secrets
import threading
import time
from dataclasses import dataclass
from socket import socket
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.routes import App
from starlette.routing import Mount

from app import __version__
from app.errors import StudioError
from app.server.calls import Calls, answer_in_words
from app.server.endpoints import Departures, add_routes
from app.server.guards import Guard
from app.server.hosts import Hosts, host_name
from app.server.loading_page import HEALTH_PATH, PROGRESS_PATH, listen
from app.studio.prompt_files import MOST_BYTES
from app.ui.scripts import script_routes
from app.ui.theme import page_options

if TYPE_CHECKING:
    from app.studio.facade import Studio

_CLOSE_WITHIN = 3
"""Seconds for what is being answered when the server ends; a stream of events never ends by itself."""


@dataclass(frozen=True)
class Web:
    """The server's app, and the part of it that Gradio made for `blocks`."""

    app: FastAPI
    pages: App
    blocks: gr.Blocks


def make_web(studio: Studio, blocks: gr.Blocks, hosts: Hosts, departures: Departures) -> Web:
    """Everything that is served: the pages with their scripts, the endpoints behind them, `/api` and `/health`."""
    app = FastAPI(title="Grace Studio", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(HEALTH_PATH)
    async def health() -> dict[str, str]:
        """Whether the server answers; it asks neither the model nor the journal."""
        return {"status": "ok", "version": __version__}

    app.router.routes += script_routes()

    @app.get(PROGRESS_PATH)
    async def progress() -> dict[str, bool]:
        """What the loading page still asks once: this is no loading page any more."""
        return {"loading": False}

    add_routes(app, studio)
    gr.mount_gradio_app(
        app, blocks, "/", max_file_size=MOST_BYTES, root_path=os.environ.get("GRADIO_ROOT_PATH", ""), **page_options()
    )
    pages = next(route.app for route in app.routes if isinstance(route, Mount) and isinstance(route.app, App))
    answer_in_words(pages)
    app.add_middleware(Calls, blocks=blocks)
    app.add_middleware(Guard, hosts=hosts)
    app.add_middleware(departures.watching)
    return Web(app, pages, blocks)


class _Server(uvicorn.Server):
    """Ends the streams that pages listen to before it waits for what is being answered."""

    def __init__(self, config: uvicorn.Config, web: Web) -> None:
        super().__init__(config)
        self._web = web

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._web.pages.stop_event.set()
        self._web.blocks.close(verbose=False)
        await super().shutdown(sockets)


class WebServer:
    """The running server. A context manager; closing ends it within seconds, whoever still listens."""

    def __init__(self, web: Web, host: str, port: int) -> None:
        """Listen, and start to answer.

        Raises:
            SettingsError: the address cannot be used.
        """
        listening = listen(host, port)
        self.port: int = listening.getsockname()[1]
        config = uvicorn.Config(web.app, log_config=None, log_level="warning", timeout_graceful_shutdown=_CLOSE_WITHIN)
        self._server = _Server(config, web)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="web", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise StudioError("The web server did not start; what is above says why.")
            time.sleep(0.01)

    def close(self) -> None:
        """Stop answering. Closing twice is harmless."""
        self._server.should_exit = True
        self._thread.join(timeout=3 * _CLOSE_WITHIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_public_link(host: str, port: int, hosts: Hosts) -> str:
    """A gradio.live address whose visitors reach this server, through Gradio's tunnel; ends with the process.

    Raises:
        StudioError: there is no tunnel to be had; the message says why.
    """
    from gradio.networking import setup_tunnel

    token = secrets.token_urlsafe(32)
    try:
        link = setup_tunnel(host, port, token, share_server_address=None, share_server_tls_certificate=None)
    except Exception as error:
        raise StudioError(f"There is no public link ({error}); the studio answers at its own address only.") from error
    hosts.add(host_name(urlsplit(link).netloc))
    return "https" + link.removeprefix("http").removeprefix("s")
