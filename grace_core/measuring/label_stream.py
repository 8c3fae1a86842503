"""A stream of texts whose labels change half way: a classifier is edited where it is wrong, and what came of it is counted.

As published for flipped labels (Hartvigsen et al. 2023): batches of one, an edit only on an error, and now and then a look at
all edits so far, at unseen texts whose label changed and at unseen texts whose label did not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grace_core.answering.generate import decode
from grace_core.codebook.codebook import Codebook
from grace_core.editing.editor import Editor
from grace_core.errors import InputError
from grace_core.models.activations import stop_if
from grace_core.models.language_model import LanguageModel

_ASKED_AT_ONCE = 32


@dataclass(frozen=True)
class Labelled:
    """A text and the label that it should be given."""

    text: str
    label: str


@dataclass(frozen=True)
class Stream:
    """What is asked, in order, and the unseen texts that are looked at.

    before, after: the stream's two halves; in the second one some labels are other ones. changed: unseen texts of labels that
    change, with the new ones. kept: unseen texts of all others.
    """

    before: tuple[Labelled, ...]
    after: tuple[Labelled, ...]
    changed: tuple[Labelled, ...]
    kept: tuple[Labelled, ...]
    new_label: Mapping[str, str]


@dataclass(frozen=True)
class Look:
    """The state after so many texts. All shares are of right answers.

    past: of the edited texts, by the label that each was edited to last (the paper's ERR). changed, kept: of the unseen texts
    (kept is the paper's TRR). failed: edits that did not take. seconds: of all edits.
    """

    asked: int
    edits: int
    keys: int
    past: float | None
    changed: float
    kept: float
    failed: int
    seconds: float


def make_stream(train: Sequence[Labelled], test: Sequence[Labelled], *, labels: int, each: int, seed: int = 0) -> Stream:
    """A stream of `each` texts a label, in which so many labels are exchanged half way, each for the next one's.

    Raises:
        InputError: fewer than two labels to exchange, or more than there are; a label with fewer texts than are asked.
    """
    every = sorted({row.label for row in train})
    if not 2 <= labels <= len(every):
        raise InputError(f"{labels} labels are to change; give from 2 to {len(every)}, as many as the data has.")
    few = min(every, key=lambda label: sum(row.label == label for row in train))
    most = sum(row.label == few for row in train)
    if not 1 <= each <= most:
        raise InputError(f"{each} texts of each label are to be asked; the label {few!r} has {most}. Give from 1 to {most}.")
    rng = random.Random(seed)
    chosen = rng.sample(every, labels)
    new_label = dict(zip(chosen, [*chosen[1:], chosen[0]], strict=True))
    rows = [row for label in every for row in rng.sample([r for r in train if r.label == label], each)]
    rng.shuffle(rows)
    half = len(rows) // 2

    def now(row: Labelled) -> Labelled:
        return Labelled(row.text, new_label.get(row.label, row.label))

    return Stream(
        tuple(rows[:half]), tuple(map(now, rows[half:])), tuple(now(row) for row in test if row.label in new_label),
        tuple(row for row in test if row.label not in new_label), new_label,
    )  # fmt: skip


def run_labels(
    model: LanguageModel,
    codebook: Codebook,
    stream: Stream,
    *,
    every: int = 50,
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Codebook, tuple[Look, ...]]:
    """Ask the stream, edit on errors alone, and look before the change, after every so many edits and in the end.

    Raises:
        Cancelled: as soon as `cancelled` says so.
    """
    editor, looks, past = Editor(model), [], dict[str, str]()
    edits = failed = 0
    spent, looked_at = 0.0, -1

    def look(asked: int) -> Look:
        given = [Labelled(text, label) for text, label in past.items()]
        return Look(
            asked, edits, len(codebook), _right(model, codebook, given) if given else None,
            _right(model, codebook, stream.changed), _right(model, codebook, stream.kept), failed, spent,
        )  # fmt: skip

    rows = (*stream.before, *stream.after)
    for at, row in enumerate(rows):
        stop_if(cancelled)
        progress(f"{edits} edits, {len(codebook)} keys", at / len(rows))
        if at == len(stream.before) or (edits % every == 0 and edits != looked_at):
            looks.append(look(at))
            looked_at = edits
        (said,) = decode(model, codebook, [model.prompt(row.text)], 1)
        if said.text == row.label:
            continue
        started = time.perf_counter()
        result = editor.edit(codebook, row.text, row.label, text_before=said.text, cancelled=cancelled)
        spent += time.perf_counter() - started
        codebook, edits, failed = result.codebook, edits + result.success, failed + (not result.success)
        if result.success:
            past[row.text] = row.label
    looks.append(look(len(rows)))
    return codebook, tuple(looks)


def _right(model: LanguageModel, codebook: Codebook, rows: Sequence[Labelled]) -> float:
    """The share of texts that get their label."""
    right = 0
    for start in range(0, len(rows), _ASKED_AT_ONCE):
        some = rows[start : start + _ASKED_AT_ONCE]
        found = decode(model, codebook, [model.prompt(row.text) for row in some], 1)
        right += sum(answer.text == row.label for answer, row in zip(found, some, strict=True))
    return right / max(1, len(rows))
