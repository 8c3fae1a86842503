"""The whole site as it is served, over a tiny model that was taught a few sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from app.server.endpoints import Departures
from app.server.hosts import Hosts
from app.server.shell import build_app
from app.server.web import WebServer, make_web
from app.studio.facade import Studio
from grace_core.models.language_model import LanguageModel
from tests.app.maps import without_umap
from tests.app.studios import Journal


@dataclass(frozen=True)
class Site:
    """url: of the server. studio: what it serves. http: asks it, as a script on this machine would."""

    url: str
    studio: Studio
    hosts: Hosts
    http: httpx.Client

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@pytest.fixture(scope="module")
def site(taught: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    journal = Journal(taught, tmp_path_factory.mktemp("site"))
    studio = journal.open()
    hosts, departures = Hosts("127.0.0.1"), Departures()
    blocks = build_app(studio, departures, without_umap())
    try:
        with WebServer(make_web(studio, blocks, hosts, departures), "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.port}"
            with httpx.Client(base_url=url, timeout=120, trust_env=False) as http:
                yield Site(url, studio, hosts, http)
    finally:
        journal.close()
