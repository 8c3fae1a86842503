"""Whether a model with an encoder can be edited, and whether one token may stand for a prompt there.

Architectures differ in their masks and blocks, and a wrong way gives wrong numbers without an error. So two random prompts are
run, alone and as one batch, with a value put in and without. What does not fit is refused, in words.
"""

from __future__ import annotations

import logging

import torch

from grace_core.errors import ModelError, first_line
from grace_core.models.batch import Batch
from grace_core.models.families.encoder_training import EncoderBatch, TargetLogits
from grace_core.models.families.passes import close
from grace_core.models.family import Row, Ways
from grace_core.models.hooks import block_hooks
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

log = logging.getLogger(__name__)

_OWN = (7, 3)
"""How many tokens of their own both prompts have."""


@torch.no_grad()
def checked(model: LanguageModel, passed: TargetLogits, target_ids: tuple[int, ...]) -> Ways:
    """The ways that hold. passed: the family's whole pass. target_ids: any target.

    Raises:
        ModelError: a model that cannot be edited, and why.
    """
    rows = [Row(prompt, target_ids, task) for task, prompt in enumerate(_prompts(model))]
    # With a value after the second block one is passed by, and as many as can be take part.
    layer = min(2, len(model.blocks))
    name = f"{model.name} ({type(model.module).__name__})"

    def refuse(why: str) -> None:
        raise ModelError(f"{name} cannot be edited: {why}.")

    shapes: dict[int, tuple[int, ...]] = {}
    every = range(1, len(model.blocks) + 1)
    labels = torch.tensor([target_ids], device=model.device)
    alone: list[torch.Tensor] = []
    try:
        for row in rows:
            batch = Batch.of(model, [row.prompt], side="right")
            looks = [(at, lambda hidden, at=at: shapes.update({at: tuple(hidden.shape)})) for at in every]
            with block_hooks(model, looks):
                alone.append(passed(model, batch.ids, batch.mask, labels)[0].float())
    except Exception as error:
        raise ModelError(f"{name} cannot be run: {first_line(error)}") from error
    wanted = (1, len(rows[-1].prompt.ids), model.width)
    odd = next((at for at in every if shapes.get(at) != wanted), None)
    if odd is not None:
        refuse(f"its block {odd} gives {shapes.get(odd, 'nothing')}, where hidden states of this prompt are {wanted}")
    if not all(bool(found.isfinite().all()) for found in alone):
        refuse("its logits are not finite numbers, so its weights are damaged; fetch it again")
    both = Batch.of(model, [row.prompt for row in rows], side="right")
    together = passed(model, both.ids, both.mask, labels.expand(len(rows), -1)).float()
    if not all(close(a, b) for a, b in zip(together, alone, strict=True)):
        refuse("what it says of a prompt depends on the prompts beside it")
    return _ways(model, layer, rows, passed, alone, name)


def _ways(model: LanguageModel, layer: int, rows: list[Row], passed: TargetLogits, alone: list[torch.Tensor], name: str) -> Ways:
    long = EncoderBatch(model, layer, rows, passed, head=None, short=False)
    start = long.start()
    values = start.square().mean().sqrt() * torch.randn(start.shape, generator=torch.Generator().manual_seed(0)).to(model.device)
    found = long.logits(values)
    if any(close(a, b) for a, b in zip(found, alone, strict=True)):
        raise ModelError(f"{name} cannot be edited: a state that is written after its block {layer} does not come through.")
    short = EncoderBatch(model, layer, rows, passed, head=None, short=True).logits(values)
    ways = Ways(shared_start=False, truncated=all(close(a, b) for a, b in zip(short, found, strict=True)))
    log.info("%s: %s", name, ways)
    return ways


def _prompts(model: LanguageModel) -> list[Prompt]:
    """Random prompts between what the tokenizer puts around a text."""
    special = set(model.tokenizer.all_special_ids)
    size = min(int(model.module.config.get_text_config().vocab_size), len(model.tokenizer))
    usual = [token for token in range(size) if token not in special]
    generator = torch.Generator().manual_seed(0)
    head, tail = model.template.head, model.template.tail
    found = []
    for own in _OWN:
        ids = (*head, *(usual[i] for i in torch.randint(len(usual), (own,), generator=generator).tolist()), *tail)
        found.append(Prompt("", ids, len(head), len(head) + own))
    return found
