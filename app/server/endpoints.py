"""Two doors to the table of actions: Gradio's named endpoints, and HTTP (`POST /api/NAME`).

What an action takes and returns is written in that table, `app.server.actions`.

No waiting client holds a thread, and the work of one that has gone is called off; what is written stays.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs

import gradio as gr
from fastapi import FastAPI
from gradio.events import api
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.actions import ACTIONS, Action, Caller, Refusal, listing, named, perform
from app.studio.facade import Studio

R = TypeVar("R")
API_PATH = "/api"
_STREAM = re.compile(r"/gradio_api/(?:queue/data|call/(?:v2/)?[^/]+/(?P<event>[^/]+))/?$")


def _gone() -> Refusal:
    return Refusal("cancelled", "Nobody waits for the answer any more; the work was called off.", 409)


class Departures:
    """Who listens to Gradio's queue, and what is to be called off where somebody stops to.

    A client asks by one request and listens by another, whose stream is named by its session or by the event.
    """

    def __init__(self, patience: float = 60.0) -> None:
        """patience: seconds after which one that has not begun to listen counts as gone."""
        self._patience = patience
        self._tasks: defaultdict[str, set[asyncio.Task[Any]]] = defaultdict(set)
        self._streams: Counter[str] = Counter()

    async def unless_gone(self, listener: str, work: Awaitable[R]) -> R:
        """The result of `work`.

        Raises:
            Refusal: the listener has gone before.
        """
        task = asyncio.ensure_future(work)
        self._tasks[listener].add(task)
        timer = asyncio.get_running_loop().call_later(self._patience, self._unless_here, listener)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            raise _gone() from None
        finally:
            timer.cancel()
            self._tasks[listener].discard(task)
            if not self._tasks[listener]:
                del self._tasks[listener]

    def _unless_here(self, listener: str) -> None:
        if not self._streams[listener]:
            self.gone(listener)

    def gone(self, listener: str) -> None:
        """Call off what this listener waits for."""
        for task in tuple(self._tasks.get(listener, ())):
            task.cancel()

    def watching(self, app: ASGIApp) -> ASGIApp:
        """ASGI middleware: a stream that ends before its last part has lost its listener."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            match = _STREAM.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
            if match is None:
                await app(scope, receive, send)
                return
            sessions = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])
            listener, whole = match["event"] or sessions[0], False

            async def sending(message: Message) -> None:
                nonlocal whole
                await send(message)
                whole = message["type"] == "http.response.body" and not message.get("more_body", False)

            self._streams[listener] += 1
            try:
                await app(scope, receive, sending)
            finally:
                self._streams -= Counter({listener: 1})
                if not whole:
                    self.gone(listener)

        return watched


def add_endpoints(studio: Studio, departures: Departures) -> None:
    """Add Gradio's endpoints to the Blocks that is being built, one for each action."""
    for action in ACTIONS:
        api(
            _gradio_endpoint(action, studio, departures),
            api_name=action.name,
            api_description=action.doc,
            concurrency_limit=None,
        )


def _gradio_endpoint(action: Action, studio: Studio, departures: Departures) -> Callable[..., Awaitable[Any]]:
    """A function with the action's arguments as its own: Gradio reads the signature."""
    fields = action.arguments.model_fields

    async def endpoint(request: gr.Request, *given: Any) -> Any:
        listener = request.session_hash or ""
        client = request.client.host if request.client else ""
        caller = Caller(studio, asker=listener or client)
        try:
            work = perform(action, dict(zip(fields, given, strict=False)), caller)
            return await departures.unless_gone(listener, work)
        except Refusal as refusal:
            raise gr.Error(refusal.message, title=refusal.code, print_exception=False) from refusal

    own = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
    takes = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if field.is_required() else field.default,
            annotation=field.annotation,
        )
        for name, field in fields.items()
    ]
    endpoint.__name__ = action.name
    endpoint.__doc__ = action.doc
    endpoint.__annotations__ = {parameter.name: parameter.annotation for parameter in (own, *takes)} | {"return": Any}
    vars(endpoint)["__signature__"] = inspect.Signature([own, *takes], return_annotation=dict)
    return endpoint


def add_routes(app: FastAPI, studio: Studio) -> None:
    """`GET /api` lists the actions; `POST /api/NAME` does one, with its arguments as a JSON object."""

    @app.get(API_PATH)
    async def actions() -> JSONResponse:
        return JSONResponse(listing())

    @app.post(API_PATH + "/{name}")
    async def act(name: str, request: Request) -> Response:
        try:
            action = named(name)
            given = await _body(request)
            caller = Caller(studio, asker=request.client.host if request.client else "")
            return JSONResponse(await _unless_disconnected(request, perform(action, given, caller)))
        except Refusal as refusal:
            return JSONResponse(refusal.json(), refusal.status)


async def _body(request: Request) -> dict[str, Any]:
    if not await request.body():
        return {}
    try:
        given = await request.json()
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid_json", f"The body is no JSON ({error}); give an object with the arguments.", 400) from None
    if not isinstance(given, dict):
        raise Refusal("invalid_arguments", "The body is no JSON object; give an object with the arguments.", 422)
    return given


async def _unless_disconnected(request: Request, work: Awaitable[R]) -> R:
    """The result; the work is called off where the client hangs up before."""
    task = asyncio.ensure_future(work)

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        return await task
    except asyncio.CancelledError:
        raise _gone() from None
    finally:
        watcher.cancel()
