"""The library part of the README runs as it is printed, and importing the package loads no torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import grace_core

README = Path(__file__).parents[2] / "README.md"


def example() -> str:
    """The Python block under the marker."""
    found = re.search(
        r"<!-- library-example: run by a test -->\s*```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found, "README.md has no Python block under <!-- library-example: run by a test -->"
    return found.group(1)


def test_the_example_is_there_and_short() -> None:
    lines = [line for line in example().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert 5 <= len(lines) <= 14, f"{len(lines)} lines"
    compile(example(), str(README), "exec")


def test_the_example_shows_the_whole_round() -> None:
    for step in ("load_model", ".edit(", "generate(", "save_codebook", "load_codebook", ".without("):
        assert step in example()


@pytest.mark.real
def test_the_example_runs_as_printed(real_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert real_model_dir.is_dir()  # in the cache that load_model looks into
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example(), str(README), "exec"), names)
    results = [value for value in names.values() if isinstance(value, grace_core.EditResult)]
    assert results
    assert all(result.success for result in results), [result.reason for result in results]


def test_every_public_name_exists_and_unknown_ones_do_not() -> None:
    for name in grace_core.__all__:
        assert getattr(grace_core, name).__name__ == name
    assert set(grace_core.__all__) == set(grace_core._HOME_OF)
    with pytest.raises(AttributeError, match="nonesuch"):
        grace_core.nonesuch  # noqa: B018


def test_importing_the_package_loads_no_torch() -> None:
    code = "import grace_core, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=README.parent, check=True, timeout=60)
