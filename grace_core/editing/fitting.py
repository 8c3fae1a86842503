"""Calibrate the encoder of a codebook: what people ask, as the model itself imagines it, and what edits add to that.

A calibration is a versioned step: rows of pooled activations that join the background. The encoder is the fold of all
steps, so a journal that keeps them can rebuild it, and undoing an edit never changes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Background, Encoder, Reader
from grace_core.codebook.geometry import Matrix
from grace_core.codebook.learned import LearnedEncoder
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import GraceConfig
from grace_core.editing.phrasebook import first_names
from grace_core.editing.siblings import namesakes, siblings, vocabulary
from grace_core.errors import InputError, ModelError
from grace_core.models.activations import activations_of, pooled_at
from grace_core.models.batch import Batch
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt
from grace_core.models.sources.cache import background_file, keep_background, read_background

Progress = Callable[[str, float], None]

_SIBLINGS = "siblings of "
"""How the reason of such a step begins, in journals too."""


@dataclass(frozen=True)
class Sampling:
    """How background prompts are sampled; a model's prompts are kept for each way by itself.

    starters: first words, each used `per_starter` times. version: to be raised with the code that samples.
    """

    starters: tuple[str, ...] = (
        "Who", "Who is", "Who was", "What", "What is the", "What is", "What was", "Where", "Where was", "Where is", "When",
        "When did", "Which", "Which country", "Which city", "How", "How many", "How did", "Why", "In which", "In what year",
        "The", "The capital of", "The name of", "Tell me about", "Write a", "Write a short", "Describe", "Explain",
        "Give me", "Name", "Is", "Did", "I would like to know", "Can you", "Does", "On which", "To whom", "Whose", "A",
    )  # fmt: skip
    per_starter: int = 16
    tokens: int = 24
    at_once: int = 64
    version: int = 1


SAMPLING = Sampling()


@dataclass(frozen=True, eq=False)
class Calibration:
    """Rows that joined the background and the encoder version that this made.

    prompts: their texts. activations: (prompts, width) float32; (0, width) where the encoding is raw.
    weighed: on so many of the first step's prompts, its first, token weights are counted; None: on all of them.
    """

    version: int
    reason: str
    prompts: tuple[str, ...]
    activations: NDArray[np.float32] = field(repr=False)
    weighed: int | None = None

    @classmethod
    def of_siblings(cls, version: int, prompt: str, others: Sequence[str], activations: NDArray[np.float32]) -> Calibration:
        """The step before an edit of `prompt`: the same asked about others, and the prompt itself (others + 1 rows)."""
        return cls(version, f"{_SIBLINGS}“{prompt}”", (*others, prompt), activations)


def first_calibration(
    model: LanguageModel, config: GraceConfig, progress: Progress | None = None, background: Sequence[str] = (), *,
    sampling: Sampling = SAMPLING,
) -> Calibration | None:  # fmt: skip
    """The step that a new codebook starts with; None where the encoding needs none.

    The prompts are those given. Else they are shipped for the default model and sampled from any other causal one, which takes
    minutes; where the model has a `cache_dir` they are kept there, and the next codebook of it, whatever its options, samples
    nothing. A model that writes nothing on behind a prompt cannot be asked for them, and takes those that are shipped.
    """
    if config.encoding != "whiten":
        return None
    report = progress or (lambda stage, fraction: None)
    prompts = tuple(dict.fromkeys(background)) or shipped_background(model)
    if not prompts:
        prompts = background_prompts(model) if model.family.traits.encloses else _kept_background(model, report, sampling)
    report("Reading the background prompts", 0.95)
    encoded = [model.prompt(text) for text in prompts]
    weights = weights_of(model, config, prompts)
    activations = activations_of(model, Reader.of(config, weights), encoded)
    return Calibration(1, "background", prompts, activations)


def encoder_of(model: LanguageModel, config: GraceConfig, calibrations: Sequence[Calibration]) -> Encoder:
    """The encoder that these steps add up to, in their order.

    Raises:
        ModelError: a whitened encoding without a first calibration.
    """
    if config.encoding == "raw" and not calibrations:
        return Encoder.raw(model.width)
    if not calibrations:
        raise ModelError("A whitened codebook needs a calibration; make one with `first_calibration`.")
    first = calibrations[0]
    weights = weights_of(model, config, first.prompts[: first.weighed])
    return stored_encoder(model.width, weights, config, calibrations)


def stored_encoder(width: int, weights: TokenWeights, config: GraceConfig, calibrations: Sequence[Calibration]) -> Encoder:
    """`encoder_of` from what is stored, where there may be no model: one step at least."""
    first = calibrations[0]
    if config.encoding == "raw":
        return Encoder(width, calibrations[-1].version, weights)
    began = Encoder(width, first.version, weights, Background.of(first.activations))
    return encoder_after(began, config, calibrations[1:])


def encoder_after(encoder: Encoder, config: GraceConfig, steps: Sequence[Calibration]) -> Encoder:
    """The encoder after more steps, at their cost alone: bit for bit what `encoder_of` makes of all steps from the first."""
    version = steps[-1].version if steps else encoder.version
    background = encoder.background
    if background is None:
        return replace(encoder, version=version)
    for step in steps:
        background = background.joined(step.activations)
    return Encoder.whitened(background, config.directions, version, encoder.weights)


def weights_of(model: LanguageModel, config: GraceConfig, prompts: Sequence[str]) -> TokenWeights:
    """Weights of the weighted pool, counted on these prompts."""
    return TokenWeights.from_prompts((model.plain_ids(text) for text in prompts), config.token_weight)


def shipped_background(model: LanguageModel) -> tuple[str, ...]:
    """Background prompts that come with this package; () for a model that has none, whatever its folder is called."""
    return _shipped().get(unquantised(model), ())


def background_prompts(model: LanguageModel) -> tuple[str, ...]:
    """Varied prompts of no particular subject: those shipped for the model or, for others, those of the default model."""
    return shipped_background(model) or next(iter(_shipped().values()))


@lru_cache(maxsize=1)
def _shipped() -> dict[str, tuple[str, ...]]:
    """The prompts in this package by the `unquantised` of their model; the default model's are the first."""
    file = resources.files("grace_core") / "data" / "background_smollm2_135m_instruct.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    return {kept["unquantised"]: tuple(kept["prompts"])}


def unquantised(model: LanguageModel) -> str:
    """SHA-256 of a model's one-dimensional weights (norms and biases), which quantising leaves as they are.

    So a model's own weights and its packaged 4-bit ones are known as one model, and a further trained one is not.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(model.module.named_parameters()):
        if weight.ndim == 1:
            digest.update(f"{name} {tuple(weight.shape)} ".encode())
            digest.update(weight.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def strangers_in(reason: str, prompts: Sequence[str]) -> tuple[str, ...]:
    """Those of a step's prompts that no edit should answer: the same as an edited one, about others; () for other steps."""
    return tuple(prompts[:-1]) if reason.startswith(_SIBLINGS) else ()


def sibling_activations(model: LanguageModel, codebook: Codebook, prompt: str) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """The prompt asked about others (texts), and their pooled activations (texts, width); none that does not fit the model."""
    names, common = vocabulary(background_prompts(model))
    prompts = fitting(model, siblings(prompt, codebook.config.siblings, names, common))
    activations = activations_of(model, codebook.reader, prompts)
    return tuple(row.text for row in prompts), activations


def sibling_subjects(model: LanguageModel, learned: LearnedEncoder, prompt: str, count: int) -> Matrix:
    """(prompts, dimensions) the subject's half of the same prompt asked about others; one in four of them is a namesake."""
    names, common = vocabulary(background_prompts(model))
    alike = namesakes(prompt, count // 4, first_names(), common)
    found = fitting(model, (*siblings(prompt, count - len(alike), names, common), *alike))
    prompts = [model.prompts.as_read(one) for one in found]
    return learned.subject(pooled_at(model, learned.weights, prompts, learned.subject_reads, rows_at_once=32))


def fitting(model: LanguageModel, texts: Iterable[str]) -> tuple[Prompt, ...]:
    """Prompts that this project made up, less those that do not fit the model: nobody asked for them."""
    found = []
    for text in texts:
        with suppress(InputError):
            found.append(model.prompt(text))
    return tuple(found)


@torch.inference_mode()
def sample_background(
    model: LanguageModel, progress: Progress | None = None, seed: int = 0, *, sampling: Sampling = SAMPLING
) -> tuple[str, ...]:
    """Prompts that the model makes up when the user's turn is left for it to write, from varied first words.

    (A chat model has seen many user turns: sampling one is asking what people ask. Xu et al. 2024, "Magpie".)
    """
    report = progress or (lambda stage, fraction: None)
    generator = torch.Generator().manual_seed(seed)
    prompts = [begun for begun in _begun(model, sampling) for _ in range(sampling.per_starter)]
    texts: list[str] = []
    for start in range(0, len(prompts), sampling.at_once):
        report("Sampling what people may ask", 0.9 * start / len(prompts))
        some = prompts[start : start + sampling.at_once]
        rows = _sampled(model, some, sampling.tokens, generator)
        texts += [_tidied(model.text((*prompt.ids[prompt.start :], *row))) for prompt, row in zip(some, rows, strict=True)]
    return tuple(dict.fromkeys(text for text in texts if text))


def _kept_background(model: LanguageModel, progress: Progress, sampling: Sampling) -> tuple[str, ...]:
    """`sample_background`, or what it gave the last time that this model was asked in this way."""
    if model.cache_dir is None:
        return sample_background(model, progress, sampling=sampling)
    key = _sampling_key(model, sampling)
    file = background_file(model.cache_dir, key)
    kept = read_background(file, key)
    if kept is None:
        kept = sample_background(model, progress, sampling=sampling)
        keep_background(file, key, kept, model=model.name)
    return kept


def _sampling_key(model: LanguageModel, sampling: Sampling) -> str:
    """SHA-256 of what the sampled prompts depend on: the weights, the template, the first words and how often they are asked."""
    begun = [prompt.ids for prompt in _begun(model, sampling)]
    how = [sampling.version, sampling.per_starter, sampling.tokens, sampling.at_once, model.eos_ids, begun]
    return hashlib.sha256(json.dumps([model.fingerprint, how]).encode()).hexdigest()


def _begun(model: LanguageModel, sampling: Sampling) -> list[Prompt]:
    """The user's turn begun with each of the first words, left for the model to write on."""
    before = model.prompt("a").ids[: model.prompt("a").start]
    out = []
    for starter in sampling.starters:
        own = model.prompt(starter)
        ids = (*before, *own.ids[own.start : own.end])
        out.append(Prompt(starter, ids, len(before), len(ids)))
    return out


def _sampled(model: LanguageModel, prompts: Sequence[Prompt], count: int, generator: torch.Generator) -> list[list[int]]:
    batch = Batch.of(model, prompts)
    decoding = model.family.decoding(model, batch)
    logits, rows = decoding.start(), [list[int]() for _ in prompts]
    while True:
        likely, which = logits.float().softmax(-1).cpu().topk(min(50, logits.shape[-1]))
        tokens = which.gather(1, torch.multinomial(likely, 1, generator=generator))[:, 0].to(batch.ids.device)
        for row, token in zip(rows, tokens.tolist(), strict=True):
            row.append(token)
        if len(rows[0]) == count:
            break
        logits = decoding.next(tokens)
    return [row[: next((i for i, t in enumerate(row) if t in model.eos_ids), len(row))] for row in rows]


def _tidied(text: str) -> str:
    """One sentence of one line."""
    line = text.strip().split("\n")[0].strip()
    ends = [at for mark in "?.!" if (at := line.find(mark)) >= 0]
    return line[: min(ends) + 1] if ends else line
