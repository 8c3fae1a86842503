"""An edit's fact before a prompt: for a question about an edit's subject that is not the edit's own.

The edit's value says one thing only, its target. Another question about the subject, or one that needs the fact to be answered,
gets the fact to read instead, in the user's turn of the model's own template, and the frozen model answers. Decodes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.about import About, about
from grace_core.codebook.codebook import Codebook
from grace_core.errors import InputError
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt


@dataclass(frozen=True, eq=False)
class Given:
    """The prompt with a fact before it, and the entry that the fact is of."""

    prompt: Prompt
    about: About


def with_fact(prompt: str, edited: str, target: str) -> str:
    """What the model is given: the edit's prompt and target as a fact, then the prompt. See method.md for other wordings."""
    return f"Fact: {edited} {target}\n\n{prompt}"


def given_fact(
    model: LanguageModel, codebook: Codebook, prompt: Prompt, activation: NDArray[np.float32], room: int
) -> Given | None:
    """The fact for a prompt that no edit answers; None where no edit is about its subject, or the fact does not fit.

    activation: (width,) what the codebook reads of the prompt. room: so many tokens must be left for the answer.
    """
    found = about(codebook, codebook.encoder(activation[None])[0])
    if found is None:
        return None
    try:
        whole = model.prompt(with_fact(prompt.text, found.entry.prompt, found.entry.target))
    except InputError:  # longer than the context
        return None
    return Given(whole, found) if room <= model.room(whole) else None
