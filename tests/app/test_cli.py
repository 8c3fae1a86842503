"""The command line: what it accepts, what it says, and that it says it at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import __version__, cli
from app.errors import SettingsError
from app.server import loading_page as loading
from app.server import serve as main
from app.server.hosts import Hosts
from app.settings import OPTIONS, Settings
from grace_core.errors import ModelError
from grace_core.models.load import load_model
from grace_core.testing.codebooks import keep_quick_encoder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the app would have been started with."""
    started: list[Settings] = []
    monkeypatch.setattr(main, "serve", started.append)
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    return started


@pytest.mark.parametrize("words", [[], ["serve"]])
def test_the_bare_command_starts_the_app(words: list[str], served: list[Settings]) -> None:
    assert cli.main([*words, "--port", "9000", "--share"]) == 0
    assert served == [Settings(port=9000, share=True)]


def test_help_names_every_flag_default_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in OPTIONS:
        assert option.flag in text
        assert f"(default: {option.default})" in text
    for command in cli.COMMANDS:
        assert f"{command.name} {command.summary}" in text


@pytest.mark.parametrize("command", [command.name for command in cli.COMMANDS])
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert "--version" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"grace-studio {__version__}\n"


@pytest.mark.parametrize("words", [["--prot", "1"], ["sevre"], ["--mod", "x"]])
def test_a_mistyped_word_is_refused(words: list[str], served: list[Settings]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert served == []


def test_an_error_for_people_is_one_line_without_a_traceback(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(settings: Settings) -> None:
        raise ModelError("There is no such model.")

    monkeypatch.setattr(main, "serve", refuse)
    assert cli.main([]) == 2
    assert capsys.readouterr().err == "grace-studio: There is no such model.\n"


def test_a_bug_is_not_dressed_up(served: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(settings: Settings) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "serve", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main([])


def test_a_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys, app.cli\n"
        "heavy = {'torch', 'transformers', 'gradio', 'sqlalchemy', 'pandas', 'numpy'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_a_port_in_use_is_told_before_anything_is_loaded(taken_port: int, tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "app.cli",
        "--port",
        str(taken_port),
        "--data-dir",
        str(tmp_path),
    ]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert f"Port {taken_port} on 127.0.0.1 is in use" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr
    assert "torch" not in result.stderr


# The page before the app


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_loading_page_tells_the_stage_and_frees_the_port(free_port: int) -> None:
    with loading.LoadingPage("127.0.0.1", free_port, Hosts("127.0.0.1")) as page:
        page.show("Fetching <b>weights</b>", 0.25)
        status, body = ask(free_port, "/?edit=abc")
        assert status == 503
        assert "<progress" in body
        assert "http" not in body.replace("http-equiv", "")  # nothing from elsewhere
        assert ask(free_port, "/progress") == (
            200,
            '{"loading": true, "words": "Fetching <b>weights</b>", "fraction": 0.25}',
        )
        with pytest.raises(SettingsError, match=f"Port {free_port}"):
            loading.LoadingPage("127.0.0.1", free_port, Hosts("127.0.0.1"))
        page.close()
        with loading.LoadingPage("127.0.0.1", free_port, Hosts("127.0.0.1")):
            assert ask(free_port, "/progress")[0] == 200


def test_an_address_that_is_not_ours_is_named(free_port: int) -> None:
    with pytest.raises(SettingsError, match=r"Cannot listen on 192\.0\.2\.1"):
        loading.LoadingPage("192.0.2.1", free_port, Hosts("192.0.2.1"))


def test_without_a_terminal_each_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with loading.ConsoleProgress() as console:
        for text, fraction in (("Fetching", 0.0), ("Fetching", 0.3), ("Loading", 0.5)):
            console.show(text, fraction)
    assert capsys.readouterr().err == "  0 %  Fetching\n 50 %  Loading\n"


# The whole program


@pytest.fixture
def model_dir(tiny_llama_dir: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose encoder is kept already: fitting it anew would take a minute."""
    keep_quick_encoder(load_model(str(tiny_llama_dir), device="cpu", cache_dir=cache_dir))
    monkeypatch.setenv("GRACE_STUDIO_CACHE", str(cache_dir))
    return tiny_llama_dir


@contextmanager
def run_app(tmp_path: Path, model: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "app.cli", "--model", str(model), "--port", str(port), "--data-dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}

    def heed_ctrl_c() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell that runs these tests in the background ignores it

    with subprocess.Popen(
        words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    ) as app:
        try:
            yield app
        finally:
            app.kill()  # a test that failed leaves nothing running


def ended(app: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status and what it said on stderr; where it hangs, the test fails with what each of its threads was doing."""
    try:
        _, said = app.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        app.send_signal(signal.SIGABRT)
        pytest.fail(f"it did not end; its threads: {app.communicate()[1]}")
    return app.returncode, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_app_takes_over_from_the_loading_page_and_stops_cleanly(
    number: signal.Signals, tmp_path: Path, model_dir: Path, free_port: int
) -> None:
    with run_app(tmp_path, model_dir, free_port) as app:
        assert app.stdout is not None
        assert app.stderr is not None
        seen: set[int] = set()
        deadline = time.monotonic() + 300  # a hang is what this is for, not a slow machine
        while time.monotonic() < deadline and app.poll() is None and 200 not in seen:
            try:
                seen.add(ask(free_port, "/")[0])
            except OSError:
                time.sleep(0.05)
        assert seen == {503, 200}, app.stderr.read() if app.poll() is not None else seen
        assert f"http://127.0.0.1:{free_port}" in app.stdout.readline()
        # What the loading page takes as the sign to load itself again.
        assert not ask(free_port, "/progress")[1].startswith('{"loading": true')
        app.send_signal(number)
        status, said = ended(app)
        assert status == 0, said
        assert said.endswith("Stopping.\n")
        assert "Traceback" not in said


def test_a_signal_right_after_the_app_is_ready_stops_it_as_cleanly(tmp_path: Path, model_dir: Path, free_port: int) -> None:
    with run_app(tmp_path, model_dir, free_port) as app:
        assert app.stdout is not None
        assert "is ready" in app.stdout.readline()
        app.send_signal(signal.SIGTERM)  # it has not yet said all that it says at the start
        assert ended(app)[0] == 0


def test_a_signal_during_the_start_ends_it_as_interrupted(tmp_path: Path, model_dir: Path, free_port: int) -> None:
    with run_app(tmp_path, model_dir, free_port) as app:
        assert app.stderr is not None
        assert "Loading the libraries" in app.stderr.readline()
        app.send_signal(signal.SIGTERM)
        status, said = ended(app)
        assert status == cli.EXIT_INTERRUPTED, said
        assert said.endswith("grace-studio: stopped.\n")
