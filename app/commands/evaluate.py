"""`grace-studio eval`: make many edits from a file, measure the final codebook, print a table and write JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from app.errors import SettingsError, StudioError
from app.settings import Settings

_EXPLAINED = {
    "es_exact": "edited prompts answered exactly",
    "gen_exact": "paraphrases answered exactly",
    "gen_token": "target tokens right on paraphrases, teacher-forced",
    "answered": "paraphrases whose answer comes from the right edit",
    "wrong_edit": "paraphrases answered by another edit",
    "err": "edits that took and still hold after all others (retention)",
    "locality": "unrelated prompts unchanged (20 tokens)",
    "neighbors_unchanged": "neighbours unchanged",
    "strangers_unchanged": "strangers unchanged",
    "edits": "edits requested",
    "keys": "keys in the codebook",
    "calibrations": "times the encoder was calibrated",
    "steps_per_edit": "steps per edit",
    "seconds_per_edit": "seconds per edit",
    "ms_per_token_ratio": "time per token, with the codebook over without",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `eval` takes besides the settings."""
    parser.add_argument("--kind", required=True, metavar="KIND", help="zsre, counterfact or bios")
    parser.add_argument("--data", required=True, type=Path, metavar="FILE", help="edits: JSON Lines, or zsRE or CounterFact JSON")
    parser.add_argument(
        "--unrelated", type=Path, metavar="FILE",
        help="prompts that must not change, JSON with “prompt” (default: “loc” of the edited rows, in a zsRE file that has it)",
    )  # fmt: skip
    parser.add_argument("--limit", type=int, metavar="N", help="edit only the first N rows (default: all)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report as JSON")


def run(settings: Settings, arguments: argparse.Namespace) -> None:
    """Evaluate and print."""
    from tqdm import tqdm

    from app.commands.datasets import read_dataset
    from app.studio.prompt_files import read_prompts
    from grace_core.config import GraceConfig
    from grace_core.measuring.evaluate import evaluate
    from grace_core.models.load import load_model

    if arguments.limit is not None and arguments.limit < 1:
        raise SettingsError(f"--limit is {arguments.limit}; give a number of at least 1.")
    if arguments.out is not None:
        check_writable(arguments.out)
    data = read_dataset(arguments.kind, arguments.data, arguments.limit)
    unrelated = read_prompts(arguments.unrelated, most=None) if arguments.unrelated is not None else data.unrelated
    with tqdm(total=1000, bar_format="{desc:<44}{percentage:3.0f}%|{bar}| {elapsed}", file=sys.stderr) as bar:

        def progress(stage: str, fraction: float) -> None:
            bar.set_description_str(stage)
            bar.n = int(1000 * fraction)
            bar.refresh()

        model = load_model(settings.model, cache_dir=settings.cache_dir, progress=lambda stage, fraction: progress(stage, 0.0))
        config = GraceConfig.named(settings.preset, **settings.config_overrides)
        report = evaluate(
            model, config, arguments.kind, data.cases, unrelated=unrelated, strangers=data.strangers, progress=progress
        )
        progress("Done", 1.0)
    print(table(report.to_dict()))
    if arguments.out is not None:
        _write(arguments.out, json.dumps(report.to_dict(), indent=2))


def check_writable(path: Path) -> None:
    """Prove that a report can be written there, before hours go into it; leaves what is there as it is.

    Raises:
        SettingsError: a folder, a file in a folder that is not there, or one that this user may not write.
    """
    if path.is_dir():
        raise SettingsError(f"--out is {path}, which is a folder; give the name of a file in it.")
    if not path.parent.is_dir():
        raise SettingsError(f"--out is {path}, but there is no folder {path.parent}; make it, or give another file.")
    is_new = not path.exists()
    try:
        if is_new or path.is_file():  # opening a pipe would wait for its reader
            path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise SettingsError(f"--out is {path}, which cannot be written ({error.strerror}); give another file.") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        print(text)  # made in hours: it is not to be lost with a disk that has become full
        raise StudioError(f"{path} cannot be written ({error.strerror}); the report is printed above instead.") from error


def table(report: dict[str, object]) -> str:
    """The report as a Markdown table."""
    lines = [f"| {report['kind']}, preset {report['preset']}, {report['model']} | | |", "|---|---|---|"]
    for name, explained in _EXPLAINED.items():
        value = report[name]
        if value is not None:
            lines.append(f"| {name} | {_written(value)} | {explained} |")
    by_phrasing = report["by_phrasing"]
    assert isinstance(by_phrasing, dict)
    lines += [
        f"| {name} | {_written(share)} | each row's paraphrase {number} answered exactly |"
        for number, (name, share) in enumerate(by_phrasing.items(), 1)
    ]
    return "\n".join(lines)


def _written(value: object) -> str:
    """Three decimals, or as many as keep a share below 1 from reading 1.000."""
    if not isinstance(value, float):
        return str(value)
    return next(text for digits in range(3, 18) if (text := f"{value:.{digits}f}") and (value >= 1 or float(text) < 1))
