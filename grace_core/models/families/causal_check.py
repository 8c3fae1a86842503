"""Which short ways may be taken on a causal model, found out by comparing them with the long way when it is loaded.

Architectures differ in their masks, caches and blocks, and a wrong short way gives wrong numbers without an error. So two
random prompts are run both ways. What fits neither way is refused, in words.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import torch

from grace_core.codebook.token_weights import TokenWeights
from grace_core.errors import ModelError, first_line
from grace_core.models.activations import hidden_after, pooled_at
from grace_core.models.batch import Batch
from grace_core.models.families.causal_training import LongBatch, ShortBatch
from grace_core.models.families.passes import close, run
from grace_core.models.family import Row, Ways
from grace_core.models.hooks import block_hooks, replaced
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

log = logging.getLogger(__name__)

_HEAD, _OWN = 3, (5, 3)
"""Tokens that both prompts begin with, and how many each goes on with."""
_POSITIONS = 2
_TARGET = 3
"""Two steps behind the prompt: the first can be right where it leaves a wrong cache to the second."""


def checked(model: LanguageModel) -> Ways:
    """The ways that hold on this model, on which all short ways are still allowed.

    Raises:
        ModelError: a model that cannot be edited, and why.
    """
    with torch.no_grad():
        check = _Check(model)
        check.refuse_what_cannot_be_edited()
        return check.ways()


class _Check:
    """Two random prompts with targets, and a value, on one model."""

    def __init__(self, model: LanguageModel) -> None:
        generator = torch.Generator().manual_seed(0)
        vocabulary = model.module.config.get_text_config().vocab_size

        def drawn(count: int) -> tuple[int, ...]:
            return tuple(torch.randint(vocabulary, (count,), generator=generator).tolist())

        head = drawn(_HEAD)
        self.model = model
        self.name = f"{model.name} ({type(model.module).__name__})"
        self.prompts = [Prompt("", (*head, *drawn(own)), _HEAD, _HEAD + own) for own in _OWN]
        self.targets = [drawn(_TARGET), drawn(_TARGET)]
        # With a value after the second block one is passed by, and as many as can be take part.
        self.layer = min(2, len(model.blocks))
        self.value = torch.randn(_POSITIONS, model.width, generator=generator)
        self.alone: list[torch.Tensor] = []
        """(target, vocabulary) logits at each prompt's target, with the value in it."""

    def refuse_what_cannot_be_edited(self) -> None:
        """See that blocks give hidden states, and that a value put in changes what comes after it and nothing before it."""
        model, prompt = self.model, self.prompts[0]
        shapes: dict[int, tuple[int, ...]] = {}

        def look(layer: int, hidden: torch.Tensor) -> None:
            shapes[layer] = tuple(hidden.shape)
            if layer == self.layer:
                self.value = self.value * hidden.float().square().mean().sqrt().cpu()

        every = range(1, len(model.blocks) + 1)
        try:
            with block_hooks(model, [(at, lambda hidden, at=at: look(at, hidden)) for at in every]):
                bare = self._logits(prompt)
        except Exception as error:
            raise ModelError(f"{self.name} cannot be run: {first_line(error)}") from error
        wanted = (1, len(prompt.ids), model.width)
        odd = next((at for at in every if shapes.get(at) != wanted), None)
        if odd is not None:
            self._refuse(f"its block {odd} gives {shapes.get(odd, 'nothing')}, where hidden states of this prompt are {wanted}")
        if bare.dim() != 2 or len(bare) != len(prompt.ids):
            self._refuse("it gives no logits for each token; choose a model with a language modelling head")
        if not bool(bare.isfinite().all()):
            self._refuse("its logits are not finite numbers, so its weights are damaged; fetch it again")
        other = replace(prompt, ids=(*prompt.ids[:-1], (prompt.ids[-1] + 1) % bare.shape[-1]))
        if not close(self._logits(other)[:-1], bare[:-1]):
            self._refuse("what it says of a token depends on later ones, so it is not a causal language model")
        changed, last = self._with_value(prompt, self.targets[0]), len(prompt.ids) - 1
        if close(changed[last], bare[last]) or not close(changed[: last + 1 - _POSITIONS], bare[: last + 1 - _POSITIONS]):
            self._refuse(f"a hidden state that is written after its block {self.layer} does not come through")
        self.alone = [changed[last:], self._with_value(self.prompts[1], self.targets[1])[len(self.prompts[1].ids) - 1 :]]

    def ways(self) -> Ways:
        """The short ways that give what the long way gives."""
        model = self.model
        for name, same in (
            ("cached", self._decodes_alike),
            ("padded", self._pads_alike),
            ("shared_start", self._reads_alike),
            ("truncated", self._learns_alike),
        ):
            try:
                found = same()
            except Exception as error:  # noqa: BLE001 (whatever stands in the way, the long way is there)
                log.info("%s: %s is off (%s)", self.name, name, first_line(error))
                found = False
            if not found:
                model.ways = replace(model.ways, **{name: False})
        log.info("%s: %s", self.name, model.ways)
        return model.ways

    def _decodes_alike(self) -> bool:
        """A few tokens behind a prompt with a value in it: from the cache, and all at once."""
        return close(self._decoded(self.prompts[:1], self.targets[:1])[0], self.alone[0])

    def _pads_alike(self) -> bool:
        """Both prompts as one batch, and each by itself."""
        together = self._decoded(self.prompts, self.targets)
        return all(close(a, b) for a, b in zip(together, self.alone, strict=True))

    def _reads_alike(self) -> bool:
        """Hidden states behind a kept start, and of whole prompts; at the highest block, where all others have taken part."""
        top = len(self.model.blocks)
        weights = TokenWeights({})
        found = pooled_at(self.model, weights, self.prompts, [(top, "mean")])[top, "mean"]
        for row, prompt in zip(found, self.prompts, strict=True):
            alone = hidden_after(self.model, top, Batch.of(self.model, [prompt]))[0, prompt.start : prompt.end].mean(0)
            if not close(torch.from_numpy(row), alone.float().cpu()):
                return False
        return True

    def _learns_alike(self) -> bool:
        """Logits of both prompts' targets with a value put in, by the upper blocks and by the whole model."""
        rows = [Row(p, t, task) for task, (p, t) in enumerate(zip(self.prompts, self.targets, strict=True))]
        short, long = (kind(self.model, self.layer, _POSITIONS, rows) for kind in (ShortBatch, LongBatch))
        found = short.logits(torch.stack([self.value] * 2).to(self.model.device))
        logits = all(close(a, b) for a, b in zip(found, self.alone, strict=True))
        return logits and close(short.start(), long.start())

    def _logits(self, prompt: Prompt) -> torch.Tensor:
        """(tokens, vocabulary) by the long way."""
        batch = Batch.of(self.model, [prompt])
        return run(self.model, batch.ids, batch.mask, batch.positions)[0].float()

    def _decoded(self, prompts: Sequence[Prompt], targets: Sequence[Sequence[int]]) -> torch.Tensor:
        """(prompts, target, vocabulary) logits at each target token, decoded step by step with a value in each prompt."""
        batch = Batch.of(self.model, prompts)
        decoding = self.model.family.decoding(self.model, batch)
        tokens = torch.tensor(targets, device=self.model.device)
        with self._put_in(batch.last):
            found = [decoding.start()]
            found += [decoding.next(tokens[:, step]) for step in range(_TARGET - 1)]
        return torch.stack(found, dim=1).float()

    def _with_value(self, prompt: Prompt, target: Sequence[int]) -> torch.Tensor:
        """(tokens, vocabulary) of a prompt with the value in it and its target behind it, by the long way."""
        with self._put_in([len(prompt.ids) - 1]):
            return self._logits(replace(prompt, ids=(*prompt.ids, *target[:-1])))

    def _put_in(self, last: Sequence[int]) -> AbstractContextManager[None]:
        """The value at each row's last prompt tokens, in passes over whole prompts."""
        put = (self.layer, lambda hidden: replaced(hidden, dict.fromkeys(range(len(last)), self.value.numpy()), last))
        return block_hooks(self.model, [put], tokens=max(last) + 1, decoding=True)

    def _refuse(self, why: str) -> None:
        raise ModelError(f"{self.name} cannot be edited: {why}.")
