"""The file of a layout: what comes back, and what is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.map.layout.file import Placed, SavedLayout

# Text as SQLite holds it. A lone NUL at the end is what numpy's strings cannot hold; ids and digests are hexadecimal.
_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
_COORDINATES = st.floats(allow_nan=False, allow_infinity=False)
_LAYOUTS = st.builds(
    SavedLayout,
    st.sampled_from(["mds", "pca", "umap"]),
    st.text("0123456789abcdef"),
    st.booleans(),
    st.dictionaries(_NAMES, st.builds(Placed, st.text("0123456789abcdef"), _COORDINATES, _COORDINATES), max_size=5),
)
SAVED = SavedLayout("pca", "ab12", True, {"q1": Placed("ff", 0.5, -2.0)})


@given(_LAYOUTS)
def test_what_was_written_comes_back(saved: SavedLayout) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map" / "layout.npz"
        saved.write(path)
        assert SavedLayout.read(path) == saved
        assert [file.name for file in path.parent.iterdir()] == ["layout.npz"]


def _changed(path: Path, **arrays: Any) -> None:
    """Put other arrays in the file; None takes one out."""
    SAVED.write(path)
    with np.load(path) as stored:
        kept = {name: stored[name] for name in stored if name not in arrays}
    np.savez(path, **kept, **{name: array for name, array in arrays.items() if array is not None})


def test_a_file_of_before_readings_were_kept_is_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "layout.npz"
    _changed(path, reading=None, recalibrated=None)
    assert SavedLayout.read(path) == SavedLayout("pca", "", False, SAVED.known)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"format": np.array(2)}, "format 2, expected 1"),
        ({"format": None}, "format"),
        ({"method": np.array("tsne")}, "method 'tsne'"),
        ({"xy": np.zeros((2, 2))}, r"1 ids, coordinates of shape \(2, 2\)"),
        ({"xy": np.full((1, 2), np.nan)}, "coordinates"),
        ({"digests": np.array([], dtype=np.str_)}, "shorter"),
        ({"ids": np.array([{"q1"}], dtype=object)}, "[Pp]ickle|Object arrays"),
    ],
)
def test_another_content_is_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = tmp_path / "layout.npz"
    _changed(path, **arrays)
    with pytest.raises(ValueError, match=message):
        SavedLayout.read(path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "layout.npz"
    SAVED.write(path)
    whole = path.read_bytes()
    for size in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"No data|pickled|not a zip"):
            SavedLayout.read(path)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "layout.npz"
    SAVED.write(path)
    (tmp_path / "layout.npz.new").mkdir()
    with pytest.raises(IsADirectoryError):
        SavedLayout("mds", "", False, {}).write(path)
    assert SavedLayout.read(path) == SAVED
