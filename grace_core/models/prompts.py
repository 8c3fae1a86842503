"""Text to token ids and back, in the model's chat template where it has one; knows no weights and no device.

A template is rendered once. What it puts before and after the user's text can be kept and given back, so that a template
with today's date in it gives the same tokens tomorrow to everything that was made today.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from transformers import PreTrainedTokenizerBase

from grace_core.codebook.template import Template
from grace_core.errors import InputError, ModelError, first_line

_CONTENTS = "alpha", "Zebra 7"
"""Two user's texts that begin and end differently: what their renderings share is the template's."""
_PROBES = (
    "Who was Ada Lovelace? It's 1815, isn't it:  two  spaces\n\nand\ttabs.",
    "naïve ÉCOLE Straße 東京 москва 🙂 ١٢٣",
    "def f(x): return [x**2 for _ in range(10)]  # 12345678",
    "…“quotes”—dash’s",
)
"""Texts whose token ids stand for a tokenizer's rules in its fingerprint."""
_WORDS_IN_CAPITALS = 3


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model sees it. ids[start:end] are the user's own tokens, the rest is the template's."""

    text: str
    ids: tuple[int, ...]
    start: int
    end: int


class Prompts:
    """One tokenizer and one rendered template: how text becomes ids, and ids text. Never changes, so threads may share it."""

    def __init__(
        self, name: str, tokenizer: PreTrainedTokenizerBase, *, context: int, end_id: int, encloses: bool = False
    ) -> None:
        """Render the template.

        name, context, end_id: of the model; a prompt and its answer have to fit into `context` tokens.
        encloses: what the tokenizer puts behind a text belongs to the prompt, and its answer does not follow it.

        Raises:
            ModelError: a chat template that cannot be rendered.
        """
        self._name, self._context, self._end_id, self._encloses = name, context, end_id, encloses
        self.tokenizer = tokenizer
        # A fast tokenizer keeps "special tokens are plain text" as a state that all threads share: each way has its own.
        self._plain = copy.deepcopy(tokenizer)
        self._special_texts = tuple(str(token) for token in tokenizer.added_tokens_decoder.values())
        self.has_chat_template = bool(getattr(tokenizer, "chat_template", None)) and not encloses
        self._around = _rendered(name, tokenizer) if self.has_chat_template else ("", "")
        """What the template puts before and after the user's text."""
        self.template = Template(self._fingerprint(), *self._ids_around())

    def with_template(self, template: Template) -> Self:
        """The same tokenizer with a template that was rendered before, by this very tokenizer.

        Raises:
            ModelError: it was made with another tokenizer.
        """
        if template.tokenizer != self.template.tokenizer:
            raise ModelError(
                f"The template was made with the tokenizer {template.tokenizer[:12]}…, and {self._name} has "
                f"{self.template.tokenizer[:12]}…. The same text would give other tokens; load the model it was made with."
            )
        if template == self.template:
            return self
        other = copy.copy(self)
        other.template = template
        other._around = (self._text_of(template.head), self._text_of(template.tail))
        return other

    def _fingerprint(self) -> str:
        """SHA-256 over the tokenizer's vocabulary and its rules as they split some texts."""
        vocabulary = sorted(self.tokenizer.get_vocab().items())
        specials = sorted((int(i), str(token)) for i, token in self.tokenizer.added_tokens_decoder.items())
        rules = [[self.plain_ids(text), list(self.tokenizer(text).input_ids)] for text in _PROBES]
        return hashlib.sha256(json.dumps([vocabulary, specials, rules]).encode()).hexdigest()

    def prompt(self, text: str) -> Prompt:
        """Token ids of a prompt. Special tokens that a user types are plain text: they cannot end the user's turn.

        Raises:
            InputError: an empty prompt, or one that leaves no room for an answer.
        """
        text = _checked(text.strip(), "prompt")
        if not text:
            raise InputError("The prompt is empty; type a question or an instruction.")
        before, after = self.template.head, self.template.tail
        own = self.plain_ids(text)
        ids = (*before, *own, *after)
        if self.has_chat_template and not any(token in text for token in self._special_texts):
            # The template as a whole may merge tokens differently at the seams; where it does not, the two agree.
            whole = tuple(self._ids(self._around[0] + text + self._around[1]))
            longer = len(whole) > len(before) + len(after)
            if longer and whole[: len(before)] == before and whole[len(whole) - len(after) :] == after:
                ids = whole
        if len(ids) >= self._context + self._encloses:
            with_answer = "" if self._encloses else ", answer included"
            raise InputError(
                f"The prompt is {len(ids)} tokens long; {self._name} reads {self._context}{with_answer}. Shorten it."
            )
        if not own:
            raise InputError(f"The prompt {text!r} has no tokens for {self._name}; type something else.")
        return Prompt(text, ids, len(before), len(ids) - len(after))

    def as_read(self, prompt: Prompt) -> Prompt:
        """The prompt that a learned encoder reads in place of this one: in lower case where all of it is in capitals.

        Capitals split a word into other tokens than it has otherwise, and hardly a question in capitals was found again.
        The answer is still that to the prompt as it was typed.
        """
        if not in_capitals(prompt.text):
            return prompt
        try:
            return self.prompt(prompt.text.lower())
        except InputError:  # in lower case it is too long
            return prompt

    def target_ids(self, prompt: str, target: str) -> tuple[int, ...]:
        """Token ids of a target, with the end-of-text token.

        Raises:
            InputError: an empty target, or one that does not fit behind the prompt.
        """
        target = _checked(target.strip(), "correct response")
        if not target:
            raise InputError("The correct response is empty; type what the model should say.")
        if self._encloses:
            ids = (*self.template.head, *self.plain_ids(target), *self.template.tail)
            ids = ids if ids[-1] == self._end_id else (*ids, self._end_id)
            room = self._context
        else:
            ids = (*self.plain_ids(target if self.has_chat_template else " " + target), self._end_id)
            room = self._context - len(self.prompt(prompt).ids)
        if len(ids) > room:
            raise InputError(f"The correct response is {len(ids)} tokens long; behind this prompt there is room for {room}.")
        return ids

    def text(self, ids: Sequence[int]) -> str:
        """Text of generated token ids, end-of-text and other special tokens left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)).strip()

    def plain_ids(self, text: str) -> list[int]:
        """Token ids of a text by itself, special tokens in it taken for plain text."""
        return list(self._plain(text, add_special_tokens=False, split_special_tokens=True, verbose=False).input_ids)

    def _ids(self, text: str) -> list[int]:
        # verbose=False: a text that is too long is refused in our own words, where it is known what it was for.
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def _text_of(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _ids_around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Token ids before and after the user's text, found by comparing two different contents from both ends."""
        if not self.has_chat_template:
            whole = list(self.tokenizer("a").input_ids)
            own = self._ids("a")
            at = next((i for i in range(len(whole)) if whole[i : i + len(own)] == own), 0)
            return tuple(whole[:at]), tuple(whole[at + len(own) :]) if self._encloses else ()
        first, second = (self._ids(self._around[0] + content + self._around[1]) for content in _CONTENTS)
        head = _common(first, second)
        tail = _common(first[head:][::-1], second[head:][::-1])
        return tuple(first[:head]), tuple(first[len(first) - tail :])


def in_capitals(text: str) -> bool:
    """Whether all letters are capitals, in three words or more: fewer may be a name that is written so."""
    return text.isupper() and sum(any(c.isalpha() for c in word) for word in text.split()) >= _WORDS_IN_CAPITALS


def _rendered(name: str, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """What the chat template puts before and after the user's text today."""
    try:
        first, second = (
            str(tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True))
            for text in _CONTENTS
        )
    except Exception as error:
        raise ModelError(
            f"The chat template of {name} cannot be rendered ({first_line(error)}); mend chat_template.jinja or "
            "tokenizer_config.json there."
        ) from error
    head = _common(first, second)
    tail = _common(first[head:][::-1], second[head:][::-1])
    return first[:head], first[len(first) - tail :]


def _checked(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"The {what} has half a character at position {error.start}; delete it and type it again.") from error
    return text


def _common(a: Sequence[object], b: Sequence[object]) -> int:
    """How many items both begin with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
