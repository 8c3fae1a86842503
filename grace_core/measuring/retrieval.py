"""A baseline that edits nothing: the stored text of the nearest edited prompt, found by a sentence encoder such as MiniLM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from grace_core.codebook.geometry import Matrix, nearest_of_each
from grace_core.config import GraceConfig
from grace_core.errors import InputError, ModelError
from grace_core.measuring.evaluate import Elsewhere, Report, checked
from grace_core.measuring.measures import Case
from grace_core.measuring.routing import Said, curve_of, shares_of, texts_of
from grace_core.models.language_model import LanguageModel

Sentences = Callable[[Sequence[str]], Matrix]
"""(texts, dimensions) of unit length."""
_AT_ONCE = 64


def sentence_encoder(folder: Path) -> Sentences:
    """Mean over the last hidden states of an encoder that transformers can load, made unit length.

    Raises:
        ModelError: a folder without such a model.
    """
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False).eval()
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no sentence encoder ({error}); give a folder with its config and weights.") from error

    @torch.inference_mode()
    def encode(texts: Sequence[str]) -> Matrix:
        out = list[Matrix]()
        for start in range(0, len(texts), _AT_ONCE):
            batch = tokenizer(list(texts[start : start + _AT_ONCE]), padding=True, truncation=True, return_tensors="pt")
            mask = batch["attention_mask"][..., None].float()
            pooled = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
            out.append(torch.nn.functional.normalize(pooled, dim=-1).numpy())
        return np.concatenate(out)

    return encode


def retrieved(
    model: LanguageModel,
    config: GraceConfig,
    kind: str,
    cases: Sequence[Case],
    encode: Sentences,
    name: str,
    *,
    elsewhere: Elsewhere | None = None,
    epsilons: Sequence[float] = (),
) -> Report:
    """What the nearest edited prompt's stored text would answer, within ε (1 - cos) of it.

    Args:
        model: decides only which prompts are asked, so that all methods are asked the same.
        config: its ε is used, and nothing else of it but what decides those prompts.
        kind: goes into the report.
        cases: at least one; of equal prompts the last counts.
        encode: see `Sentences`.
        name: of that encoder, for the report.
        elsewhere: prompts of no case that no edit may change, by measure.
        epsilons: the report's curve gives the shares at each of these.

    Raises:
        InputError: no cases, only empty ones, or something to ask that does not fit the model.
    """
    run = checked(model, config, cases, elsewhere or {})
    kept = {case.prompt.strip(): case.target.strip() for case in run.cases if case.prompt.strip() and case.target.strip()}
    if not kept:
        raise InputError("There is nothing to retrieve; every prompt or target is empty.")
    targets, texts = list(kept.values()), texts_of(run.cases, run.elsewhere)
    found = list(nearest_of_each(encode(texts), encode(list(kept)), "cosine"))

    def said_at(epsilon: float) -> Said:
        return {text: targets[at] if far <= epsilon else None for text, (at, far) in zip(texts, found, strict=True)}

    return Report(
        kind, "retrieval", name, config.resolved(len(model.blocks)), len(run.cases), len(kept),
        shares_of(run.cases, run.elsewhere, said_at(config.epsilon)),
        curve=curve_of(run.cases, run.elsewhere, said_at, epsilons), excluded=run.excluded,
    )  # fmt: skip
