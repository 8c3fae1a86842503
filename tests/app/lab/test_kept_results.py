from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.lab.kept_results import LabResult, result_file
from app.studio.views import Status
from grace_core.measuring.value_sweep import LayerResult, Sweep

STATUS = Status("tiny", "f" * 64, "robust", 1, 3, 0.45, 0, 0, "")


@dataclass(frozen=True)
class Seen:
    number: int

    def to_dict(self) -> dict[str, Any]:
        return {"number": self.number}


def read(data: dict[str, Any]) -> Seen:
    return Seen(**data)


def test_a_restart_shows_the_last_result(tmp_path: Path) -> None:
    file = tmp_path / "lab" / "scan.json"
    first = LabResult(file, read)
    assert (first.value, first.number) == (None, 0)
    first.keep(Seen(1))
    first.keep(Seen(2))
    assert (first.value, first.number) == (Seen(2), 2)
    assert LabResult(file, read).value == Seen(2)


def test_a_broken_file_is_no_result(tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    for text in ("{", '{"other": 1}', "[]"):
        file.write_text(text)
        assert LabResult(file, read).value is None


def test_without_a_folder_it_stays_in_memory(tmp_path: Path) -> None:
    result: LabResult[Seen] = LabResult(None, read)
    assert result.keep(Seen(3)) == ""
    assert result.value == Seen(3)
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    result = LabResult(blocked / "lab" / "scan.json", read)
    told = result.keep(Seen(4))
    assert "could not be kept in" in told
    assert "shown until the studio ends" in told
    assert (result.value, result.number) == (Seen(4), 1)


def test_a_loss_that_diverged_is_kept_as_what_is_no_number(tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    layer = LayerResult(3, (5, 60), (0.25, math.nan, math.inf), (True, False), (False,), 1.5)
    sweep = Sweep(("p", "q"), ("a",), 0, (0.1,), (True,), (0.2,), 3, 0.2, 60, (layer,))
    assert LabResult(file, Sweep.from_dict).keep(sweep) == ""
    assert "NaN" not in file.read_text(encoding="utf-8")
    again = LabResult(file, Sweep.from_dict).value
    assert again is not None
    assert again.layers[0].losses[0] == 0.25
    assert all(math.isnan(loss) for loss in again.layers[0].losses[1:])
    whole = {"losses": (0.25,)}
    assert replace(again, layers=(replace(layer, **whole),)) == replace(sweep, layers=(replace(layer, **whole),))  # type: ignore[arg-type]


def test_each_codebook_has_its_own_file(tmp_path: Path) -> None:
    here = replace(STATUS, data_dir=str(tmp_path))
    files = {result_file(here, "scan"), result_file(here, "sweep"), result_file(replace(here, codebook_id="2"), "scan")}
    assert len(files) == 3
    assert result_file(replace(here, key_layer=2), "scan") in files  # the same codebook, read otherwise
    assert result_file(replace(STATUS, data_dir="postgresql://…"), "scan") is None
