"""The scripts of the pages: ES modules, served from the package below a path that changes with their content.

A browser may keep what it gets for ever; after an upgrade the path is another one, and its relative imports with it.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parent
PLOTLY = Path(plotly.__file__).resolve().parent / "package_data" / "plotly.min.js"

# A relative address keeps the prefix that a proxy puts before the app.
_ADDRESS = "scripts/{version}/{name}"
_KEEP = {"Cache-Control": "public, max-age=31536000, immutable"}


@cache
def modules() -> dict[str, Path]:
    """What is served, by its name: our modules by their path inside app/ui, and Plotly's script."""
    ours = {path.relative_to(FOLDER).as_posix(): path for path in sorted(FOLDER.rglob("*.js"))}
    return {**ours, "plotly.min.js": PLOTLY}


@cache
def version() -> str:
    """Changes whenever one of the scripts does."""
    digest = hashlib.blake2b(plotly.__version__.encode(), digest_size=8)
    for name, path in modules().items():
        if path != PLOTLY:
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def address(name: str) -> str:
    """Where a script is served, relative to the page."""
    if name not in modules():
        raise KeyError(f"There is no script {name} in {FOLDER}.")
    return _ADDRESS.format(version=version(), name=name)


def script(name: str, *events: str) -> str:
    """A component's `js_on_load`: it loads this module and calls its `start`.

    events: what the module may trigger. Gradio knows a component's events by their names in quotes in this text.
    """
    names = ", ".join(json.dumps(event) for event in events)
    return (
        f"const events = [{names}];\n"
        f"import(new URL({json.dumps(address(name))}, document.baseURI))\n"
        "  .then(({ start }) => start({ element, trigger, props, watch, events }))\n"
        "  .catch((error) => {\n"
        "    console.error(error);\n"
        "    element.append(`This part of the page could not be loaded (${error.message}). Load the page again.`);\n"
        "  });"
    )


async def _serve(request: Request) -> Response:
    path = modules().get(request.path_params["name"])
    if path is None:
        return PlainTextResponse("There is no such script.", status_code=404)
    # A page that was loaded before an upgrade asks for an older version: it gets this one, but must not keep it.
    headers = _KEEP if request.path_params["version"] == version() else {"Cache-Control": "no-store"}
    return FileResponse(path, media_type="text/javascript", headers=headers)


def script_routes() -> list[Route]:
    """For the application that serves the pages."""
    return [Route("/" + _ADDRESS.replace("{name}", "{name:path}"), _serve)]
