"""Contexts besides its own prompt that a value is trained on, so that it holds for phrasings nobody thought of.

A value trained on its prompt alone leans on that prompt's words, which the blocks above it still read. Trained after
prompts that have nothing to do with it as well, it must carry the whole answer itself, and then any phrasing will do.
(Measured: README, "Method".)
"""

from __future__ import annotations

import zlib

from grace_core.calibration import background_prompts
from grace_core.config import GraceConfig
from grace_core.models import LanguageModel, Prompt


def training_contexts(model: LanguageModel, config: GraceConfig, prompt: Prompt) -> tuple[Prompt, ...]:
    """`config.contexts` unrelated prompts, the same ones for the same prompt."""
    pool = background_prompts(model)
    start = zlib.crc32(prompt.text.encode())
    step = max(1, len(pool) // max(1, config.contexts))
    return tuple(model.prompt(pool[(start + i * step) % len(pool)]) for i in range(config.contexts))
