"""Flags and variables become one valid Settings, or one clear sentence."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import OPTIONS, Settings, default_data_dir, make_settings, prepare_data_dir
from grace_core.models.sources.types import DEFAULT_MODEL


def test_nothing_given_means_the_documented_defaults() -> None:
    settings = make_settings({}, {})
    assert settings == Settings()
    assert (settings.model, settings.preset, settings.host, settings.port) == (
        DEFAULT_MODEL,
        "robust",
        "127.0.0.1",
        7860,
    )
    assert settings.share is False
    assert settings.config_overrides == {}


def test_each_option_can_be_given_as_flag_and_as_variable() -> None:
    texts = {
        "model": "./m", "preset": "paper", "layer": "18", "key_layer": "3", "epsilon": "0.5", "data_dir": "/d",
        "database_url": "postgresql://x/y", "cache": "/c", "host": "0.0.0.0", "port": "80", "allowed_host": "a.org, *.b.org",
        "share": "true",
        "max_new_tokens": "7",
        "in_context": "on",
    }  # fmt: skip
    assert set(texts) == {option.name for option in OPTIONS}
    by_flag = make_settings(texts, {})
    by_variable = make_settings({}, {option.variable: texts[option.name] for option in OPTIONS})
    assert by_flag == by_variable
    wanted = Settings(
        "./m", "paper", 18, 3, 0.5, Path("/d"), "postgresql://x/y", Path("/c"), "0.0.0.0", 80, ("a.org", "*.b.org"), True, 7, True
    )  # fmt: skip
    assert by_flag == wanted
    assert by_flag.config_overrides == {"value_layer": 18, "key_layer": 3, "epsilon": 0.5}


def test_a_flag_wins_over_its_variable_and_an_empty_variable_is_none() -> None:
    environment = {"GRACE_STUDIO_PORT": "1234", "GRACE_STUDIO_HOST": ""}
    assert make_settings({"port": "4321"}, environment).port == 4321
    assert make_settings({}, environment).port == 1234
    assert make_settings({}, environment).host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("port", "0", "from 1 to 65535"),
        ("port", "65536", "from 1 to 65535"),
        ("port", "http", "whole number"),
        ("preset", "best", "robust, early, paper"),
        ("epsilon", "0", "above 0"),
        ("epsilon", "nan", "above 0"),
        ("epsilon", "wide", "give a number"),
        ("layer", "middle", "number of a block"),
        ("max_new_tokens", "0", "at least 1"),
        ("model", "  ", "hub id or a folder"),
        ("share", "maybe", "true or false"),
        ("allowed_host", "http://a.org", "without http://"),
    ],
)
def test_what_makes_no_sense_is_named_with_what_to_give(name: str, text: str, advice: str) -> None:
    with pytest.raises(SettingsError) as refused:
        make_settings({name: text}, {})
    message = str(refused.value)
    assert f"--{name.replace('_', '-')}" in message
    assert f"“{text.strip()}”" in message or f"“{text}”" in message or "nan" in message or text.strip() + ".0" in message
    assert advice in message


def test_a_bad_variable_is_named_as_the_variable() -> None:
    with pytest.raises(SettingsError, match="GRACE_STUDIO_PORT received “x”"):
        make_settings({}, {"GRACE_STUDIO_PORT": "x"})


def test_the_journal_is_sqlite_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    from sqlalchemy.engine import make_url

    odd = tmp_path / "a b?c#d"
    assert make_url(Settings(data_dir=odd).effective_database_url).database == str(odd / "journal.sqlite")
    assert Settings(database_url="postgresql://h/d").effective_database_url == "postgresql://h/d"


def test_a_password_in_the_url_is_not_shown() -> None:
    assert "secret" not in repr(Settings(database_url="postgresql://me:secret@h/d"))


def test_the_data_folder_is_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "folder")
    prepare_data_dir(settings)
    assert list(settings.data_dir.iterdir()) == []


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"cannot be written.*--data-dir"):
        prepare_data_dir(Settings(data_dir=tmp_path / "file" / "folder"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_data_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="cannot be written"):
        prepare_data_dir(Settings(data_dir=tmp_path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: Path("/dev/full").open("wb"))  # noqa: SIM115
    with pytest.raises(SettingsError, match="No space left"):
        prepare_data_dir(Settings(data_dir=tmp_path))


def test_the_data_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/x")
    assert default_data_dir() == Path("/x/grace-studio")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_data_dir() == Path("/home/ada/.local/share/grace-studio")
