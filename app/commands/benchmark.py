"""`grace-studio bench`: ratios against the published recipe and the bare model, as a table; fails where a goal is missed."""

from __future__ import annotations

import argparse
import gc
import sys

from app.errors import StudioError
from app.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `bench` takes besides the settings."""
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often both sides of a ratio run (default: 3)")


def run(settings: Settings, arguments: argparse.Namespace) -> None:
    """Measure and print."""
    from grace_core.config import GraceConfig
    from grace_core.measuring.benchmark import run as measure
    from grace_core.models.load import CAUSAL, load_model

    def progress(stage: str, fraction: float) -> None:
        print(f"{100 * fraction:3.0f} %  {stage}", file=sys.stderr)

    model = load_model(settings.model, cache_dir=settings.cache_dir, families=[CAUSAL])
    gc.collect()
    gc.freeze()  # as the app does
    ratios = measure(model, GraceConfig.named(settings.preset, **settings.config_overrides), progress, max(1, arguments.rounds))
    print("| what | figure | goal | |\n|---|---|---|---|")
    for ratio in ratios:
        goal = "" if ratio.goal is None else f"{'≥' if ratio.at_least else '≤'} {ratio.goal:g}"
        met = "" if ratio.goal is None else "met" if ratio.met else "missed"
        print(f"| {ratio.name} | {ratio.figure:.3g} | {goal} | {'; '.join(filter(None, (met, ratio.note)))} |")
    missed = [ratio.name for ratio in ratios if not ratio.met]
    if missed:
        raise StudioError(f"{len(missed)} of {len(ratios)} goals missed: {'; '.join(missed)}.")
