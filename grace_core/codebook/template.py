"""How a codebook's prompts were put before its model: the tokenizer, and what the chat template wraps around a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """What decides, besides the weights, that a text gives the same query today as when it was edited.

    tokenizer: a fingerprint of its rules. head, tail: the token ids before and behind the user's text as they were
    rendered once: a template may put today's date there.
    """

    tokenizer: str
    head: tuple[int, ...] = ()
    tail: tuple[int, ...] = ()

    def difference(self, other: Template) -> str | None:
        """What differs, in words; None where nothing does."""
        if self.tokenizer != other.tokenizer:
            return f"another tokenizer ({self.tokenizer[:12]}… instead of {other.tokenizer[:12]}…)"
        for name in ("head", "tail"):
            own, its = getattr(self, name), getattr(other, name)
            if own != its:
                return f"another {name} of the chat template ({len(own)} tokens instead of {len(its)}, or others)"
        return None
