"""Contexts besides its own prompt that a value is trained on, so that it holds for phrasings nobody thought of.

Knows text only; which contexts work was measured (see the README's section on the method).
"""

from __future__ import annotations

from grace_core.codebook import Codebook
from grace_core.models import LanguageModel, Prompt


def training_contexts(model: LanguageModel, codebook: Codebook, prompt: Prompt) -> tuple[Prompt, ...]:
    """Prompts after which the value must give the target as well."""
    return ()
