"""How to start the studio with another choice of layer, pooling, encoding and ε: the flags, or the library's options."""

from __future__ import annotations

from dataclasses import dataclass

from grace_core.config import GraceConfig
from grace_core.measuring.distances import Choice

_FLAGS = {"value_layer": "--layer", "key_layer": "--key-layer", "epsilon": "--epsilon"}
_ABOUT = ("key_layer", "value_layer", "pool", "encoding", "distance", "epsilon")


@dataclass(frozen=True)
class Adoption:
    """command: what to type; None where the command line has no flag for some of it. options: the same for the library.

    moves_values: the query is read above the present value layer, so values must be learned anew.
    """

    command: str | None
    options: str
    moves_values: bool


def adoption(base: GraceConfig, choice: Choice, epsilon: float, blocks: int) -> Adoption:
    """From the preset that `base` began with; values stay at their layer where the query allows it."""
    wanted = choice.config(base, round(epsilon, 4))
    preset = GraceConfig.named(base.preset).resolved(blocks)
    needed = {name: getattr(wanted, name) for name in _ABOUT if getattr(wanted, name) != getattr(preset, name)}
    command = None
    if all(name in _FLAGS for name in needed):
        flags = [f"{flag} {needed[name]}" for name, flag in _FLAGS.items() if name in needed]
        command = " ".join(["grace-studio", f"--preset {base.preset}", *flags])
    written = "".join(f", {name}={value!r}" for name, value in needed.items())
    return Adoption(command, f'GraceConfig.named("{base.preset}"{written})', wanted.value_layer != base.value_layer)
