"""One check for every text that enters: it can be stored and shown, and it is not longer than there is a use for.

It comes before anything is tokenized, so that what is far too long is refused at once. Lengths are in characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from grace_core.config import MAX_PHRASINGS
from grace_core.errors import InputError

MOST_TEXT = 50_000
"""Of a prompt, a target or a phrasing: more than fits most models, whose own limit is told in tokens."""
MOST_AUTHOR = 100
MOST_SOURCE = 2_000
MOST_SEARCH = 500
_SHOWN = 60
# What no database column and no JSON holds: NUL, and half of a character that takes two places in UTF-16.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# What an address shows as another one: control characters, and those that have no shape but turn the order of what follows.
_UNSEEN = ("Cc", "Cf", "Zl", "Zp")


def checked_text(text: object, what: str, most: int = MOST_TEXT) -> str:
    """The text itself. what: names it in messages.

    Raises:
        InputError: no text, one that cannot be stored, or one of more than `most` characters.
    """
    if not isinstance(text, str):
        raise InputError(f"The {what} is {shown(repr(text))}, which is no text; give a text.")
    if len(text) > most:
        raise InputError(f"The {what} is {len(text):,} characters long; {most:,} are the most. Shorten it.")
    if (found := _UNSTORABLE.search(text)) is not None:
        kind = "a NUL" if found[0] == "\0" else "half a character"
        raise InputError(f"The {what} has {kind} at position {found.start()}, which cannot be stored; take it out.")
    return text


def checked_phrasings(phrasings: object) -> tuple[str, ...]:
    """Other phrasings of a prompt, each a text of its own.

    Raises:
        InputError: no list, more than 64, or one that is no text, too long or cannot be stored.
    """
    if phrasings is None:
        return ()
    if isinstance(phrasings, str):
        raise InputError("The paraphrases are one text; give a list of texts.")
    if isinstance(phrasings, Mapping) or not isinstance(phrasings, Iterable):
        raise InputError(f"The paraphrases are {shown(repr(phrasings))}; give a list of texts.")
    found = tuple(checked_text(text, "phrasing") for text in phrasings)
    if len(found) > MAX_PHRASINGS:
        raise InputError(f"There are {len(found):,} phrasings; {MAX_PHRASINGS} are the most. Leave some out.")
    return found


def checked_author(author: object) -> str:
    """Who does something, without space around it.

    Raises:
        InputError: see `checked_text`.
    """
    return checked_text(author, "author's name", MOST_AUTHOR).strip()


def checked_source(source: object) -> str:
    """Where a correction comes from: a web address, or nothing.

    Raises:
        InputError: see `checked_text`, or a text that is no address of a web page.
    """
    text = checked_text(source, "source", MOST_SOURCE).strip()
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != -1
        sound = sound and not any(one.isspace() or unicodedata.category(one) in _UNSEEN for one in text)
    except ValueError:
        sound = False
    if not sound:
        raise InputError(
            f"The source “{shown(text)}” is no web address; give one that begins with http:// or https://, or leave it empty."
        )
    return text


def checked_search(search: object) -> str:
    """Words that are searched for.

    Raises:
        InputError: see `checked_text`.
    """
    return checked_text(search, "search", MOST_SEARCH)


def shown(text: str) -> str:
    """The beginning of any text, fit to stand in a message."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return "".join("\ufffd" if unicodedata.category(one) in ("Cs", *_UNSEEN) and one not in "\t\n" else one for one in short)
