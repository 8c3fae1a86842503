"""The command-line door: every action of a running studio, by name."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app import cli


class Studio(http.server.BaseHTTPRequestHandler):
    """Says what it was asked, as a running studio would."""

    def do_GET(self) -> None:
        self._say(200, [{"name": "undo", "arguments": {"edit_id": {}}, "doc": "Withdraw an edit."}])

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/undo":
            self._say(404, {"code": "not_found", "message": "There is no edit “x”."})
        elif self.path == "/api/html":
            self._say(502, None)
        else:
            self._say(200, {"path": self.path, "given": given})

    def _say(self, status: int, value: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Studio) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


def test_texts_and_json_reach_the_studio(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["call", "edit", "prompt=Who = she?", 'paraphrases:=["Wer?"]', "epsilon:=0.5", "--port", port]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"path": "/api/edit", "given": {"prompt": "Who = she?", "paraphrases": ["Wer?"], "epsilon": 0.5}}


def test_without_an_action_it_lists_them(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["call", "--port", port]) == 0
    assert capsys.readouterr().out == "undo edit_id\n    Withdraw an edit.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["undo", "edit_id=x"], "There is no edit “x”. (not_found)"),
        (["html"], "is that a Grace Studio?"),
        (["edit", "prompt"], "“prompt” is no argument"),
        (["edit", "epsilon:=wide"], "“wide” is no JSON"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(words: list[str], said: str, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["call", *words, "--port", port]) == cli.EXIT_ERROR
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


def test_where_no_studio_runs_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["call", "status", "--port", "1"]) == cli.EXIT_ERROR
    assert "No studio answers at http://127.0.0.1:1/api/status" in capsys.readouterr().err
