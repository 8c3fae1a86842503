"""What the server answers, to whom, and what every answer tells the browser."""

from __future__ import annotations

import logging
from pathlib import Path

import gradio as gr
import httpx
import pytest

from app import __version__
from app.errors import SettingsError
from app.server.endpoints import Departures
from app.server.hosts import Hosts
from app.server.web import WebServer, make_web
from app.studio.prompt_files import MOST_BYTES
from tests.app.server.conftest import Site

UPLOAD = "/gradio_api/upload"
CSV = {"files": ("prompts.csv", b"prompt\nWho?\n", "text/csv")}


def test_health_is_light_and_says_which_version(site: Site) -> None:
    answered = site.http.get("/health")
    assert (answered.status_code, answered.json()) == (200, {"status": "ok", "version": __version__})


def test_the_pages_are_served(site: Site) -> None:
    assert "Grace Studio" in site.http.get("/").text
    assert site.http.get("/config").json()["title"] == "Grace Studio"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "LOCALHOST", "localhost.", "[::1]"])
def test_this_machines_own_names_are_answered(name: str, site: Site) -> None:
    assert site.http.get("/health", headers={"Host": f"{name}:7860"}).status_code == 200


@pytest.mark.parametrize("name", ["evil.example:7860", "localhost.evil.example", "", "[half", "10.0.0.1"])
def test_another_name_is_refused_with_the_flag_that_allows_it(name: str, site: Site) -> None:
    answered = site.http.get("/config", headers={"Host": name, "Origin": f"http://{name}"})
    assert answered.status_code in (400, 403)
    if answered.status_code == 403:
        assert answered.json()["code"] == "unknown_host"
        assert "--allowed-host" in answered.json()["message"]
        assert "access-control-allow-origin" not in answered.headers


def test_a_name_that_was_added_is_answered_and_its_proxy_is_believed(site: Site) -> None:
    forwarded = {"X-Forwarded-Host": "studio.example.org", "X-Forwarded-Proto": "https"}
    assert site.http.get("/config", headers=forwarded).json()["root"] == site.url.replace("http:", "https:")
    site.hosts.add("*.example.org")
    assert site.http.get("/health", headers={"Host": "studio.example.org"}).status_code == 200
    assert site.http.get("/health", headers={"Host": "example.org.evil.net"}).status_code == 403
    assert site.http.get("/config", headers=forwarded).json()["root"] == "https://studio.example.org"
    assert site.http.post("/api/status", headers={"Origin": "https://studio.example.org"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/api", "/nowhere"])
def test_every_response_forbids_other_hosts_and_foreign_frames(path: str, site: Site) -> None:
    for headers in (site.http.get(path).headers, site.http.get(path, headers={"Host": "evil.example"}).headers):
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self'")
        assert policy.endswith("frame-ancestors 'self' https://huggingface.co https://*.hf.space")
        assert "http:" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
@pytest.mark.parametrize("path", [UPLOAD, "/api/undo", "/gradio_api/queue/join"])
def test_a_foreign_page_sends_nothing(path: str, origin: str, site: Site) -> None:
    answered = site.http.post(path, headers={"Origin": origin}, files=CSV)
    assert (answered.status_code, answered.json()["code"]) == (403, "foreign_origin")


def test_a_file_of_the_own_page_is_taken(site: Site) -> None:
    answered = site.http.post(UPLOAD, headers={"Origin": site.url}, files=CSV)
    assert answered.status_code == 200
    assert Path(answered.json()[0]).read_bytes() == b"prompt\nWho?\n"


@pytest.mark.parametrize("name", ["page.html", "prompts", "evil.csv.exe"])
def test_a_file_of_another_kind_is_refused(name: str, site: Site) -> None:
    answered = site.http.post(UPLOAD, files={"files": (name, b"x", "text/csv")})
    assert answered.status_code == 415
    assert f"“{name}” is no file that the studio reads" in answered.text


def test_a_large_file_is_refused(site: Site) -> None:
    answered = site.http.post(UPLOAD, files={"files": ("prompts.csv", b"x" * (MOST_BYTES + 1), "text/csv")})
    assert (answered.status_code, answered.text) == (413, "The file is larger than 4 MB; give a smaller one.")


def test_a_large_body_is_refused_before_it_is_read(site: Site) -> None:
    answered = site.http.post("/api/generate", content=b'{"prompt": "' + b"x" * MOST_BYTES + b'"}')
    assert (answered.status_code, answered.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("path", ["/api/generate", "/gradio_api/call/generate", UPLOAD])
def test_a_body_whose_length_nobody_says_may_be_no_longer(path: str, site: Site) -> None:
    parts = (b"x" * 100_000 for _ in range(MOST_BYTES // 100_000 + 1))
    assert site.http.post(path, content=parts).status_code == 413


def test_an_upload_that_is_no_form_is_refused_in_words(site: Site) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert site.http.post(UPLOAD, content=b"nonsense", headers=headers).status_code in (400, 415)
    assert site.http.post(UPLOAD, content=b"nonsense", headers={"Content-Type": "multipart/form-data"}).status_code in (400, 415)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gradio_api/queue/join", {"data": [], "fn_index": 100_000, "session_hash": "s"}),
        ("/gradio_api/call/nothing", {"data": []}),
        ("/gradio_api/run/nothing", {"data": []}),
        ("/gradio_api/call/v2/nothing", {}),
        ("/gradio_api/component_server", {"data": [], "component_id": 9999, "session_hash": "s", "fn_name": "x"}),
    ],
)
def test_an_unknown_endpoint_is_no_bug(path: str, body: object, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answered = site.http.post(path, json=body)
    assert (answered.status_code, answered.json()["code"]) == (404, "not_found")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gradio_api/call/generate", {"data": []}),
        ("/gradio_api/call/edit", {"data": ["Who?"]}),
        ("/gradio_api/run/generate", {"data": []}),
        ("/gradio_api/run/generate", {"data": ["Who?"], "batched": True}),
        ("/gradio_api/call/v2/generate", {}),
        ("/gradio_api/call/v2/generate", {"nothing": "Who?"}),
        ("/gradio_api/call/generate", []),
        ("/gradio_api/queue/join", {"data": "Who?", "fn_index": 0, "session_hash": "s"}),
    ],
)
def test_a_call_that_does_not_fit_is_refused_in_words(
    path: str, body: object, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answered = site.http.post(path, json=body)
    assert (answered.status_code, answered.json()["code"]) == (422, "invalid_arguments")
    assert caplog.records == []


def test_no_event_is_run_with_too_few_or_too_many_values(site: Site) -> None:
    for event in site.http.get("/config").json()["dependencies"]:
        for count in {len(event["inputs"]) - 1, len(event["inputs"]) + 1} - {-1}:
            body = {"data": [None] * count, "fn_index": event["id"], "session_hash": "s"}
            answered = site.http.post("/gradio_api/queue/join", json=body)
            assert (answered.status_code, answered.json()["code"]) in {(422, "invalid_arguments"), (404, "not_found")}
            assert answered.status_code == 422 or not event["backend_fn"]


def test_a_field_is_given_no_value_of_another_type(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    config = site.http.get("/config").json()
    ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
    for name, event, data, kind in (
        ("gs-whatif-slider", "input", ["", {"a": 1}, None], "slider"),
        ("gs-calibrate-file", "upload", [[]], "uploadbutton"),
    ):
        bound = next(one for one in config["dependencies"] if [ids[name], event] in [list(target) for target in one["targets"]])
        body = {"data": data, "fn_index": bound["id"], "session_hash": "s"}
        answered = site.http.post("/gradio_api/queue/join", json=body)
        assert (answered.status_code, answered.json()["code"]) == (422, "invalid_arguments")
        assert f"for a {kind}" in answered.json()["message"]
    assert caplog.records == []


def test_gradio_keeps_no_history_and_shows_nobody_who_is_here(site: Site) -> None:
    config = site.http.get("/config").json()
    assert config["run_history"] is False
    assert "runs" not in config["footer_links"]
    assert site.http.get("/monitoring").status_code in (403, 404)
    assert site.http.get("/monitoring/summary").status_code in (403, 404)


def test_where_it_listens_on_every_network_any_number_will_do_and_no_name() -> None:
    everywhere = Hosts("0.0.0.0")
    assert everywhere.admits("192.168.1.7:7860")
    assert everywhere.admits("[fe80::1]:7860")
    assert not everywhere.admits("evil.example:7860")
    assert not Hosts("192.168.1.7").admits("192.168.1.8")
    assert Hosts("192.168.1.7").admits("192.168.1.7:80")


def test_the_server_ends_though_somebody_listens(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Markdown("Hello")
    hosts = Hosts("127.0.0.1")
    server = WebServer(make_web(site.studio, blocks, hosts, Departures()), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.port}"
    with httpx.Client(base_url=url, trust_env=False) as http, http.stream("GET", "/gradio_api/heartbeat/somebody") as stream:
        assert stream.status_code == 200
        server.close()
        with pytest.raises(httpx.TransportError):
            httpx.get(url, trust_env=False)
    assert caplog.records == []


def test_a_port_that_is_taken_is_refused_in_words(site: Site) -> None:
    web = make_web(site.studio, gr.Blocks(analytics_enabled=False), Hosts("127.0.0.1"), Departures())
    with pytest.raises(SettingsError, match="is in use"):
        WebServer(web, "127.0.0.1", int(site.url.rpartition(":")[2]))
