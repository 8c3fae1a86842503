"""The documents: what the code prints into them is up to date, and what they link to is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "assets" / "docs").glob("*.md")), *sorted((ROOT / ".github").glob("*.md"))]


def test_tables_are_as_the_code_prints_them() -> None:
    files = [str(path) for path in DOCUMENTS if "[[[cog" in path.read_text(encoding="utf-8")]
    assert files
    check = [sys.executable, "-m", "cogapp", "--check", "--diff", "-P", "-I", "assets/docs", *files]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=120, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, f"Write them with `cog -rP -I assets/docs FILE`:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_are_there(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (document.parent / link).exists(), link


def test_files_and_names_that_contributors_are_sent_to_are_there() -> None:
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:app|grace_core|tests|assets|\.ci)/[\w./]+)`", text):
        assert "NAME" in path or "NOUN" in path or (ROOT / path).exists(), path
    steps = re.findall(r"^\| `([\w/.]+)` \| `([\w.]+)` \|", text, flags=re.MULTILINE)
    assert steps
    for path, name in steps:
        code = (ROOT / path).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"^ *(?:(?:async )?def |class )?{part}\(|^class {part}\b", code, flags=re.MULTILINE), (path, name)


def test_readme_is_a_door_and_not_the_house() -> None:
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) < 1400
