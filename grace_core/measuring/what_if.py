"""What another ε would do, from what is stored: which logged queries would be answered otherwise, and what caps a radius.

Pure; no model runs. The prediction is made by the codebook itself: a new one is folded from the edits with the changed
ε and asked for its matches, as it would be after applying.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.codebook import Codebook, Edit, Entry, Match, Parts
from grace_core.codebook.geometry import Matrix, pair_distances
from grace_core.config import FURTHEST
from grace_core.errors import InputError

AnswerChange = Literal["gained", "lost", "switched"]
CapKind = Literal["rival", "serves", "rule", "siblings"]
Part = Literal["subject", "question"]
_NO_KEY = "No edit is in force, so there is no ε to change; make an edit on the Review page first."


@dataclass(frozen=True)
class LoggedQuery:
    """One logged prompt. edit_id: the edit that answered then.

    fine: a reviewer found the answer fine, and nothing else. faulted: a reviewer found fault with it.
    """

    query_id: str
    prompt: str
    text: str
    edit_id: str | None
    fine: bool = False
    faulted: bool = False


@dataclass(frozen=True, eq=False)
class Moment:
    """One moment: a codebook, all logged queries, their vectors (queries, dimensions) and what the codebook says of each.

    query_space_id: of the one that the vectors are of.
    """

    codebook: Codebook
    queries: tuple[LoggedQuery, ...]
    vectors: Matrix = field(repr=False)
    matches: tuple[Match, ...] = field(repr=False)
    revision: int
    query_space_id: str = ""


@dataclass(frozen=True)
class ChangedAnswer:
    """A logged query and what answers it now and would then: an edit with its target, or (None, None) the model itself.

    distance: to the nearest key then; parts: of it. epsilon_before, epsilon_after: that of the nearest key now and then.
    """

    query: LoggedQuery
    kind: AnswerChange
    before: str | None
    target_before: str | None
    after: str | None
    target_after: str | None
    distance: float
    epsilon_before: float
    epsilon_after: float
    parts: Parts | None = None


@dataclass(frozen=True)
class Cap:
    """A key that would not get what is asked for, or (part) with two keys one part of it: where that part ends.

    rival: a `share` of the way to the nearest edited query with another target (`other_id`, at `distance`) is less.
    serves: it answers another edit (`other_id`, at `distance`), which needs more. rule: the order of the published rule.
    siblings: of the subject's part, the same question about others is near; no ε moves that.
    """

    kind: CapKind
    edit_id: str
    prompt: str
    asked: float
    epsilon: float
    other_id: str | None
    other_prompt: str
    distance: float | None
    share: float = 0.5
    part: Part | None = None


@dataclass(frozen=True)
class WhatIf:
    """The effect of one ε. `after` is the codebook as it would be; `changed` is sorted by kind, nearest first.

    moved: keys whose radius would be another one. caps: keys that get less or more than is asked for, tightest first.
    spared: with two keys, keys whose subject's part ends before their ε since the same question about others is near.
    lifted: keys that asked for less than new edits do, mostly since prompts about others were near, and now for more.
    room: for a single key, how far it could grow (None: without limit, or several keys).
    keys: how many it is about. beyond: queries within this ε of a nearest key among them whose cap keeps them out.
    others: those that are within their nearest key's ε, but whose subject is too far for it.
    """

    epsilon: float
    after: Codebook
    changed: tuple[ChangedAnswer, ...]
    queries: int
    moved: int
    caps: tuple[Cap, ...]
    room: Cap | None
    lifted: int = 0
    keys: int = 0
    beyond: tuple[LoggedQuery, ...] = ()
    others: tuple[LoggedQuery, ...] = ()
    spared: int = 0

    @property
    def ceiling(self) -> float | None:
        """The largest radius that any of these keys can have; None where one of them is not capped at this ε."""
        caps = [cap.epsilon for cap in self.caps if cap.part != "subject"]
        return max(caps) if self.keys and len(caps) == self.keys else None

    @property
    def counts(self) -> dict[AnswerChange, int]:
        """How many answers would be gained by an edit, lost to the model, or switch to another edit."""
        found = Counter(change.kind for change in self.changed)
        return {"gained": found["gained"], "lost": found["lost"], "switched": found["switched"]}


def served(codebook: Codebook, edit_id: str | None) -> tuple[str, ...]:
    """The edits whose ε a choice is about: those that the edit's key serves, or (None) all.

    Raises:
        InputError: an edit without a key.
    """
    if edit_id is None:
        return tuple(edit.edit_id for edit in codebook.edits)
    entry = codebook.entry_of(edit_id)
    if entry is None:
        raise InputError("This edit has no key in force (it is undone, or a later edit replaced it); choose another one.")
    return entry.edit_ids


def changed_codebook(codebook: Codebook, epsilon: float, edit_id: str | None) -> Codebook:
    """The codebook in which one key, or (None) all, ask for another radius."""
    return codebook.with_epsilons(dict.fromkeys(served(codebook, edit_id), epsilon))


def what_if(view: Moment, epsilon: float, edit_id: str | None) -> WhatIf:
    """What would change if one key, or (None) all, asked for this radius.

    Raises:
        InputError: an edit without a key, or an impossible radius.
    """
    before, after = view.codebook, changed_codebook(view.codebook, epsilon, edit_id)
    then = after.match_again(view.vectors, before, view.matches)
    changed = changed_answers(view.queries, view.matches, then, after, view.vectors)
    old = {entry.edit_id: entry.epsilon for entry in before.entries}
    moved = sum(old.get(entry.edit_id) != entry.epsilon for entry in after.entries)
    asked = set(served(before, edit_id))
    touched = [entry for entry in after.entries if asked & set(entry.edit_ids)]
    edits = {edit.edit_id: edit for edit in after.edits}
    ends = [(cap_of(after, entry, edits), subject_cap(after, entry, edits)) for entry in touched]
    caps = sorted(
        (cap for both in ends for cap in both if cap is not None and cap.kind != "siblings"), key=lambda cap: cap.epsilon
    )
    room = _rival(after, touched[0], edits) if edit_id is not None and len(touched) == 1 else None
    wanted = {edit.edit_id: edit.epsilon for edit in before.edits}
    lifted = sum(wanted[entry.edit_id] < min(epsilon, before.config.epsilon) for entry in touched)
    ids = {entry.edit_id for entry in touched}
    near = [
        (query, match.distance or 0.0, match.entry.epsilon)
        for query, match in zip(view.queries, then, strict=True)
        if not match.matched and match.entry is not None and match.entry.edit_id in ids
    ]
    beyond = tuple(query for query, distance, radius in near if radius < distance <= epsilon)
    others = tuple(query for query, distance, radius in near if distance <= radius)
    spared = sum(cap is not None and cap.kind == "siblings" for _, cap in ends)
    return WhatIf(
        epsilon, after, changed, len(view.queries), moved, tuple(caps), room, lifted, len(touched), beyond, others, spared
    )  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """At which ε a logged query's nearest key begins to answer it, and which one would turn that round.

    edit_id, prompt, epsilon: of the nearest key. distance: to it; parts: of that. answered: it answers now.
    other: an ε for that key with which it would be otherwise; None where no ε does that.
    end: what keeps it out whatever ε the key asks for, where that is known.
    """

    query: LoggedQuery
    edit_id: str
    prompt: str
    epsilon: float
    distance: float
    answered: bool
    other: float | None
    parts: Parts | None = None
    end: Cap | None = None


def turn_of(view: Moment, query_id: str) -> Turn | None:
    """Which ε would have changed the answer to a logged query; None: there is no key, or no such query."""
    row = next((i for i, query in enumerate(view.queries) if query.query_id == query_id), None)
    if row is None or view.matches[row].entry is None:
        return None
    query, match = view.queries[row], view.matches[row]
    entry, distance = match.entry, match.distance
    assert entry is not None
    assert distance is not None
    parts = view.codebook.parts(view.vectors[row], entry)
    step = slider_step(slider_end(view.codebook))
    steps = math.ceil(distance / step - 1e-9) + (-1 if match.matched else 0)
    wanted = round(steps * step, 6)
    found = what_if(view, wanted, entry.edit_id) if 0 < wanted < FURTHEST[view.codebook.config.distance] else None
    other = wanted if found is not None and query in (one.query for one in found.changed) else None
    end = None
    if other is None and not match.matched and found is not None:
        end = _kept_out_by(found.after, entry.edit_id, parts)
    return Turn(query, entry.edit_id, entry.prompt, float(entry.epsilon), distance, match.matched, other, parts, end)


def _kept_out_by(after: Codebook, edit_id: str, parts: Parts | None) -> Cap | None:
    """What ends the part of a key that a query is too far in, though the key asks for enough."""
    entry = after.entry_of(edit_id)
    assert entry is not None
    edits = {edit.edit_id: edit for edit in after.edits}
    if parts is not None and parts.question <= entry.epsilon and (found := subject_cap(after, entry, edits)) is not None:
        return found
    return cap_of(after, entry, edits)


def changed_answers(
    queries: Sequence[LoggedQuery], now: Sequence[Match], then: Sequence[Match], after: Codebook,
    vectors: Iterable[NDArray[np.float32]],
) -> tuple[ChangedAnswer, ...]:  # fmt: skip
    """The queries that get another answer, from what one codebook and another one say of each; by kind, nearest first.

    after, vectors: the other one, and the queries in its space.
    """
    found = [
        _changed(query, one, other, after, vector)
        for query, one, other, vector in zip(queries, now, then, vectors, strict=True)
        if not same_answer(one, other)
    ]
    order = {"gained": 0, "switched": 1, "lost": 2}
    return tuple(sorted(found, key=lambda change: (order[change.kind], change.distance)))


def same_answer(one: Match, other: Match) -> bool:
    """Whether the model would say the same: it answers itself both times, or the very same value is put in."""
    if not one.matched or not other.matched or one.entry is None or other.entry is None:
        return one.matched == other.matched
    a, b = one.entry, other.entry
    return a.target_ids == b.target_ids and (a.value is b.value or a.value.tobytes() == b.value.tobytes())


def _changed(query: LoggedQuery, now: Match, then: Match, after: Codebook, vector: NDArray[np.float32]) -> ChangedAnswer:
    kind: AnswerChange = "switched" if now.matched and then.matched else "gained" if then.matched else "lost"
    # With edits in force there is always a nearest key, and without any no answer can change.
    assert now.entry is not None
    assert then.entry is not None
    assert then.distance is not None
    return ChangedAnswer(
        query, kind,
        now.edit_id, now.entry.target if now.matched else None,
        then.edit_id, then.entry.target if then.matched else None,
        then.distance, float(now.entry.epsilon), float(then.entry.epsilon), after.parts(vector, then.entry),
    )  # fmt: skip


def cap_of(codebook: Codebook, entry: Entry, edits: Mapping[str, Edit]) -> Cap | None:
    """Why a key gets another ε than it asks for; None where it does not."""
    asked = edits[entry.edit_id].epsilon
    if entry.epsilon == asked:
        return None
    return _serving(codebook, entry, edits) if entry.epsilon > asked else _rival(codebook, entry, edits)


def subject_cap(codebook: Codebook, entry: Entry, edits: Mapping[str, Edit]) -> Cap | None:
    """With two keys, what ends the subject's part of a key before its ε does; None where nothing does."""
    if entry.subject_epsilon is None or entry.subject_epsilon >= entry.epsilon:
        return None
    asked, end = edits[entry.edit_id], entry.subject_epsilon
    rival = codebook.rival_of(entry.edit_id, "subject")
    if rival is not None and rival.cap <= end:
        other = edits[rival.edit_id]
        return Cap(
            "rival", entry.edit_id, entry.prompt, asked.epsilon, end, other.edit_id, other.prompt, rival.distance, rival.share,
            "subject",
        )  # fmt: skip
    return Cap("siblings", entry.edit_id, entry.prompt, asked.epsilon, end, None, "", None, part="subject")


def _rival(codebook: Codebook, entry: Entry, edits: Mapping[str, Edit]) -> Cap | None:
    rival = codebook.rival_of(entry.edit_id)
    if rival is None:
        return None
    kind: CapKind = "rule" if codebook.config.rule == "published" else "rival"
    other, asked = edits[rival.edit_id], edits[entry.edit_id].epsilon
    part: Part | None = "question" if codebook.config.distance == "two_keys" else None
    return Cap(
        kind, entry.edit_id, entry.prompt, asked, float(entry.epsilon), other.edit_id, other.prompt, rival.distance, rival.share,
        part,
    )  # fmt: skip


def _serving(codebook: Codebook, entry: Entry, edits: Mapping[str, Edit]) -> Cap:
    guests = [edits[edit_id] for edit_id in entry.edit_ids[1:]]
    queries = codebook.encoder(np.stack([edit.activation for edit in guests]))
    distances = pair_distances(entry.key, queries, codebook.config.distance)
    furthest = int(np.argmax(distances))
    other, apart, asked = guests[furthest], float(distances[furthest]), edits[entry.edit_id].epsilon
    return Cap("serves", entry.edit_id, entry.prompt, asked, float(entry.epsilon), other.edit_id, other.prompt, apart)


def asked_epsilon(codebook: Codebook, edit_id: str | None) -> tuple[float, float, float]:
    """Least, median and greatest ε that the chosen key, or (None) all edits in force, ask for.

    Raises:
        InputError: no edit, or one without a key.
    """
    if edit_id is not None:
        entry = codebook.entry_of(edit_id)
        wanted = {edit.edit_id: edit.epsilon for edit in codebook.edits}
        asked = [wanted[served(codebook, edit_id)[0]]] if entry is not None else []
    else:
        asked = [edit.epsilon for edit in codebook.edits if codebook.entry_of(edit.edit_id) is not None]
    if not asked:
        raise InputError(_NO_KEY)
    return float(min(asked)), float(np.median(asked)), float(max(asked))


def present_radii(codebook: Codebook, edit_id: str | None) -> tuple[float, float, float]:
    """Least, median and greatest ε that the chosen key, or (None) all keys in force, really have.

    Raises:
        InputError: no edit, or one without a key.
    """
    ids = set(served(codebook, edit_id))
    radii = [float(entry.epsilon) for entry in codebook.entries if ids & set(entry.edit_ids)]
    if not radii:
        raise InputError(_NO_KEY)
    return min(radii), float(np.median(radii)), max(radii)


def slider_step(end: float) -> float:
    """How finely an ε up to `end` is tried: in thousands, on a round number."""
    return float(10.0 ** (math.floor(math.log10(end)) - 3))


def slider_end(codebook: Codebook) -> float:
    """Up to which ε a choice makes sense: past what is asked for now and past the unrelated, on a round number."""
    largest = max((edit.epsilon for edit in codebook.edits), default=codebook.config.epsilon)
    wanted = 1.3 * max(largest, codebook.config.epsilon)
    if codebook.config.distance == "cosine":
        return round(min(1.9, max(1.0, wanted)), 2)
    if codebook.config.distance == "two_keys":
        return round(min(3.9, max(2.0, wanted)), 2)
    if codebook.encoder.background is not None:  # whitened: unit length, unrelated at 1.41
        return round(max(1.5, wanted), 2)
    entries = codebook.entries
    if len(entries) > 1:
        some = codebook.keys[:: max(1, len(entries) // 64)]
        apart = np.concatenate([pair_distances(key, some, codebook.config.distance) for key in some])
        wanted = max(wanted, float(np.median(apart[apart > 0], axis=None)) if (apart > 0).any() else 0.0)
    step = 10.0 ** np.floor(np.log10(wanted))
    return float(np.ceil(wanted / step) * step)
