"""How many phrasings an ε reaches and how many strangers it touches, from activations that were read once. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.codebook import Codebook, Match
from grace_core.codebook.geometry import Matrix
from grace_core.measuring.what_if import Moment, changed_codebook, present_radii, served

CURVE_POINTS = 60
MOST_STRANGERS = 2000
"""More would make the curves slow to draw: each is matched."""


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Prompts of which it is known whether an edit should answer them; activations are pooled, before encoding.

    phrasings: texts that mean what an edit's prompt means, with that edit's id. unrelated: texts that no edit should touch.
    given, marked: how many phrasings came with the edits, and how many are logged answers that a reviewer marked fine.
    background, strangers: how many of `unrelated` are background prompts, and how many are edited prompts about others.
    query_space_id: of the one that they were read in; in another one they say nothing.
    """

    phrasings: tuple[tuple[str, str], ...]
    unrelated: tuple[str, ...]
    phrasing_activations: Matrix = field(repr=False)
    unrelated_activations: Matrix = field(repr=False)
    given: int
    marked: int
    background: int
    query_space_id: str = ""
    strangers: int = 0


@dataclass(frozen=True, eq=False)
class Curves:
    """Shares against the ε that is asked for, each from 0 to 1. `reached` is None where no phrasing is known.

    uncapped_reached, uncapped_touched: what they would be if each key got what is asked for, whatever is near.
    radii: least, median and greatest of what the keys have at present. now: (reached, touched) with these.
    """

    epsilons: NDArray[np.float64]
    reached: NDArray[np.float64] | None
    touched: NDArray[np.float64] | None
    uncapped_reached: NDArray[np.float64] | None
    uncapped_touched: NDArray[np.float64] | None
    radii: tuple[float, float, float]
    now: tuple[float | None, float | None]
    edit_id: str | None
    phrasings: int
    unrelated: int


def curves(codebook: Codebook, yardstick: Yardstick, edit_id: str | None, end: float) -> Curves:
    """How many phrasings one key, or (None) any, reaches and how many unrelated prompts it touches, for each ε up to `end`.

    Raises:
        InputError: an edit without a key.
    """
    ids = set(served(codebook, edit_id))
    rows = [i for i, (_, owner) in enumerate(yardstick.phrasings) if owner in ids]
    owners = [yardstick.phrasings[i][1] for i in rows]
    phrased = codebook.encoder(yardstick.phrasing_activations[rows])
    strange = codebook.encoder(yardstick.unrelated_activations)
    vectors = np.concatenate([phrased, strange])
    matches = codebook.match(vectors)
    epsilons = np.linspace(end / CURVE_POINTS, end, CURVE_POINTS)

    def shares(after: Codebook) -> tuple[float, float]:
        then = after.match_again(vectors, codebook, matches)
        reached = sum(_by(match, owner) for match, owner in zip(then, owners, strict=False))
        touched = sum(match.matched and (edit_id is None or _by(match, *ids)) for match in then[len(owners) :])
        return reached / max(1, len(owners)), touched / max(1, len(strange))

    found = np.array([shares(changed_codebook(codebook, float(epsilon), edit_id)) for epsilon in epsilons])
    now = shares(codebook)
    some, others = bool(owners), len(strange) > 0
    apart = np.array([math.inf if match.distance is None else match.distance for match in matches])
    entries = [match.entry for match in matches]
    right = [entry is not None and owner in entry.edit_ids for entry, owner in zip(entries, owners, strict=False)]
    ours = [entry is not None and (edit_id is None or bool(ids & set(entry.edit_ids))) for entry in entries[len(owners) :]]
    about = _about_its_subject(codebook, vectors, matches)
    inside = (apart <= epsilons[:, None]) & np.array([*right, *ours], dtype=bool) & about
    return Curves(
        epsilons, found[:, 0] if some else None, found[:, 1] if others else None,
        inside[:, : len(owners)].mean(axis=1) if some else None, inside[:, len(owners) :].mean(axis=1) if others else None,
        present_radii(codebook, edit_id), (now[0] if some else None, now[1] if others else None),
        edit_id, len(owners), len(strange),
    )  # fmt: skip


def _about_its_subject(codebook: Codebook, vectors: Matrix, matches: Sequence[Match]) -> NDArray[np.bool_]:
    """(queries,) whether each is as near to its nearest key's subject as the key's own edit asks for, whatever ε is."""
    asked = {edit.edit_id: edit.subject_epsilon for edit in codebook.edits}
    return np.array(
        [
            match.entry is None
            or (end := asked[match.entry.edit_id]) is None
            or (parts := codebook.parts(vector, match.entry)) is None
            or parts.subject <= end
            for vector, match in zip(vectors, matches, strict=True)
        ],
        dtype=bool,
    )


def _by(match: Match, *edit_ids: str) -> bool:
    """Whether one of these edits' keys answers."""
    return match.matched and match.entry is not None and any(edit_id in match.entry.edit_ids for edit_id in edit_ids)


def known_phrasings(view: Moment) -> tuple[tuple[tuple[str, str], ...], int]:
    """Texts that an edit should answer, each with the edit's id, and how many of them came with the edits.

    Those given with the edits; and logged answers by an edit that a reviewer marked fine.
    """
    in_force = [edit for edit in view.codebook.edits if view.codebook.entry_of(edit.edit_id) is not None]
    own = {edit.prompt for edit in in_force}
    given = [(text, edit.edit_id) for edit in in_force for text in edit.paraphrases if text not in own]
    ids = {edit.edit_id for edit in in_force}
    marked = [(q.prompt, q.edit_id) for q in view.queries if q.fine and q.edit_id in ids and q.prompt not in own]
    found = tuple(dict.fromkeys([*given, *marked]))
    return found, len(dict.fromkeys(given))


def asked_phrasings(view: Moment) -> dict[str, tuple[str, ...]]:
    """Logged prompts that an edit in force answered when they were asked, by its id; those marked fine first.

    Not those with whose answer a reviewer found fault: the edit should perhaps not have answered them.
    """
    found: dict[str, dict[str, None]] = {}
    for query in sorted(view.queries, key=lambda query: not query.fine):
        if query.edit_id is not None and not query.faulted and view.codebook.entry_of(query.edit_id) is not None:
            found.setdefault(query.edit_id, {})[query.prompt] = None
    return {edit_id: tuple(prompts) for edit_id, prompts in found.items()}


def known_unrelated(view: Moment, background: Sequence[str], strangers: Sequence[str] = ()) -> tuple[str, ...]:
    """Texts that no edit should touch: the background, edited prompts about others (`strangers`, at most 2,000 of them,
    evenly chosen), and logged answers of the model itself that were marked fine.
    """
    own = {edit.prompt for edit in view.codebook.edits}
    fine = [query.prompt for query in view.queries if query.fine and query.edit_id is None]
    some = list(dict.fromkeys(strangers))
    some = some[:: -(-len(some) // MOST_STRANGERS)] if some else []
    return tuple(text for text in dict.fromkeys([*background, *some, *fine]) if text not in own)
