"""Files of edits to evaluate on: this project's JSON Lines, and zsRE (MEND) and CounterFact as they are distributed.

Knows field names only; what is measured is `grace_core.measuring`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from app.errors import SettingsError
from app.studio.prompt_files import read_rows
from grace_core.measuring.measures import Case
from grace_core.measuring.protocols import forms, in_an_instruction

T = TypeVar("T")
Half = Literal["even", "odd"]

BIO_PHRASINGS = ("Who is {}?", "Tell me about {} in one sentence.", "I'd like to know who {} was.")
"""Ways to ask for a biography that training never sees; the first of them with the prompt itself are asked about strangers."""
BIO_QUESTIONS = (
    "When was {} born?", "Where did {} go to school?", "Write a poem about {}.", "Who was {}'s father?",
    "What did {} have for breakfast?", "Where does {} live?", "What awards did {} win?", "Is {} still alive?",
)  # fmt: skip
"""Other questions about a person whose biography was edited."""
_MEND_ASKS = "nq question: "
"""What MEND puts before its Natural Questions, for the model that it was made for."""


@dataclass(frozen=True)
class Chosen:
    """Which rows of a file are edited: of one half (rows by index, from 0) or of all, the first `limit` after `skip`."""

    half: Half | None = None
    skip: int = 0
    limit: int | None = None

    def of_half(self, rows: Sequence[T]) -> list[T]:
        """The rows of that half."""
        return list(rows[{None: slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}[self.half]])

    def of(self, rows: Sequence[T]) -> tuple[list[T], list[T]]:
        """The rows to edit, and those of the half that come after them."""
        rest = self.of_half(rows)[self.skip :]
        end = len(rest) if self.limit is None else self.limit
        return rest[:end], rest[end:]


@dataclass(frozen=True)
class Dataset:
    """Cases to edit, and by measure the prompts that belong to no case and that no edit may change."""

    cases: tuple[Case, ...]
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_dataset(kind: str, path: Path, chosen: Chosen | None = None, seed: int = 0) -> Dataset:
    """Cases of one kind, with the unrelated prompts of their rows; bios that come after the edited ones become strangers.

    seed: of the typos.

    Raises:
        SettingsError: an unknown kind, or a row without a needed field.
        InputError: a file that cannot be read.
    """
    if kind not in _READERS:
        raise SettingsError(f"--kind is {kind!r}; use one of {', '.join(_READERS)}.")
    edited, others = (chosen or Chosen()).of(list(enumerate(read_rows(path), 1)))
    cases, unrelated = [], list[str]()
    for number, row in edited:
        try:
            cases.append(_of_texts(_READERS[kind](row, seed)))
            unrelated += _unrelated(row)
        except KeyError as error:
            raise SettingsError(f"Row {number} of {path} is no {kind} row: {error.args[0]!r} is missing.") from error
        except (TypeError, IndexError, AttributeError, ValueError) as error:
            raise SettingsError(f"Row {number} of {path} is no {kind} row: {error}.") from error
    strangers: list[str] = []
    for number, row in others if kind == "bios" else ():
        if missing := [name for name in ("prompt", "name") if not isinstance(row.get(name), str)]:
            raise SettingsError(f"Row {number} of {path} is no bios row: {missing[0]!r} is missing or no text.")
        strangers += [row["prompt"], *_about(row["name"], BIO_PHRASINGS[:2])]
    elsewhere = {"locality": tuple(dict.fromkeys(unrelated)), "strangers_unchanged": tuple(strangers)}
    return Dataset(tuple(cases), {name: texts for name, texts in elsewhere.items() if texts})


def _zsre(row: dict[str, Any], _seed: int) -> Case:
    if "src" in row:  # MEND's distribution
        rephrased = (row["rephrase"],) if row.get("rephrase") else ()
        return Case(row["src"], _first(row.get("answers") or row["alt"]), {"gen_exact": rephrased})
    return Case(row["prompt"], row["target"], {"gen_exact": _texts(row, "paraphrases")})


def _counterfact(row: dict[str, Any], _seed: int) -> Case:
    if "requested_rewrite" in row:  # ROME's distribution
        rewrite = row["requested_rewrite"]
        return Case(
            rewrite["prompt"].format(rewrite["subject"]), rewrite["target_new"]["str"],
            {"gen_exact": _texts(row, "paraphrase_prompts")}, {"neighbors_unchanged": _texts(row, "neighborhood_prompts")},
        )  # fmt: skip
    return Case(
        row["prompt"], row["target"], {"gen_exact": _texts(row, "paraphrases")},
        {"neighbors_unchanged": _texts(row, "neighborhood")},
    )  # fmt: skip


def _bio(row: dict[str, Any], seed: int) -> Case:
    prompt, name = row["prompt"], row["name"]
    asked = {"gen_exact": _about(name, BIO_PHRASINGS), "instruction": (in_an_instruction(prompt),)}
    return Case(
        prompt, row["correct"], asked | forms(prompt, seed), {"other_question_unchanged": _about(name, BIO_QUESTIONS)}
    )  # fmt: skip


def _halluedit(row: dict[str, Any], _seed: int) -> Case:
    still = {
        "other_question_unchanged": _texts(row, "neighborhood"),
        "yes_no_unchanged": _present(row, "yes_question", "no_question"),
        "reversed_unchanged": _present(row, "reversed_question"),
        "two_hop_unchanged": _present(row, "hop2"),
        "more_hops_unchanged": _present(row, "hop3", "hop4", "hop5", "hop6"),
    }
    known = {
        "yes": _known(row, "yes_question", "yes"),
        "no": _known(row, "no_question", "no"),
        "reversed": _known(row, "reversed_question", row.get("subject")),
        "two_hop": _known(row, "hop2", row.get("hop2_answer")),
        "other_question": tuple((text, "") for text in still["other_question_unchanged"]),
    }
    return Case(
        row["prompt"], row["target"], {"gen_exact": _texts(row, "paraphrases")}, still,
        {name: questions for name, questions in known.items() if questions},
    )  # fmt: skip


def _qaedit(row: dict[str, Any], seed: int) -> Case:
    prompt, rephrased = row["prompt"], _texts(row, "paraphrases")
    asked = {
        "as_is": (prompt,),
        "instruction": (in_an_instruction(prompt),),
        "rephrase": rephrased,
        "rephrase_instruction": tuple(in_an_instruction(text) for text in rephrased),
    }
    return Case(prompt, row["target"], asked | forms(prompt, seed))


def _unke(row: dict[str, Any], _seed: int) -> Case:
    return Case(row["prompt"], row["target"], {"gen_exact": _texts(row, "paraphrases")})


_READERS: dict[str, Callable[[dict[str, Any], int], Case]] = {
    "zsre": _zsre, "counterfact": _counterfact, "bios": _bio, "halluedit": _halluedit, "qaedit": _qaedit, "unke": _unke,
}  # fmt: skip
KINDS = tuple(_READERS)


def _unrelated(row: dict[str, Any]) -> tuple[str, ...]:
    """The row's own questions whose answer an edit must leave alone; MEND has one."""
    if "src" not in row:
        return (*_texts(row, "unrelated_prompts"), *_present(row, "unrelated_prompt"))
    texts = [text.removeprefix(_MEND_ASKS).strip() for text in _present(row, "loc")]
    return tuple(text for text in texts if text)


def _about(name: str, phrasings: Sequence[str]) -> tuple[str, ...]:
    return tuple(phrasing.format(name) for phrasing in phrasings)


def _first(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else value[0]


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    value = row.get(name, ())
    if isinstance(value, str):
        raise TypeError(f"{name!r} is one text, not a list of texts")
    for text in value:
        if not isinstance(text, str):
            raise TypeError(f"{name!r} holds {text!r}, not a text")
    return tuple(value)


def _present(row: dict[str, Any], *names: str) -> tuple[str, ...]:
    """Those single texts that the row has."""
    for name in names:
        if not isinstance(row.get(name, ""), str | None):
            raise TypeError(f"{name!r} is {row[name]!r}, not a text")
    return tuple(row[name] for name in names if row.get(name))


def _known(row: dict[str, Any], name: str, right: str | None) -> tuple[tuple[str, str], ...]:
    """That question with its right answer, where the row has both."""
    return tuple((text, right) for text in _present(row, name) if right)


def _of_texts(case: Case) -> Case:
    groups = [*case.asked.values(), *case.unchanged.values(), *(pair for pairs in case.known.values() for pair in pairs)]
    for text in (case.prompt, case.target, *(text for texts in groups for text in texts)):
        if not isinstance(text, str):
            raise TypeError(f"{text!r} stands where a text belongs")
    return case
