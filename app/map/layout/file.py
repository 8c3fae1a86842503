"""The file that keeps a map's layout over restarts: npz, read without pickle."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np

Method = Literal["mds", "pca", "umap"]

_FORMAT = 1


@dataclass(frozen=True)
class Placed:
    """Where a point stands, and the digest of the vector that it was last seen with."""

    digest: str
    x: float
    y: float


@dataclass(frozen=True)
class SavedLayout:
    """What is kept. known: points by their ids. query_space_id: of their vectors. recalibrated: these have changed since."""

    method: Method
    query_space_id: str
    recalibrated: bool
    known: dict[str, Placed]

    def write(self, path: Path) -> None:
        """Replace the file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        temporary = path.with_name(path.name + ".new")
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(
                file,
                format=np.array(_FORMAT),
                method=np.array(self.method),
                reading=np.array(self.query_space_id, dtype=np.str_),
                recalibrated=np.array(self.recalibrated),
                ids=np.array(list(self.known), dtype=np.str_),
                digests=np.array([placed.digest for placed in self.known.values()], dtype=np.str_),
                xy=np.array([(placed.x, placed.y) for placed in self.known.values()]).reshape(-1, 2),
            )
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> SavedLayout:
        """What was written.

        Raises:
            OSError: it cannot be opened.
            ValueError: it is damaged, or no such file.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if int(stored["format"]) != _FORMAT:
                    raise ValueError(f"format {int(stored['format'])}, expected {_FORMAT}")
                method, xy = str(stored["method"]), np.asarray(stored["xy"], np.float64)
                ids, digests = stored["ids"].tolist(), stored["digests"].tolist()
                # Files of before these were kept have neither; most journals have no other reading than the first, "".
                reading = str(stored["reading"]) if "reading" in stored else ""
                recalibrated = "recalibrated" in stored and bool(stored["recalibrated"])
        except (KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(str(error)) from error
        if method not in get_args(Method) or xy.shape != (len(ids), 2) or not np.isfinite(xy).all():
            raise ValueError(f"method {method!r}, {len(ids)} ids, coordinates of shape {xy.shape}")
        known = {name: Placed(digest, x, y) for name, digest, (x, y) in zip(ids, digests, xy.tolist(), strict=True)}
        return cls(cast(Method, method), reading, recalibrated, known)
