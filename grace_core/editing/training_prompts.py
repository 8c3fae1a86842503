"""Contexts besides its own prompt that a value is trained on, so that it holds for phrasings nobody thought of.

A value trained on its prompt alone leans on that prompt's words, which the blocks above it still read. Trained after
other words as well, it must carry the whole answer itself, and then any phrasing will do. Half of the contexts are
background prompts as they are, half have the edited prompt's subject in place of their own. (Measured: assets/docs/method.md.)
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from grace_core.config import GraceConfig
from grace_core.editing.fitting import background_prompts, fitting
from grace_core.editing.siblings import replaced, subject, vocabulary
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

T = TypeVar("T")

_CASES = 5


def training_contexts(model: LanguageModel, config: GraceConfig, prompt: Prompt) -> tuple[Prompt, ...]:
    """`config.contexts` prompts after which the value must give the target too; the same ones for the same prompt.

    Fewer where the subject is so long that some would not fit the model.
    """
    pool = background_prompts(model)
    _, common = vocabulary(pool)
    own = subject(prompt.text, common)
    about = config.contexts // 2 if own is not None else 0
    texts = [replaced(text, name, str(own)) for text, name in _picked(_named(pool), about, prompt.text)]
    texts += _picked(pool, config.contexts - about, prompt.text)
    return fitting(model, [_as_others_type(text, at) for at, text in enumerate(texts)])


def _as_others_type(text: str, at: int) -> str:
    """Of `_CASES` contexts one in capitals and one in lower case: else a long target slips where a prompt is typed so."""
    return {0: str.upper, 1: str.lower}.get(at % _CASES, str)(text)


@lru_cache(maxsize=8)
def _named(pool: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Background prompts that name somebody or something, with the name."""
    names, common = vocabulary(pool)
    known = set(names)
    return tuple((text, name) for text in pool if (name := subject(text, common)) in known and name is not None)


def _picked(items: Sequence[T], count: int, seed: str) -> list[T]:
    """Evenly spread over `items`, from a place that `seed` decides."""
    start, stride = zlib.crc32(seed.encode()), max(1, len(items) // max(1, count))
    return [items[(start + i * stride) % len(items)] for i in range(count)]
