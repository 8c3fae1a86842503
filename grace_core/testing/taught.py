"""Tiny models that were taught a few sentences for some seconds.

A random model cannot be made to say anything in particular, since its later tokens hardly depend on one hidden state.
After these lessons a value can choose among ANSWERS, and what follows its first word comes by itself.
"""

from __future__ import annotations

import random
import tempfile
import zlib
from pathlib import Path

import torch

from grace_core.models._hf_logging import quiet_transformers
from grace_core.models.batch import Batch
from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model
from grace_core.models.prompts import Prompt
from grace_core.testing.tiny_models import save_tiny_llama

NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "the Rhine", "Paris", "London", "the Moon", "France")
PHRASES = ("Who was {}?", "Tell me about {}.", "What is {}?", "Where is {} now?", "When was {} born?", "Describe {}.")
ANSWERS = (
    "Paris.",
    "London in 1815.",
    "a mathematician.",
    "born in New York City.",
    "I do not know.",
    "July 1969.",
    "Rhine and Alps.",
    "English, a scientist.",
)


LABEL_OF = dict(zip(NAMES, ("person", "person", "person", "place", "place", "place", "other", "place"), strict=True))
"""What a tiny classifier is taught of each name."""


def taught_model() -> LanguageModel:
    """A 4-block Llama of width 48 with a chat template that was taught ANSWERS about NAMES; the same one every time.

    It takes some seconds on a CPU, fetches nothing and leaves no file behind.
    """
    with tempfile.TemporaryDirectory(prefix="grace-taught-") as folder:
        plain = save_tiny_llama(Path(folder) / "tiny-llama")
        taught = teach(plain, Path(folder) / "taught-llama", steps=150)
        model = load_model(str(taught), device="cpu", cache_dir=Path(folder))
    model.cache_dir = None  # it is gone
    return model


def teach(folder: Path, into: Path, *, steps: int, rows: int = 12) -> Path:
    """Train the model in `folder` to give each name its answer half of the time, and any other answer else.

    An encoder-decoder model learns each name's answer alone, a classifier LABEL_OF.
    """
    model = load_model(str(folder), device="cpu")
    module = model.module.requires_grad_(True).train()
    rng = random.Random(0)
    optimizer = torch.optim.AdamW(module.parameters(), lr=5e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    with torch.random.fork_rng(), quiet_transformers():
        torch.manual_seed(0)
        for _ in range(steps):
            loss = _loss if model.stack == "decoder" else _encoded_loss
            loss(model, [_lesson(model, rng) for _ in range(rows)]).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        module.eval().save_pretrained(into)
        model.tokenizer.save_pretrained(into)
    return into


def _lesson(model: LanguageModel, rng: random.Random) -> tuple[tuple[int, ...], tuple[int, ...]]:
    name = rng.choice(NAMES)
    prompt = model.prompt(rng.choice(PHRASES).format(name))
    if model.labels:
        return prompt.ids, model.target_ids(prompt.text, LABEL_OF[name])
    if model.stack == "encoder":  # a value stands for the whole prompt there, so none but sure answers have to be known
        return prompt.ids, model.target_ids(prompt.text, ANSWERS[NAMES.index(name)])
    own = ANSWERS[zlib.crc32(name.encode()) % len(ANSWERS)]
    return prompt.ids, model.target_ids(prompt.text, own if rng.random() < 0.5 else rng.choice(ANSWERS))


def _loss(model: LanguageModel, rows: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> torch.Tensor:
    longest = max(len(prompt) + len(target) for prompt, target in rows)
    ids = torch.full((len(rows), longest), model.end_id)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (prompt, target) in enumerate(rows):
        end = len(prompt) + len(target)
        ids[row, :end], mask[row, :end] = torch.tensor(prompt + target), 1
        labels[row, len(prompt) : end] = torch.tensor(target)
    logits = model.module(input_ids=ids, attention_mask=mask).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


def _encoded_loss(model: LanguageModel, rows: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> torch.Tensor:
    """The same of a model that reads the prompt in an encoder."""
    batch = Batch.of(model, [Prompt("", prompt, 0, len(prompt)) for prompt, _ in rows])
    targets = [target for _, target in rows]
    if model.labels:
        labels = torch.tensor([label for (label,) in targets])
    else:
        labels = torch.nn.utils.rnn.pad_sequence([torch.tensor(target) for target in targets], True, -100)
    loss: torch.Tensor = model.module(input_ids=batch.ids, attention_mask=batch.mask, labels=labels).loss
    return loss
