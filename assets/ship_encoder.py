"""Fit the default model's learned encoder and put it into the package: `python assets/ship_encoder.py`.

To be run again when the phrasebook or the way of fitting changes. Reads some 24,000 prompts: about twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from grace_core.config import GraceConfig
from grace_core.editing.fitting import unquantised
from grace_core.editing.learned_encoders import SHIPPED, save_encoder
from grace_core.editing.learning import fit_encoder
from grace_core.editing.phrasebook import phrases
from grace_core.models.load import load_model

_BREADTH = 2
"""Twice as many subjects as another model's encoder is fitted on: this one is fitted once for everybody."""
PACKAGE = Path(__file__).parent.parent / "grace_core" / "data"


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PACKAGE / SHIPPED, help="where to write it (default: into the package)")
    out = parser.parse_args().out
    model = load_model()
    config = GraceConfig.robust().resolved(len(model.blocks))
    with tqdm(total=1000, bar_format="{desc:<50}{percentage:3.0f}%|{bar}| {elapsed}") as bar:

        def progress(stage: str, fraction: float) -> None:
            bar.set_description_str(stage)
            bar.update(int(1000 * fraction) - bar.n)

        encoder = fit_encoder(model, config, phrases(_BREADTH), progress=progress)
    save_encoder(encoder, out, {"model": unquantised(model), "value_layer": str(config.value_layer)}, half=True)
    sys.stdout.write(f"{out}: {out.stat().st_size / 2**20:.1f} MiB\n")


if __name__ == "__main__":
    main()
