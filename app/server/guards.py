"""What a request must be before anything else sees it, and what every response tells the browser.

Knows HTTP only. A page of another site may be opened in the browser of somebody who runs the studio: neither its name
(DNS rebinding), nor its forms (CSRF), nor its frames may reach the studio.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import PurePath
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.studio.prompt_files import MOST_BYTES, SUFFIXES

_UPLOAD_PATH = "/gradio_api/upload"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

# Gradio compiles templates and event scripts in the browser, hence 'unsafe-eval' and 'unsafe-inline'.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    )
)


def host_name(address: str) -> str:
    """The name in a Host header or in the part of a URL after `//`, without its port; empty where there is none."""
    try:
        return (urlsplit(f"//{address}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class Hosts:
    """The names under which the studio may be asked: this machine's own, the address it listens on, and those added."""

    def __init__(self, bound: str, added: Iterable[str] = ()) -> None:
        """bound: the address listened on. added: more names; `*.example.org` stands for every name that ends so."""
        self._bound = bound.strip("[]").lower()
        self._added = {name.strip().lower() for name in added}

    def add(self, name: str) -> None:
        """Believe one more name."""
        self._added.add(name.lower())

    def admits(self, address: str) -> bool:
        """Whether a request with this Host header is answered.

        Where the studio listens on every network, any number will do: an address that a foreign page was given for its
        own name (DNS rebinding) still comes with that name.
        """
        name = host_name(address)
        if name in _LOOPBACK or name == self._bound or self.trusts(address):
            return True
        return self._bound in ("0.0.0.0", "::") and _is_number(name)

    def trusts(self, address: str) -> bool:
        """Whether somebody added this name: only then a proxy's word for it is believed."""
        name = host_name(address)
        return any(name == own or (own.startswith("*.") and name.endswith(own[1:])) for own in self._added)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """ASGI middleware: refuses foreign names, foreign pages and files that nobody asked for; adds the security headers."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_policy)
            return
        self._forget_unproven(scope)
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/").endswith(_UPLOAD_PATH):
            await _check_upload(self.app, scope, receive, send_with_policy)
        else:
            await self.app(scope, receive, send_with_policy)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._hosts.admits(host):
            return refused(
                403, "unknown_host", f"This studio does not go by the name “{host_name(host) or host}”. Where that is its name, "
                "start it with --allowed-host and the name.",
            )  # fmt: skip
        changes = scope["type"] == "websocket" or scope["method"] not in _READING
        if changes and origin is not None and not self._is_own(origin, host):
            return refused(403, "foreign_origin", f"A page of {origin} may not send anything to this studio.")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > MOST_BYTES and not scope["path"].rstrip("/").endswith(_UPLOAD_PATH):
            return refused(413, "too_large", f"{int(length):,} bytes were sent; send {MOST_BYTES:,} at most.")
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """The page's own origin, or that of a name which was added (a proxy may pass another Host on)."""
        address = origin.partition("://")[2].lower()
        return address == host.lower() or self._hosts.trusts(address)

    def _forget_unproven(self, scope: Scope) -> None:
        """Gradio builds its own address from these headers, whoever sent them."""
        headers = MutableHeaders(scope=scope)
        for name in ("x-forwarded-host", "x-gradio-server"):
            if name in headers and not self._hosts.trusts(headers[name].split(",")[0].split("://")[-1].strip()):
                del headers[name]


def refused(status: int, code: str, message: str) -> JSONResponse:
    """The one shape of an error: a stable code, and words for a person."""
    return JSONResponse({"code": code, "message": message}, status)


async def _check_upload(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Read the whole upload, which is small, look at its files, and hand it on as it came."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return  # gone before all of it came
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            limit = f"The file is larger than {MOST_BYTES // 1_000_000} MB; give a smaller one."
            await PlainTextResponse(limit, 413)(scope, receive, send)
            return

    def once_more() -> Receive:
        parts: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def receive_again() -> Message:
            return parts.pop() if parts else await receive()

        return receive_again

    problem = await _upload_problem(Request(scope, once_more()))
    if problem:
        await PlainTextResponse(problem, 415)(scope, receive, send)
    else:
        await app(scope, once_more(), send)


async def _upload_problem(request: Request) -> str:
    try:
        async with request.form() as form:
            names = [part.filename or "" for _, part in form.multi_items() if isinstance(part, UploadFile)]
    except (MultiPartException, HTTPException) as error:
        reason = error.detail if isinstance(error, HTTPException) else error.message
        return f"The upload cannot be read ({reason}); send the file as multipart/form-data."
    wrong = [name for name in names if PurePath(name).suffix.lower() not in SUFFIXES]
    return f"“{wrong[0]}” is no file that the studio reads; give one of {', '.join(SUFFIXES)}." if wrong else ""
