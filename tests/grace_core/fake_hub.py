"""A Hugging Face hub of one repository on localhost: enough for the real client to list and download it."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves the files of `folder` as `repo` at COMMIT; `requests` lists "METHOD path" of everything that was asked."""

    def __init__(self, repo: str, folder: Path, extra: dict[str, bytes] | None = None) -> None:
        self.repo = repo
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()} | (extra or {})
        self.damaged: set[str] = set()
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self, with_body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, with_body=False)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def downloads(self, name: str) -> int:
        return sum(request.startswith("GET") and request.endswith(f"/{name}") for request in self.requests)

    def answer(self, request: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        path = request.path.split("?", 1)[0]
        self.requests.append(f"{request.command} {path}")
        status, body, headers = 404, b"{}", {"X-Error-Code": "RepoNotFound"}
        if path in (f"/api/models/{self.repo}", f"/api/models/{self.repo}/revision/{COMMIT}"):
            status, body, headers = 200, json.dumps(self._info()).encode(), {"Content-Type": "application/json"}
        elif path == f"/api/models/{self.repo}/tree/{COMMIT}":
            status, body, headers = 200, json.dumps(self._tree()).encode(), {"Content-Type": "application/json"}
        elif path.startswith(f"/api/models/{self.repo}/revision/"):
            headers = {"X-Error-Code": "RevisionNotFound"}
        elif path.startswith(f"/{self.repo}/resolve/{COMMIT}/"):
            name = path.rsplit("/", 1)[-1]
            status, body = 200, self.files[name]
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_sha256(body)}"'}
            if name in self.damaged:
                body = body[:-1] + bytes([body[-1] ^ 1])
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(key, value)
        request.end_headers()
        if with_body:
            request.wfile.write(body)

    def _info(self) -> dict[str, Any]:
        files = []
        for name, body in self.files.items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(body), "blobId": "0" * 40}
            if name.endswith(".safetensors"):
                entry["lfs"] = {"sha256": _sha256(body), "size": len(body), "pointerSize": 130}
            files.append(entry)
        return {"id": self.repo, "modelId": self.repo, "sha": COMMIT, "siblings": files, "tags": []}

    def _tree(self) -> list[dict[str, Any]]:
        files = []
        for name, body in self.files.items():
            entry: dict[str, Any] = {"type": "file", "path": name, "size": len(body), "oid": "0" * 40}
            if name.endswith(".safetensors"):
                entry["lfs"] = {"oid": _sha256(body), "size": len(body), "pointerSize": 130}
            files.append(entry)
        return files


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
