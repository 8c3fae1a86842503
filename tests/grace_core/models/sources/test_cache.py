"""A cache of prompts is believed only where it is whole, and is never needed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from grace_core.models.sources.cache import background_file, keep_background, read_background

KEY, OTHER = "a" * 64, "b" * 64
PROMPTS = ("Who was Ada?", "Wer war „Ada“?")


def test_what_was_kept_is_read_and_nothing_else_lies_there(tmp_path: Path) -> None:
    file = background_file(tmp_path / "cache", KEY)
    assert read_background(file, KEY) is None
    for prompts in (("older",), PROMPTS):
        keep_background(file, KEY, prompts, model="tiny")
    assert read_background(file, KEY) == PROMPTS
    assert list(file.parent.iterdir()) == [file]
    assert file != background_file(tmp_path / "cache", OTHER)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("Ada", "Bo"),
        lambda text: text.replace(KEY, OTHER),
        lambda text: json.dumps(json.loads(text) | {"prompts": []}),
        lambda text: json.dumps(json.loads(text) | {"prompts": [1, None]}),
        lambda text: json.dumps(json.loads(text) | {"prompts": "Who was Ada?"}),
        lambda text: "[]",
        lambda text: "null",
        lambda text: "\udcff",
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_no_cache_and_is_told(
    damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(damage)
    file = background_file(tmp_path, KEY)
    keep_background(file, KEY, PROMPTS, model="tiny")
    file.write_bytes(damage(file.read_text(encoding="utf-8")).encode("utf-8", "surrogateescape"))
    with caplog.at_level(logging.WARNING):
        assert read_background(file, KEY) is None
    assert "sampled again" in caplog.text


def test_a_cache_that_cannot_be_written_is_told_and_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (blocked := tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        keep_background(background_file(blocked, KEY), KEY, PROMPTS, model="tiny")
    assert "cannot be kept" in caplog.text
    file = background_file(tmp_path, KEY)
    file.mkdir(parents=True)  # in the way of the rename
    keep_background(file, KEY, PROMPTS, model="tiny")
    assert list(file.parent.iterdir()) == [file]
    assert read_background(file, KEY) is None
