"""The Hugging Face hub and its cache on this machine: huggingface_hub downloads, resumes, locks and keeps.

The cache is the one that other tools use (HF_HOME), so no model lies on the disk twice. Weights are checked against the
hub's SHA-256, only safetensors are fetched, never pickles, and no code of a repository is ever run.
"""

from __future__ import annotations

import errno
import fnmatch
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from grace_core.errors import first_line
from grace_core.models.sources.types import INDEX_FILE, Progress, Unavailable, missing_from, sha256_of

CONNECT_SECONDS = 5.0
_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}


def cached(repo: str, revision: str | None) -> Path:
    """The folder of a model that was downloaded before, by whichever tool. Asks no server.

    revision: a commit, tag or branch; None: what was last downloaded as the main branch.

    Raises:
        Unavailable: it is not there, or not whole.
    """
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(repo, "config.json", revision=revision)
    except ValueError as error:
        raise Unavailable(f"it has no place for such a name ({error})") from error
    if not isinstance(config, str):
        raise Unavailable("not there")
    folder = Path(config).parent
    if problem := missing_from(folder):
        raise Unavailable(f"{folder} is not complete: {problem}")
    return folder


def downloaded(repo: str, revision: str | None, progress: Progress) -> tuple[Path, str]:
    """Bring a model into the cache at a fixed commit, resuming what is there; the folder and the commit.

    Raises:
        Unavailable: the hub cannot be reached, has no such model, or gave something else than it announced.
        OSError: the cache cannot be written.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    progress(f"Asking the Hugging Face hub for {repo}", 0.0)
    try:
        info = HfApi().model_info(repo, revision=revision, timeout=CONNECT_SECONDS, files_metadata=True)
        if info.sha is None:
            raise Unavailable("it did not name a commit")
        files = {file.rfilename: file for file in info.siblings or []}
        names = _wanted_files(files)
        total = max(1, sum(files[name].size or 0 for name in names))
        bar = _silent_bar(lambda done: progress(f"Downloading {repo}", min(done / total, 1.0) * 0.95))
        folder = Path(
            snapshot_download(repo, revision=info.sha, allow_patterns=names, etag_timeout=CONNECT_SECONDS, tqdm_class=bar)
        )
    except (HTTPError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _WRITING:
            raise
        raise Unavailable(_reason(error)) from error
    for name in names:
        lfs = files[name].lfs
        if lfs is not None and sha256_of(folder / name) != lfs.sha256:
            (folder / name).resolve().unlink()
            (folder / name).unlink(missing_ok=True)
            raise Unavailable(f"{name} arrived damaged (its SHA-256 is not {lfs.sha256}); try again")
    if problem := missing_from(folder):
        raise Unavailable(f"the repository is not a model that can be loaded: {problem}")
    return folder, info.sha


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


def _silent_bar(report: Callable[[int], None]) -> type[Any]:
    """A tqdm class that draws nothing and reports the bytes that are on the disk."""
    from huggingface_hub.utils.tqdm import tqdm

    done, lock = 0, threading.Lock()  # several files arrive at once

    class SilentBar(tqdm):  # type: ignore[type-arg,unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._counts = kwargs.get("name") == "huggingface_hub.snapshot_download"
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal done
            if self._counts:
                with lock:
                    done += int(n or 0)
                    report(done)
            return None

    return SilentBar


def _reason(error: BaseException) -> str:
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
