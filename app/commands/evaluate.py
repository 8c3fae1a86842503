"""`grace-studio eval`: make many edits from a file, measure the final codebook, print a table and write JSON."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.commands.datasets import KINDS, Chosen
from app.commands.report_tables import curve, in_context, one, side_by_side
from app.commands.run_facts import commit, now
from app.errors import SettingsError, StudioError
from app.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `eval` takes besides the settings."""
    parser.add_argument("--kind", metavar="KIND", help=f"what the file holds: {', '.join(KINDS)}")
    parser.add_argument("--data", type=Path, metavar="FILE", help="edits: JSON Lines, or zsRE or CounterFact JSON")
    parser.add_argument(
        "--unrelated", type=Path, metavar="FILE",
        help="prompts that must not change, JSON with “prompt” (default: those of the edited rows, in a file that has them)",
    )  # fmt: skip
    parser.add_argument("--half", choices=("even", "odd"), help="only these rows of each file, the first being row 0")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="leave out the first N rows (of the half)")
    parser.add_argument("--limit", type=int, metavar="N", help="edit only the first N rows that are left (default: all)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the typos (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument(
        "--routing", action="store_true",
        help="learn no values: which prompts the right edit, or any, would answer (minutes instead of hours)",
    )  # fmt: skip
    parser.add_argument(
        "--retrieval", type=Path, metavar="FOLDER",
        help="make no edits: the stored text of the nearest edited prompt by this sentence encoder, within ε (1 - cos)",
    )  # fmt: skip
    parser.add_argument(
        "--epsilons", metavar="NUMBERS", help="with --routing or --retrieval: the shares at each of these ε too, as 0.3,0.45,0.6"
    )
    parser.add_argument(
        "--in-context", action="store_true",
        help="also ask yes-or-no, reversed, two-hop and other questions with edits' facts put before them, and without",
    )  # fmt: skip
    parser.add_argument("--table", nargs="+", type=Path, metavar="FILE", help="only print reports side by side, as Markdown")
    parser.add_argument("--lookup", action="store_true", help="with --table: beside each, a lookup table through the same keys")


def run(settings: Settings, arguments: argparse.Namespace) -> None:
    """Evaluate and print, or print what was evaluated before."""
    if arguments.table is not None:
        reports = [_read(path) for path in arguments.table]
        print("\n\n".join(filter(None, (side_by_side(reports, arguments.lookup), *map(in_context, reports)))))
        return
    for name in ("kind", "data"):
        if getattr(arguments, name) is None:
            raise SettingsError(f"--{name} is missing; give --kind and --data to evaluate, or --table to print reports.")
    for name, least in (("limit", 1), ("skip", 0)):
        if (given := getattr(arguments, name)) is not None and given < least:
            raise SettingsError(f"--{name} is {given}; give a number of at least {least}.")
    if arguments.routing and arguments.retrieval is not None:
        raise SettingsError("--routing and --retrieval are two methods; give one of them.")
    if arguments.in_context and (arguments.routing or arguments.retrieval is not None):
        raise SettingsError("--in-context decodes answers beside learned values; leave out --routing and --retrieval.")
    epsilons = _epsilons(arguments)
    if arguments.out is not None:
        check_writable(arguments.out)
    report = _measured(settings, arguments, epsilons)
    print("\n\n".join(filter(None, (one(report), curve(report), in_context(report)))))
    if arguments.out is not None:
        _write(arguments.out, json.dumps(report, indent=2))


def _epsilons(arguments: argparse.Namespace) -> tuple[float, ...]:
    if arguments.epsilons is None:
        return ()
    if not arguments.routing and arguments.retrieval is None:
        raise SettingsError("--epsilons needs --routing or --retrieval: with learned values one run has one ε.")
    try:
        found = tuple(float(text) for text in arguments.epsilons.split(","))
    except ValueError as error:
        raise SettingsError(f"--epsilons is {arguments.epsilons!r}; give numbers as 0.3,0.45,0.6.") from error
    if not all(0 < epsilon < math.inf for epsilon in found):
        raise SettingsError(f"--epsilons is {arguments.epsilons!r}; give numbers above 0.")
    return found


def _measured(settings: Settings, arguments: argparse.Namespace, epsilons: Sequence[float]) -> dict[str, Any]:
    """The report with what is said of its run."""
    from tqdm import tqdm

    from app.commands.datasets import read_dataset
    from app.studio.prompt_files import read_prompts
    from grace_core.config import GraceConfig
    from grace_core.measuring.evaluate import evaluate
    from grace_core.measuring.retrieval import retrieved, sentence_encoder
    from grace_core.measuring.routing import routed
    from grace_core.models.load import CAUSAL, load_model

    chosen = Chosen(arguments.half, arguments.skip, arguments.limit)
    data = read_dataset(arguments.kind, arguments.data, chosen, arguments.seed)
    elsewhere = dict(data.elsewhere)
    if arguments.unrelated is not None:
        elsewhere["locality"] = tuple(chosen.of_half(read_prompts(arguments.unrelated, most=None)))
    with tqdm(total=1000, bar_format="{desc:<56}{percentage:3.0f}%|{bar}| {elapsed}", file=sys.stderr) as bar:

        def progress(stage: str, fraction: float) -> None:
            bar.set_description_str(stage)
            bar.n = int(1000 * fraction)
            bar.refresh()

        model = load_model(
            settings.model, cache_dir=settings.cache_dir, families=[CAUSAL], progress=lambda stage, fraction: progress(stage, 0.0)
        )
        config = GraceConfig.named(settings.preset, **settings.config_overrides)
        asked: dict[str, Any] = {"elsewhere": elsewhere, "progress": progress}
        if arguments.routing:
            report = routed(model, config, arguments.kind, data.cases, epsilons=epsilons, **asked)
        elif arguments.retrieval is not None:
            encode, name = sentence_encoder(arguments.retrieval), "/".join(arguments.retrieval.parts[-2:])
            report = retrieved(model, config, arguments.kind, data.cases, encode, name, elsewhere=elsewhere, epsilons=epsilons)
        else:
            report = evaluate(model, config, arguments.kind, data.cases, in_context=arguments.in_context, **asked)
        progress("Done", 1.0)
    about = {
        "commit": commit(), "date": now(), "seed": arguments.seed, "half": arguments.half, "skip": arguments.skip,
        "limit": arguments.limit, "data": arguments.data.name,
        "unrelated": arguments.unrelated.name if arguments.unrelated is not None else None,
    }  # fmt: skip
    return about | report.to_dict()


def _read(path: Path) -> dict[str, Any]:
    """A report that was written before.

    Raises:
        SettingsError: a file that cannot be read or is no report.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read as a report ({error}); give a file that --out has written.") from error
    if not isinstance(report, dict) or not {"kind", "mode", "config", "intervals", "lookup"} <= report.keys():
        raise SettingsError(f"{path} is no report of this version; give a file that --out has written.")
    return report


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
