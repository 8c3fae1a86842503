"""The residual blocks of a module: where queries are read and values written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn
from transformers import PreTrainedModel

from grace_core.errors import ModelError

Stack = Literal["decoder", "encoder"]


@dataclass(frozen=True)
class Blocks:
    """One stack of blocks, the first below all others. names: of the modules, as `named_modules` has them."""

    names: tuple[str, ...]
    modules: tuple[nn.Module, ...]
    stack: Stack

    @classmethod
    def found_in(cls, module: PreTrainedModel, stack: Stack = "decoder") -> Blocks:
        """The outermost list of modules that is as long as the config says; of the stack's, where the module has it apart.

        Raises:
            ModelError: there is none.
        """
        count = module.config.get_text_config().num_hidden_layers
        kind = type(module).__name__
        if not isinstance(count, int) or count < 1:
            raise ModelError(f"The config of {kind} says that it has {count!r} blocks; editing needs at least one.")
        lists = [(name, child) for name, child in module.named_modules() if isinstance(child, nn.ModuleList)]
        fitting = [(name, child) for name, child in lists if len(child) == count]
        # A model that also sees images has a list of blocks for them, too; and some have an encoder and a decoder.
        own = module.get_decoder() if stack == "decoder" else module.get_encoder()
        within = {id(child) for child in own.modules()} if isinstance(own, nn.Module) else set()
        fitting.sort(key=lambda found: id(found[1]) not in within)
        if not fitting:
            raise ModelError(f"No list of {count} blocks was found in {kind}; this architecture is not supported yet.")
        name, blocks = fitting[0]
        return cls(tuple(f"{name}.{i}" for i in range(count)), tuple(blocks), stack)
