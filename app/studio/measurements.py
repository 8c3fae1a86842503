"""The Lab's measurements: one prompt taken apart, choices of query space compared, values learned at several layers.

Each runs in the model's queue on the codebook as it is when its turn comes. Nothing is logged and nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from app.studio.jobs import Job
from app.studio.model_thread import ModelThread
from app.studio.progress import Stage
from app.studio.texts import checked_text
from grace_core.answering.anatomy import Anatomy, dissect
from grace_core.codebook.codebook import Codebook
from grace_core.config import Encoding, Pool
from grace_core.editing.learned_encoders import known_encoder
from grace_core.measuring.epsilon_curves import asked_phrasings
from grace_core.measuring.query_scan import ENCODINGS, POOLS, Scan, make_sample, scan
from grace_core.measuring.value_sweep import Sweep, default_epsilons, sweep_layers
from grace_core.measuring.what_if import Moment
from grace_core.models.language_model import LanguageModel

ANSWER_TOKENS = 96


class Measurements:
    """What can be measured of a codebook in use."""

    def __init__(
        self,
        thread: ModelThread,
        codebook: Callable[[], Codebook],
        moment: Callable[[], Moment],
        calibrated_on: Callable[[], tuple[tuple[str, ...], int]],
    ) -> None:
        """codebook: the live one. moment: it and the logged queries. calibrated_on: what the encoder of another query space would
        be calibrated on, see `Rereader`.
        """
        self._thread, self._codebook = thread, codebook
        self._moment, self._calibrated_on = moment, calibrated_on

    def anatomy(self, prompt: str, *, asker: str = "") -> Job[Anatomy]:
        """Why this prompt gets its answer. The job reports `Stage`s and raises what `dissect` does."""
        checked_text(prompt, "prompt")

        def work(model: LanguageModel, job: Job[Anatomy]) -> Anatomy:
            return dissect(model, self._codebook(), prompt, max_new_tokens=ANSWER_TOKENS, **_watched(job))

        return self._thread.submit(work, asker)

    def scan(
        self, layers: Sequence[int], pools: Sequence[Pool], encodings: Sequence[Encoding], *,
        unrelated: Sequence[str] = (), max_edits: int = 50, max_unrelated: int = 100, asker: str = "",
    ) -> Job[Scan]:  # fmt: skip
        """How well each choice of layer, pooling and encoding separates. The job reports `Stage`s and raises what
        `make_sample` and `scan` do.

        unrelated: a person's own prompts that must not match; () takes some of the background's.
        """
        for text in unrelated:
            checked_text(text, "prompt")

        def work(model: LanguageModel, job: Job[Scan]) -> Scan:
            began = time.monotonic()
            moment = self._moment()
            codebook = moment.codebook
            background, weighed = self._calibrated_on()
            sample = make_sample(
                model, codebook.edits, asked=asked_phrasings(moment), unrelated=unrelated, background=background,
                weighed=weighed, max_edits=max_edits, max_unrelated=max_unrelated,
            )  # fmt: skip
            chosen = (
                tuple(sorted(set(layers))),
                tuple(p for p in POOLS if p in pools),
                tuple(e for e in ENCODINGS if e in encodings),
            )
            learned = codebook.encoder.learned or known_encoder(model, codebook.config)
            cells = scan(model, codebook.config, sample, *chosen, learned=learned, **_watched(job))
            counts = {kind: len(distances) for kind, distances in cells[0].others.items()}
            return Scan(
                *chosen, len(sample.keys), len(sample.paraphrases), sample.made, counts, len(sample.fit),
                time.monotonic() - began, cells, sample.asked, tuple(owner for _, owner in sample.paraphrases),
            )  # fmt: skip

        return self._thread.submit(work, asker)

    def sweep(self, layers: Sequence[int], *, edits: int = 4, max_steps: int = 60, asker: str = "") -> Job[Sweep]:
        """At which layer values take. The job reports `Stage`s and raises what `sweep_layers` does."""

        def work(model: LanguageModel, job: Job[Sweep]) -> Sweep:
            codebook = self._codebook()
            return sweep_layers(
                model, codebook, layers, edits=edits, max_steps=max_steps,
                epsilons=default_epsilons(codebook.config.epsilon), **_watched(job),
            )  # fmt: skip

        return self._thread.submit(work, asker)


def _watched(job: Job[Any]) -> dict[str, Any]:
    """A measurement's way to tell how far it is and to see whether it was called off."""
    return {
        "progress": lambda words, fraction: job.report(Stage(words, fraction)),
        "cancelled": lambda: job.cancelled,
    }
