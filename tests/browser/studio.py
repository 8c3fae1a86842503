"""The real `grace-studio` as a process of its own, as a person starts it, and what the world outside would hear of it."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client

from app.journal.events import EventData
from app.journal.store import JournalStore

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
START_SECONDS = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Outside:
    """Stands where the internet would be: a proxy that lets nothing through and counts who knocked."""

    def __init__(self) -> None:
        self.knocks: list[str] = []
        self._socket = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with connection:
                connection.settimeout(2)
                try:
                    self.knocks.append(connection.recv(200).decode(errors="replace"))
                except OSError as error:
                    self.knocks.append(str(error))

    def close(self) -> None:
        self._socket.close()


class Studio:
    """One data folder and the process that serves it; start, kill and start again as often as needed."""

    def __init__(self, data_dir: Path, outside: Outside, *, max_new_tokens: int) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.start_seconds: list[float] = []
        self._outside = outside
        self._max_new_tokens = max_new_tokens
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None
        self._log = data_dir.with_suffix(".log")

    def start(self) -> None:
        """Start it and wait for the first page; raises with the log where it ends before."""
        began = time.monotonic()
        proxy = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), self._outside.url)
        nearby = {"no_proxy": f"localhost,{HOST}", "NO_PROXY": f"localhost,{HOST}"}
        options = ["--port", str(self.port), "--data-dir", str(self.data_dir), "--max-new-tokens", str(self._max_new_tokens)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", *options],
                cwd=ROOT, env={**os.environ, **proxy, **nearby}, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() - began > START_SECONDS:
                self.kill()
                raise AssertionError(f"grace-studio did not start:\n{self.log()}")
            time.sleep(0.1)
        self.start_seconds.append(time.monotonic() - began)

    def _ready(self) -> bool:
        """Whether the app itself answers: while it loads, its place is held by a page that says so."""
        try:
            return httpx.get(f"{self.url}/config", timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """What a power cut does: SIGKILL, at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """What a service manager does: SIGTERM, and kill where that does not help."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        self._client = None
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=30)

    # --- the named endpoints --------------------------------------------------------------------------------------
    def client(self) -> Client:
        """A new script's connection."""
        return Client(self.url, verbose=False, analytics_enabled=False)

    def call(self, name: str, *arguments: Any) -> Any:
        if self._client is None:
            self._client = self.client()
        return self._client.predict(*arguments, api_name=f"/{name}")

    def generate(self, prompt: str) -> str:
        return str(self.call("generate", prompt)["text"])

    def edits(self) -> dict[str, dict[str, Any]]:
        """All edits by prompt, oldest first."""
        return {row["prompt"]: row for row in reversed(self.call("edits"))}

    # --- the journal, behind the app's back -------------------------------------------------------------------------
    def journal(self, *kinds: type[EventData]) -> Iterator[EventData]:
        """What the journal holds of these kinds, in every codebook."""
        file = self.data_dir / "journal.sqlite"
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            ids = [row[0] for row in connection.execute("SELECT id FROM codebooks ORDER BY id")]
        with JournalStore(f"sqlite:///{file}") as store:
            for codebook_id in ids:
                yield from (event.data for event in store.events(codebook_id, kinds=kinds))
