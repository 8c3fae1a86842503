"""What is asked of the pages' events over HTTP. Gradio answers a call that does not fit with a traceback in the log, so it is
refused here, before Gradio sees it; where there is no such event, Gradio's own errors become words.
"""

from __future__ import annotations

import re
from typing import Any

import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.block_function import BlockFunction
from gradio.data_classes import PredictBody
from gradio.route_utils import FnIndexInferError
from gradio.routes import App
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.server.bodies import once_more, whole_body
from app.server.guards import refused
from app.studio.prompt_files import MOST_BYTES

_CALL = re.compile(r"/gradio_api/(?:queue/join|(?P<door>call|run|api)/(?P<name>[^/]+))/?$")
# Fields whose reading of a value changes nothing.
_FIELDS = (gr.Textbox, gr.Number, gr.Slider, gr.Radio, gr.Dropdown, gr.CheckboxGroup)
_NAMED = "/call/v2/"
_ASKING = (*("/queue/join", "/component_server"), *("/call/", "/run/", "/gradio_api/api/"))


class Calls:
    """ASGI middleware: refuses a call of an event with another number of values than the event takes."""

    def __init__(self, app: ASGIApp, blocks: gr.Blocks) -> None:
        self.app = app
        self._blocks = blocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks = _CALL.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if asks is None:
            await self.app(scope, receive, send)
            return
        body = await whole_body(receive, MOST_BYTES)
        refusal = self._refusal(asks["door"], asks["name"], body)
        await (refusal or self.app)(scope, once_more(body, receive), send)

    def _refusal(self, door: str | None, name: str | None, body: bytes) -> Response | None:
        try:
            asked = PredictBody.model_validate_json(body)
        except ValidationError:
            return None  # the route says what is wrong with it
        fn = self._event(name, asked.fn_index)
        if fn is None or fn.fn is None:
            return _no_such_endpoint()
        if asked.batched:
            return refused(422, "invalid_arguments", "Nothing here takes several calls at once; leave “batched” out.")
        takes = {len(fn.inputs)}
        if door == "call":  # what the browser itself keeps may be left out
            takes.add(sum(not one.skip_api for one in fn.inputs))
        if len(asked.data) not in takes:
            wanted = " or ".join(map(str, sorted(takes)))
            return refused(422, "invalid_arguments", f"“data” holds {len(asked.data)} values; give {wanted}.")
        return _unfit(fn, asked.data)

    def _event(self, name: str | None, index: int | None) -> BlockFunction | None:
        if index is not None:
            return self._blocks.fns.get(index)
        return next((fn for fn in self._blocks.fns.values() if name is not None and fn.api_name == name), None)


def _unfit(fn: BlockFunction, data: list[Any]) -> Response | None:
    """A refusal where a field cannot make sense of its value. What is merely not among its choices Gradio refuses in words."""
    whole = len(data) == len(fn.inputs)
    for field, value in zip((one for one in fn.inputs if whole or not one.skip_api), data, strict=True):
        try:
            if isinstance(field, _FIELDS):
                field.preprocess(value)
            elif isinstance(field, gr.UploadButton) and field.data_model is not None and value is not None:
                field.data_model.model_validate(value, context={"validate_meta": True})
        except gr.Error:
            continue
        except Exception:  # noqa: BLE001 - of whatever kind
            said = f"“data” holds {value!a:.60} for a {field.get_block_name()}; give a value that it can have."
            return refused(422, "invalid_arguments", said)
    return None


def _no_such_endpoint() -> Response:
    return refused(404, "not_found", "There is no such endpoint; GET /api lists what there is.")


def answer_in_words(pages: App) -> None:
    """Give Gradio's own app words for what a client did wrong and Gradio takes for a bug of its own."""
    for kind in (KeyError, IndexError, FnIndexInferError):
        pages.add_exception_handler(kind, _unknown_endpoint)
    pages.add_exception_handler(TypeError, _wrong_names)
    pages.add_exception_handler(RequestValidationError, _unreadable)


def _unknown_endpoint(request: Request, error: Exception) -> Response:
    """An endpoint or a component that the pages do not have."""
    path = request.url.path.rstrip("/")
    if any(path.endswith(part) or (part.endswith("/") and part in path) for part in _ASKING):
        return _no_such_endpoint()
    raise error


def _wrong_names(request: Request, error: Exception) -> Response:
    """Arguments by name of which one is missing or unknown."""
    if _NAMED in request.url.path:
        return refused(422, "invalid_arguments", f"{error} GET /api lists what each endpoint takes.")
    raise error


def _unreadable(request: Request, error: Exception) -> Response:
    """A body of another shape than the endpoint takes."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return refused(422, "invalid_arguments", f"{where}: {first['msg']}.")
