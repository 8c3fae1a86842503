"""`grace-studio call`: do one of the studio's actions in a studio that runs, and print its result as JSON.

Knows no action: the studio lists what it offers and checks what it is given.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from typing import Any

from app.errors import StudioError
from app.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `call` takes besides the settings."""
    parser.add_argument("action", nargs="?", metavar="ACTION", help="one of the list that is printed without it")
    parser.add_argument(
        "given", nargs="*", metavar="NAME=TEXT",
        help="an argument; NAME:=JSON for what is no text, such as epsilon:=0.3 or paraphrases:='[\"Who?\"]'",
    )  # fmt: skip


def run(settings: Settings, arguments: argparse.Namespace) -> None:
    """Ask and print."""
    address = f"http://{_address(settings.host)}:{settings.port}/api"
    if arguments.action is None:
        for action in _ask(address):
            print(f"{action['name']} {' '.join(action['arguments'])}\n    {action['doc']}")
        return
    given = dict(map(_argument, arguments.given))
    result = _ask(f"{address}/{arguments.action}", json.dumps(given).encode())
    json.dump(result, sys.stdout, indent=2, ensure_ascii=False)
    print()


def _address(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _argument(word: str) -> tuple[str, Any]:
    name, sign, value = word.partition("=")
    if not sign:
        raise StudioError(f"“{word}” is no argument; give NAME=TEXT, or NAME:=JSON.")
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except ValueError as error:
        raise StudioError(f"“{value}” is no JSON ({error}); give {name[:-1]}=TEXT for a text.") from None


def _ask(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read()
        try:
            message = json.loads(said)
            raise StudioError(f"{message['message']} ({message['code']})") from None
        except (ValueError, KeyError, TypeError):
            raise StudioError(f"{url} answered {error.code}; is that a Grace Studio?") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise StudioError(f"No studio answers at {url} ({reason}); start it, or give its --host and --port.") from None
