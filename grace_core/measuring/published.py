"""GRACE as published, beside its preset: the training loop, and where we differ from the authors' released code.

The paper is Hartvigsen et al., "Aging with GRACE", NeurIPS 2023; the code is github.com/Thartvigsen/GRACE, in which
`grace/config/editor/grace.yaml` holds the choices and `grace/editors/grace.py` the rule. `GraceConfig.paper` follows the
paper (Algorithm 1); `published_edit` is the loop that a benchmark is timed against.

|                | the released code                             | preset `paper`                  | `published_edit`    |
|----------------|-----------------------------------------------|---------------------------------|---------------------|
| layer          | one linear layer (GPT-2 XL: h[35].mlp.c_fc)   | a block's residual stream       | a block's MLP       |
| query          | that layer's input at the last prompt token   | the hidden state one block below| none: it only learns|
| value put in   | at all prompt tokens before the last one      | at the last prompt token        | the same            |
|                | (`replace_prompt`; `replace_last` is offered) |                                 |                     |
| value begins   | at random (`cold`; `warm` is offered)         | at what the layer gave (warm)   | the same            |
| learning       | Adam, rate 1.0, 100 steps                     | Adam, 0.15 of the hidden state's| Adam, 1.0, 100 steps|
|                |                                               | root mean square, 100 steps     |                     |
| ε, distance    | 1, Euclidean                                  | the same                        | none                |
| same target    | equal mean of the label ids                   | equal token ids                 | none                |
| split          | half the distance each, the old key 1e-5 less;| half the distance, of every     | none                |
|                | of the nearest key alone; can enlarge an ε    | conflicting key; only shrinks   |                     |
| expand         | to the distance, whatever lies there          | as far as other targets leave it| none                |

ε = 1 is tuned to no model, there or here: what it reaches says as much about the scale of a model's hidden states.
"""

from __future__ import annotations

import torch
from torch import nn

from grace_core.models.language_model import LanguageModel

STEPS, RATE = 100, 1.0


def published_edit(model: LanguageModel, layer: int, prompt: str, target: str) -> bool:
    """The published training loop: 100 full forward and backward passes, Adam, one vector at one block's MLP output.

    (GRACE, Algorithm 1, "finetune on P_f": the value replaces the layer's output at the last prompt token.) Returns
    whether the target then comes out exactly.
    """
    own, ids = model.prompt(prompt), model.target_ids(prompt, target)
    tokens = torch.tensor([[*own.ids, *ids[:-1]]], device=model.device)
    labels = torch.tensor(ids, device=model.device)
    last = len(own.ids) - 1
    mlp = next(child for name, child in model.blocks[layer - 1].named_children() if name in ("mlp", "feed_forward", "ff"))
    value: list[torch.Tensor] = []

    def put(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        if not value:
            value.append(output[0, last].detach().clone().requires_grad_(True))
        out = output.clone()
        out[0, last] = value[0]
        return out

    handle = mlp.register_forward_hook(put)
    try:
        with torch.no_grad():
            model.module(input_ids=tokens, use_cache=False)
        optimizer = torch.optim.Adam(value, lr=RATE)
        for _ in range(STEPS):
            logits = model.module(input_ids=tokens, use_cache=False).logits[0, last:]
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, labels).backward()
            optimizer.step()
        with torch.no_grad():
            logits = model.module(input_ids=tokens, use_cache=False).logits[0, last:]
    finally:
        handle.remove()
    return bool((logits.argmax(-1) == labels).all())
