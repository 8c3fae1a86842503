"""Files of edits to evaluate on: this project's JSON Lines, and zsRE (MEND) and CounterFact as they are distributed.

Knows field names only; what is measured is `grace_core.measuring.evaluate`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from app.errors import SettingsError
from app.studio.prompt_files import read_rows
from grace_core.measuring.evaluate import Case, Kind

KINDS: tuple[str, ...] = get_args(Kind)
BIO_PHRASINGS = ("Who is {}?", "Tell me about {} in one sentence.", "I'd like to know who {} was.")
"""Ways to ask for a biography that training never sees; the first of them with the prompt itself are asked about strangers."""
_MEND_ASKS = "nq question: "
"""What MEND puts before its Natural Questions, for the model that it was made for."""


@dataclass(frozen=True)
class Dataset:
    """Cases to edit, prompts about subjects that are not edited, and the file's own prompts that no edit may change."""

    cases: tuple[Case, ...]
    strangers: tuple[str, ...] = ()
    unrelated: tuple[str, ...] = ()


def read_dataset(kind: str, path: Path, limit: int | None) -> Dataset:
    """Cases of one kind; bios beyond `limit` become strangers, and `loc` of the zsRE rows that are edited (MEND) unrelated.

    Raises:
        SettingsError: an unknown kind, or a row without a needed field.
        InputError: a file that cannot be read.
    """
    if kind not in KINDS:
        raise SettingsError(f"--kind is {kind!r}; use one of {', '.join(KINDS)}.")
    rows = read_rows(path)
    edited = rows if limit is None else rows[:limit]
    read: Callable[[dict[str, Any]], Case] = {"zsre": _zsre, "counterfact": _counterfact, "bios": _bio}[kind]
    cases, unrelated = [], list[str]()
    for number, row in enumerate(edited, 1):
        try:
            cases.append(_of_texts(read(row)))
            unrelated += _unrelated(row) if kind == "zsre" else ()
        except KeyError as error:
            raise SettingsError(f"Row {number} of {path} is no {kind} row: {error.args[0]!r} is missing.") from error
        except (TypeError, IndexError, AttributeError, ValueError) as error:
            raise SettingsError(f"Row {number} of {path} is no {kind} row: {error}.") from error
    strangers: list[str] = []
    if kind == "bios":
        for number, row in enumerate(rows[len(edited) :], len(edited) + 1):
            if missing := [name for name in ("prompt", "name") if not isinstance(row.get(name), str)]:
                raise SettingsError(f"Row {number} of {path} is no bios row: {missing[0]!r} is missing or no text.")
            strangers += [row["prompt"], *(phrasing.format(row["name"]) for phrasing in BIO_PHRASINGS[:2])]
    return Dataset(tuple(cases), tuple(strangers), tuple(dict.fromkeys(unrelated)))


def _zsre(row: dict[str, Any]) -> Case:
    if "src" in row:  # MEND's distribution
        return Case(row["src"], _first(row.get("answers") or row["alt"]), tuple([row["rephrase"]] if row.get("rephrase") else []))
    return Case(row["prompt"], row["target"], _texts(row, "paraphrases"))


def _unrelated(row: dict[str, Any]) -> tuple[str, ...]:
    """The question of MEND's distribution whose answer an edit must leave alone."""
    loc = row.get("loc") if "src" in row else None
    if loc is None:
        return ()
    if not isinstance(loc, str):
        raise TypeError(f"'loc' is {loc!r}, not a text")
    text = loc.removeprefix(_MEND_ASKS).strip()
    return (text,) if text else ()


def _counterfact(row: dict[str, Any]) -> Case:
    if "requested_rewrite" in row:  # ROME's distribution
        rewrite = row["requested_rewrite"]
        return Case(
            rewrite["prompt"].format(rewrite["subject"]), rewrite["target_new"]["str"],
            _texts(row, "paraphrase_prompts"), _texts(row, "neighborhood_prompts"),
        )  # fmt: skip
    return Case(row["prompt"], row["target"], _texts(row, "paraphrases"), _texts(row, "neighborhood"))


def _bio(row: dict[str, Any]) -> Case:
    return Case(row["prompt"], row["correct"], tuple(phrasing.format(row["name"]) for phrasing in BIO_PHRASINGS))


def _first(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else value[0]


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    value = row.get(name, ())
    if isinstance(value, str):
        raise TypeError(f"{name!r} is one text, not a list of texts")
    return tuple(value)


def _of_texts(case: Case) -> Case:
    for text in (case.prompt, case.target, *case.paraphrases, *case.neighbors):
        if not isinstance(text, str):
            raise TypeError(f"{text!r} stands where a text belongs")
    return case
