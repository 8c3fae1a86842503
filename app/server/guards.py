"""What a request must be before anything else sees it, and what every response tells the browser.

Knows HTTP only. A page of another site may be opened in the browser of somebody who runs the studio: neither its name
(DNS rebinding), nor its forms (CSRF), nor its frames may reach the studio.
"""

from __future__ import annotations

from pathlib import PurePath

from starlette.datastructures import Headers, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.bodies import Gone, TooLarge, once_more, whole_body
from app.server.hosts import Hosts, unknown_host
from app.studio.prompt_files import MOST_BYTES, SUFFIXES

_UPLOAD_PATH = "/gradio_api/upload"
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
        if scope["type"] == "http" and scope["method"] not in _READING:
            await self._with_body(scope, receive, send_with_policy)
        else:
            await self.app(scope, receive, send_with_policy)

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what has a body, once all of the body is here and small enough."""
        uploads = _is_upload(scope)
        try:
            body = await whole_body(receive, MOST_BYTES)
        except Gone:
            return
        except TooLarge:
            await _too_large(uploads)(scope, receive, send)
            return
        problem = await _upload_problem(Request(scope, once_more(body, receive))) if uploads else ""
        answer = PlainTextResponse(problem, 415) if problem else self.app
        await answer(scope, once_more(body, receive), send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._hosts.admits(host):
            return refused(403, *unknown_host(host))
        changes = scope["type"] == "websocket" or scope["method"] not in _READING
        if changes and origin is not None and not self._is_own(origin, host):
            return refused(403, "foreign_origin", f"A page of {origin} may not send anything to this studio.")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > MOST_BYTES:
            return _too_large(_is_upload(scope))
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


def _is_upload(scope: Scope) -> bool:
    return bool(scope["path"].rstrip("/").endswith(_UPLOAD_PATH))


def _too_large(upload: bool) -> Response:
    """The page shows what it is answered about a file as it is: text."""
    if upload:
        return PlainTextResponse(f"The file is larger than {MOST_BYTES // 1_000_000} MB; give a smaller one.", 413)
    return refused(413, "too_large", f"More than {MOST_BYTES:,} bytes were sent; send {MOST_BYTES:,} at most.")


async def _upload_problem(request: Request) -> str:
    try:
        async with request.form() as form:
            names = [part.filename or "" for _, part in form.multi_items() if isinstance(part, UploadFile)]
    except (MultiPartException, HTTPException) as error:
        reason = error.detail if isinstance(error, HTTPException) else error.message
        return f"The upload cannot be read ({reason}); send the file as multipart/form-data."
    wrong = [name for name in names if PurePath(name).suffix.lower() not in SUFFIXES]
    return f"“{wrong[0]}” is no file that the studio reads; give one of {', '.join(SUFFIXES)}." if wrong else ""
