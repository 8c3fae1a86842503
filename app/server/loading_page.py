"""What a person sees before the app can be used: a page at the app's own address, and a bar on the console.

The page answers every request with 503 and a progress bar that asks `/progress`; when something else than this server
answers, the app has taken over and the page loads itself again, at the same address and query.
"""

from __future__ import annotations

import errno
import json
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, AF_INET6, IPPROTO_TCP, TCP_NODELAY, create_server, socket
from typing import Any, TextIO

from app import __version__
from app.errors import SettingsError
from app.server.hosts import Hosts, unknown_host
from app.studio.progress import Stage

PROGRESS_PATH = "/progress"
HEALTH_PATH = "/health"


def page() -> str:
    """The page, with the colours of those that will stand in its place."""
    colours = (Path(__file__).parents[1] / "ui" / "components" / "base.css").read_text(encoding="utf-8")
    return Path(__file__).with_name("loading_page.html").read_text(encoding="utf-8").replace("/* base.css */", colours)


class LoadingPage:
    """Holds the app's port from the first moment; `close()` gives it free for the app. Use as a context manager."""

    def __init__(self, host: str, port: int, hosts: Hosts) -> None:
        """Start to listen. hosts: the names under which it answers.

        Raises:
            SettingsError: the address cannot be used; the message names the flag that chooses another.
        """
        self._stage = Stage("Starting", 0.0)
        text = page().encode()

        class Handler(_Handler):
            body = text
            stage = staticmethod(lambda: self._stage)
            admits = staticmethod(hosts.admits)

        listening = listen(host, port)
        self._server = _Server(listening.getsockname(), Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listening
        # A short poll: closing waits for it.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="loading-page")
        self._thread.daemon = True
        self._thread.start()
        self._open = True

    def show(self, words: str, fraction: float) -> None:
        self._stage = Stage(words, fraction)

    def close(self) -> None:
        """Stop answering and free the port. Closing twice is harmless."""
        if self._open:
            self._open = False
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def __enter__(self) -> LoadingPage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def listen(host: str, port: int) -> socket:
    """A socket that listens there.

    Raises:
        SettingsError: the address cannot be used; the message names the flag that chooses another.
    """
    host = host.strip("[]")
    try:
        listening = create_server((host, port), family=AF_INET6 if ":" in host else AF_INET, backlog=128)
        # asyncio does not see that such a socket is TCP; without this each answer waits 40 ms for an acknowledgement.
        listening.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise _address_error(host, port, error) from error


def _address_error(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            f"Port {port} on {host} is in use, perhaps by another Grace Studio. Stop that program or choose another "
            f"port with --port, such as --port {port + 1 if port < 65535 else port - 1}."
        )
    if error.errno == errno.EACCES:
        return SettingsError(f"Port {port} needs administrator rights. Choose one above 1023 with --port.")
    return SettingsError(f"Cannot listen on {host}, port {port}: {error.strerror or error}. Check --host and --port.")


class _Handler(BaseHTTPRequestHandler):
    body: bytes
    stage: Callable[[], Stage]
    admits: Callable[[str], bool]

    def do_GET(self) -> None:
        path = self.path.split("?", 1)[0].rstrip("/")
        host = self.headers.get("Host", "")
        if not self.admits(host):
            code, message = unknown_host(host)
            self._json(403, {"code": code, "message": message})
        elif path == PROGRESS_PATH:
            self._json(200, {"loading": True, **vars(self.stage())})
        elif path == HEALTH_PATH:
            self._json(503, {"status": "loading", "version": __version__, **vars(self.stage())})
        elif self.command in ("GET", "HEAD"):
            self._answer(503, "text/html; charset=utf-8", self.body)
        else:
            self._json(503, {"code": "loading", "message": "Grace Studio is still loading its model; ask again in a moment."})

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 - http.server's names

    def _json(self, status: int, value: Mapping[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(value).encode())

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status == 503:
            self.send_header("Retry-After", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a poll each second would drown the console's own progress."""


class ConsoleProgress:
    """One bar on a terminal, one line per stage elsewhere (a log, a container)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._last = ""
        self._bar: Any = None

    def show(self, text: str, fraction: float) -> None:
        if self._stream.isatty():
            self._draw(text, fraction)
        elif text != self._last:
            print(f"{round(100 * fraction):3d} %  {text}", file=self._stream, flush=True)
        self._last = text

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> ConsoleProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _draw(self, text: str, fraction: float) -> None:
        from tqdm import tqdm

        if self._bar is None:
            layout = "{percentage:3.0f} % |{bar:24}| {desc}"
            self._bar = tqdm(total=1.0, bar_format=layout, file=self._stream, leave=False, dynamic_ncols=True)
        self._bar.set_description_str(text, refresh=False)
        self._bar.n = min(max(fraction, 0.0), 1.0)
        self._bar.refresh()
