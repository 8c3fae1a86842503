"""The table of actions through each of its doors, on a real server and a model that was taught a few sentences."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from app import cli
from app.server.actions import ACTIONS, PAGE_ONLY
from app.studio.facade import Studio
from tests.app.server.conftest import Site
from tests.app.studios import PROMPT, other_than

Door = Callable[..., Any]


class Refused(Exception):
    """What a door said instead of a result."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@pytest.fixture(scope="module")
def client(site: Site) -> Client:
    return Client(site.url, verbose=False, analytics_enabled=False)


@pytest.fixture(params=["gradio", "http", "command line"])
def call(request: pytest.FixtureRequest, site: Site, client: Client, capfd: pytest.CaptureFixture[str]) -> Door:
    """One door: the name of an action and its arguments in order → its result, or Refused."""

    def by_gradio(name: str, **arguments: Any) -> Any:
        try:
            return client.predict(**arguments, api_name=f"/{name}")
        except AppError as error:
            raise Refused(error.title, error.message) from None

    def by_http(name: str, **arguments: Any) -> Any:
        answered = site.http.post(f"/api/{name}", json=arguments)
        if answered.status_code != 200:
            raise Refused(**answered.json())
        return answered.json()

    def by_command(name: str, **arguments: Any) -> Any:
        words = [f"{key}:={json.dumps(value)}" for key, value in arguments.items()]
        status = cli.main(["call", name, *words, "--port", site.url.rpartition(":")[2]])
        said = capfd.readouterr()
        if status:
            raise Refused(said.err.partition("(")[2].partition(")")[0], said.err)
        return json.loads(said.out)

    return {"gradio": by_gradio, "http": by_http, "command line": by_command}[request.param]


def test_each_action_is_behind_each_door(site: Site, client: Client) -> None:
    names = {action.name for action in ACTIONS}
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {f"/{name}" for name in names}
    assert {row["name"] for row in site.http.get("/api").json()} == names
    for name in names:
        assert site.http.post(f"/api/{name}", json={"nothing of the kind": 1}).json()["code"] == "invalid_arguments"


def test_what_the_facade_can_do_is_an_action_or_is_left_out_for_a_reason() -> None:
    public = {name for name in vars(Studio) if not name.startswith("_")}
    names = {action.name for action in ACTIONS}
    assert public == names | set(PAGE_ONLY)
    assert not names & set(PAGE_ONLY)
    assert all(PAGE_ONLY.values())


def test_edit_undo_redo_and_the_list(call: Door) -> None:
    before = call("generate", prompt=PROMPT)
    assert {"text", "edit_id", "distance"} <= set(before)
    assert (before["fact"], call("generate", prompt=PROMPT, in_context=False)["text"]) == (None, before["text"])
    target = other_than(before["text"])
    made = call("edit", prompt=PROMPT, target=target, paraphrases=["Who was Ada, then?"])
    assert (made["success"], made["reason"]) == (True, "")
    assert (made["text_before"], made["text_after"]) == (before["text"], target)
    assert call("generate", prompt=PROMPT)["edit_id"] == made["edit_id"]

    row = call("undo", edit_id=made["edit_id"])
    assert (row["edit_id"], row["state"], row["epsilon"], row["author"]) == (made["edit_id"], "undone", None, "API")
    assert call("redo", edit_id=made["edit_id"])["state"] == "active"

    rows = call("edits")
    assert rows[0]["edit_id"] == made["edit_id"]
    assert rows[0]["paraphrases"] == ["Who was Ada, then?"]
    assert call("edits", search="nothing like it") == []
    assert call("detail", edit_id=made["edit_id"])["row"] == rows[0]
    assert call("status")["active_edits"] == 1
    changed = call("set_epsilon", epsilon=0.05, edit_id=made["edit_id"])
    assert call("undo_epsilon", change_id=changed["change_id"])["undone"] is True
    assert call("epsilon_changes")[0]["change_id"] == changed["change_id"]
    fit = call("fit_epsilon", edit_id=made["edit_id"], should=[PROMPT], should_not=["Describe the Moon."])
    assert [(one["prompt"], one["should"]) for one in fit["judged"]] == [(PROMPT, True), ("Describe the Moon.", False)]
    call("undo", edit_id=made["edit_id"])


def test_marks(call: Door) -> None:
    answer = call("generate", prompt=PROMPT)
    mark = call("mark", query_id=answer["query_id"], start=0, end=3, verdict="wrong")
    assert [one["mark_id"] for one in call("answer", query_id=answer["query_id"])["marks"]] == [mark["mark_id"]]
    assert call("unmark", mark_id=mark["mark_id"]) is None


@pytest.mark.parametrize(
    ("name", "arguments", "code", "words"),
    [
        ("generate", {"prompt": " "}, "invalid_input", "empty"),
        ("generate", {"prompt": None}, "invalid_arguments", "prompt is None"),
        ("generate", {"prompt": 7}, "invalid_arguments", "prompt is 7: it should be a valid string"),
        ("generate", {"prompt": "Who?", "in_context": "yes"}, "invalid_arguments", "in_context is 'yes'"),
        ("edit", {"prompt": "Who?", "target": "x", "paraphrases": {"Why?": 1}}, "invalid_arguments", "is {'Why?': 1}"),
        ("edit", {"prompt": "Who?", "target": "x", "paraphrases": "Why?"}, "invalid_arguments", "paraphrases is 'Why?'"),
        ("edit", {"prompt": "Who?", "target": ["x"]}, "invalid_arguments", "target is ['x']"),
        ("undo", {"edit_id": "nonsense"}, "not_found", "nonsense"),
        ("set_epsilon", {"epsilon": "wide"}, "invalid_arguments", "epsilon is 'wide'"),
        ("set_epsilon", {"epsilon": -1, "edit_id": None}, "invalid_input", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_a_code(
    name: str,
    arguments: dict[str, Any],
    code: str,
    words: str,
    call: Door,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(Refused) as refused:
        call(name, **arguments)
    assert refused.value.code == code
    assert words in str(refused.value)
    assert caplog.records == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        *((body, "invalid_arguments") for body in ("[]", '"x"', "", "null")),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: str, code: str, site: Site) -> None:
    answered = site.http.post("/api/generate", content=body)
    assert answered.json()["code"] == code
    assert answered.status_code in (400, 422)


def test_an_unknown_action_names_those_that_there_are(site: Site) -> None:
    answered = site.http.post("/api/delete_everything", json={})
    assert (answered.status_code, answered.json()["code"]) == (404, "not_found")
    assert all(action.name in json.dumps(answered.json()) for action in ACTIONS)


def test_what_may_be_left_out_may_be_null(call: Door) -> None:
    with pytest.raises(Refused) as refused:
        call("edit", prompt=" ", target="Paris.", paraphrases=None, source_url=None)
    assert refused.value.code == "invalid_input"  # for the empty prompt
