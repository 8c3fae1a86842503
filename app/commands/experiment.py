"""`grace-studio experiment labels`: the published stream of changing labels on a classifier; prints a table, writes JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.commands.evaluate import check_writable
from app.commands.run_facts import commit, now
from app.errors import SettingsError
from app.settings import Settings

if TYPE_CHECKING:
    from grace_core.measuring.label_stream import Labelled, Look

STREAMS = ("labels",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `experiment` takes besides the settings."""
    parser.add_argument("stream", choices=STREAMS, help="labels: a classifier whose labels change half way")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="JSON Lines with text, label and split (train or test)"
    )
    parser.add_argument("--change", type=int, default=8, metavar="N", help="so many labels are exchanged half way (default: 8)")
    parser.add_argument(
        "--each", type=int, default=20, metavar="N", help="the stream has so many texts of each label (default: 20)"
    )
    parser.add_argument("--every", type=int, default=50, metavar="N", help="measure after so many edits (default: 50)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the stream (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report as JSON")


def run(settings: Settings, arguments: argparse.Namespace) -> None:
    """Run the stream and print."""
    from tqdm import tqdm

    from grace_core.editing.new_codebook import new_codebook
    from grace_core.measuring.label_stream import make_stream, run_labels
    from grace_core.models.load import CLASSIFIER, load_model

    for name in ("change", "each", "every"):
        if getattr(arguments, name) < 1:
            raise SettingsError(f"--{name} is {getattr(arguments, name)}; give a number of at least 1.")
    if arguments.out is not None:
        check_writable(arguments.out)
    train, test = _read(arguments.data)
    model = load_model(settings.model, cache_dir=settings.cache_dir, families=[CLASSIFIER])
    stream = make_stream(train, test, labels=arguments.change, each=arguments.each, seed=arguments.seed)
    # The texts stand for what will be asked; their labels are not looked at.
    config = replace(model.family.config(model), **settings.config_overrides)
    codebook = new_codebook(model, config, background=[row.text for row in train])
    with tqdm(total=1000, bar_format="{desc:<24}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}", file=sys.stderr) as bar:

        def progress(stage: str, fraction: float) -> None:
            bar.set_description_str(stage)
            bar.n = int(1000 * fraction)
            bar.refresh()

        codebook, looks = run_labels(model, codebook, stream, every=arguments.every, progress=progress)
    print(table(looks))
    if arguments.out is not None:
        report: dict[str, Any] = {
            "stream": arguments.stream, "commit": commit(), "date": now(), "seed": arguments.seed, "data": arguments.data.name,
            "model": model.name, "config": codebook.config.to_dict(), "new_label": dict(stream.new_label),
            "looks": [asdict(look) for look in looks],
        }  # fmt: skip
        arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def table(looks: Sequence[Look]) -> str:
    """The looks as Markdown."""
    lines = [
        "| texts asked | edits | keys | edited texts right | changed labels, unseen | other labels, unseen | seconds an edit |",
        "|---|---|---|---|---|---|---|",
    ]
    for look in looks:
        past = "–" if look.past is None else f"{look.past:.3f}"
        each = "–" if not look.edits else f"{look.seconds / (look.edits + look.failed):.2f}"
        lines.append(f"| {look.asked} | {look.edits} | {look.keys} | {past} | {look.changed:.3f} | {look.kept:.3f} | {each} |")
    return "\n".join(lines)


def _read(path: Path) -> tuple[list[Labelled], list[Labelled]]:
    """The rows of both splits.

    Raises:
        SettingsError: a file that cannot be read, or a row that is none.
    """
    from grace_core.measuring.label_stream import Labelled

    found: dict[str, list[Labelled]] = {"train": [], "test": []}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); give a file of JSON Lines.") from error
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            found[row["split"]].append(Labelled(str(row["text"]), str(row["label"])))
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{path}, line {number}, is no row with text, label and split “train” or “test” ({type(error).__name__})."
            ) from error
    if not found["train"] or not found["test"]:
        raise SettingsError(f"{path} has {len(found['train'])} rows to train and {len(found['test'])} to test; both are needed.")
    return found["train"], found["test"]
