"""The one place where everything is wired: settings → model → journal → studio → pages → server."""

from __future__ import annotations

import gc
import os
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from app.errors import StudioError
from app.server.hosts import Hosts
from app.server.loading_page import ConsoleProgress, LoadingPage
from app.server.stopping import StopSignals, give_up_after
from app.settings import Settings, prepare_data_dir
from grace_core.config import GraceConfig
from grace_core.models.sources.resolve import resolve_model
from grace_core.models.sources.types import Progress

if TYPE_CHECKING:
    from app.studio.views import Status

# The parts of the start, by how long they take when the model has to be fetched first.
MODEL_SHARE = 0.85

CLOSE_WITHIN = 60.0
"""Seconds that closing may take: a running edit is called off at its next step, and waited for 30 s."""


def serve(settings: Settings) -> None:
    """Run the app until SIGINT or SIGTERM.

    Raises:
        GraceError: it cannot start; the message says what to do. Nothing slow happens before the cheap checks.
    """
    started = time.monotonic()
    _keep_libraries_quiet()
    with ExitStack() as stack:
        stop = stack.enter_context(StopSignals())
        config = GraceConfig.named(settings.preset, **settings.config_overrides)
        prepare_data_dir(settings)
        hosts = Hosts(settings.host, settings.allowed_hosts)
        page = stack.enter_context(LoadingPage(settings.host, settings.port, hosts))
        console = stack.enter_context(ConsoleProgress())

        def progress(text: str, fraction: float) -> None:
            page.show(text, fraction)
            console.show(text, fraction)

        progress("Loading the libraries", 0.0)
        # Imported here: they take seconds, and the page should be up before.
        from app.journal.store import JournalStore
        from app.server.endpoints import Departures
        from app.server.shell import build_app
        from app.server.web import WebServer, make_web
        from app.studio.studio import OpenStudio
        from grace_core.models.load import CAUSAL, load_model

        model = load_model(
            settings.model, cache_dir=settings.cache_dir, families=[CAUSAL], progress=_part(progress, 0.0, MODEL_SHARE)
        )
        store = JournalStore(settings.effective_database_url)
        stack.callback(store.close)
        studio = OpenStudio.open(
            model,
            config,
            store,
            data_dir=settings.data_dir,
            max_new_tokens=settings.max_new_tokens,
            in_context=settings.in_context,
            progress=_part(progress, MODEL_SHARE, 1.0),
        )
        stack.callback(studio.close)
        progress("Building the pages", 1.0)
        departures = Departures()
        blocks = build_app(studio, departures)
        web = make_web(studio, blocks, hosts, departures)
        # What stands now stays: a full collection that looks at it all would take a quarter of a second, in an undo say.
        gc.collect()
        gc.freeze()
        page.close()
        stack.enter_context(WebServer(web, settings.host, settings.port))
        share_url = _public_link(settings, hosts) if settings.share else None
        console.close()
        stop.note()
        _announce(settings, share_url, time.monotonic() - started)
        if note := unheeded(settings.epsilon, studio.status()):
            print(note, flush=True)
        stop.wait()
        print("Stopping.", file=sys.stderr)
        give_up_after(CLOSE_WITHIN)


def fetch(settings: Settings) -> None:
    """Bring the model into the cache and print its folder."""
    _keep_libraries_quiet()
    with StopSignals(), ConsoleProgress() as console:
        folder = resolve_model(settings.model, cache_dir=settings.cache_dir, progress=console.show)
    print(folder)


def _public_link(settings: Settings, hosts: Hosts) -> str | None:
    from app.server.web import open_public_link

    try:
        return open_public_link(settings.host, settings.port, hosts)
    except StudioError as error:  # the studio is of use without
        print(error, file=sys.stderr)
        return None


def _part(progress: Progress, start: float, end: float) -> Progress:
    """A callback whose 0..1 is this part of the whole."""

    def report(text: str, fraction: float) -> None:
        progress(text, start + (end - start) * fraction)

    return report


def _keep_libraries_quiet() -> None:
    """No telemetry and no bars but ours, unless the person asked for them; read when the libraries are imported."""
    for variable, value in (
        ("GRADIO_ANALYTICS_ENABLED", "False"),
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("TOKENIZERS_PARALLELISM", "false"),
    ):
        os.environ.setdefault(variable, value)


def _announce(settings: Settings, share_url: str | None, seconds: float) -> None:
    everywhere = settings.host in ("0.0.0.0", "::")
    shown = "localhost" if everywhere else f"[{settings.host}]" if ":" in settings.host else settings.host
    print(f"Grace Studio is ready after {seconds:.0f} s: http://{shown}:{settings.port}", flush=True)
    if share_url:
        print(f"Public link, open to everybody who has it: {share_url}", flush=True)
    if everywhere:
        print("It listens on every network of this machine and asks nobody for a password.", flush=True)
    print(f"The journal is in {settings.data_dir}. Ctrl+C stops the app; nothing is lost.", flush=True)


def unheeded(epsilon: float | None, status: Status) -> str | None:
    """What to say of an `--epsilon` that does not hold, since the Lab put another way of reading prompts in force."""
    if epsilon is None or not status.reread or epsilon == status.epsilon:
        return None
    return (
        f"--epsilon {epsilon:g} is for the way of reading prompts that this codebook began with. The one chosen in the Lab is "
        f"in force: new edits ask for {status.epsilon:g}. To go back, see Lab, Calibrate."
    )
