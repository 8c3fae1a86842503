"""Whatever is sent to an endpoint: a result, or an error in words; never a surprise in the log."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.server.actions import ACTIONS, REFUSALS
from tests.app.server.conftest import Site
from tests.app.studios import PROMPT

CODES = {code for _, code, _ in REFUSALS} | {"invalid_arguments", "invalid_json"}
TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(["\ud83d", "\x00", "<|im_end|>", "http://[half", PROMPT, "e1"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(10**400),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=6,
)
MANY = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_words(message: str) -> None:
    assert message
    assert "Traceback" not in message
    assert "object has no attribute" not in message


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Any:
    with caplog.at_level(logging.ERROR):
        yield
    assert [record.getMessage() for record in caplog.get_records("call")] == []
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
@MANY
@given(data=st.data())
def test_over_http(action: Any, site: Site, data: st.DataObject) -> None:
    arguments = data.draw(
        JSON | st.fixed_dictionaries(dict.fromkeys(action.arguments.model_fields, JSON | TEXTS)), label="arguments"
    )
    answered = site.http.post(f"/api/{action.name}", content=json.dumps(arguments))
    said = answered.json()
    if answered.status_code != 200:
        assert said["code"] in CODES, said
        assert_words(said["message"])


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
@MANY
@given(data=st.data())
def test_through_gradio(action: Any, site: Site, data: st.DataObject) -> None:
    arguments = data.draw(
        st.lists(JSON, max_size=4) | st.tuples(*(JSON | TEXTS for _ in action.arguments.model_fields)), label="data"
    )
    joined = site.http.post(f"/gradio_api/call/{action.name}", content=json.dumps({"data": arguments}))
    if joined.status_code != 200:
        assert joined.status_code in (400, 422)
        return
    stream = site.http.get(f"/gradio_api/call/{action.name}/{joined.json()['event_id']}").text
    kind, _, said = stream.strip().rpartition("event: ")[2].partition("\ndata: ")
    assert kind in ("complete", "error"), stream
    if kind == "error":
        error = json.loads(said)
        assert error["title"] in CODES, error
        assert_words(error["error"])
