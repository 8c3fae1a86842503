"""The codebook: edits in, entries out, and which entry answers a query; immutable, knows no model.

A codebook is a fold over edits. It holds the edits that are in force, in the order in which they were made, and
derives its entries from them, so that withdrawing an edit gives, bit for bit, the codebook that never saw it. Every
change returns a new codebook; the old one stays valid, which is what lets a running generation keep reading it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.encoder import Encoder, Reader
from grace_core.codebook.geometry import (
    Ball,
    Limits,
    Matrix,
    Measure,
    Point,
    limits,
    nearest_of_each,
    separated,
    taken_over,
    two_distances,
    updated_limits,
    way,
)
from grace_core.codebook.published import PublishedKeys, published
from grace_core.codebook.search import Find, finder
from grace_core.codebook.template import Template
from grace_core.config import BEYOND, FURTHEST, GraceConfig
from grace_core.errors import InputError

# From so many queries on, one product for all of them is faster than one each. An answer asks for few at a time, and numpy's
# threads, which such a product wakes, would slow the model (`search`).
_MANY = 64
# Where more than one in so many keys is new, everything is matched anew.
_SOME = 8


@dataclass(frozen=True, eq=False)
class Edit:
    """One correction with all that a fold needs, so that no fold ever trains.

    activation: (width,) float32, the prompt's pooled hidden states before encoding; with a learned encoder the query itself.
    value: (positions, width) float32, works for this prompt by itself.
    epsilon: the radius it asks for; the one it gets is its entry's.
    subject_epsilon: with two keys, how far the subject's part may be at most; None: as far as the radius.
    """

    edit_id: str
    prompt: str
    target: str
    target_ids: tuple[int, ...]
    activation: NDArray[np.float32] = field(repr=False)
    value: NDArray[np.float32] = field(repr=False)
    epsilon: float
    paraphrases: tuple[str, ...] = ()
    subject_epsilon: float | None = None

    @cached_property
    def address(self) -> bytes:
        """Equal for equal activations, bit for bit."""
        return blake2b(self.activation.tobytes(), digest_size=16).digest()

    @cached_property
    def lesson(self) -> tuple[tuple[int, ...], bytes]:
        """Equal for edits with the same target and the very same value."""
        return self.target_ids, blake2b(self.value.tobytes(), digest_size=16).digest()

    def with_epsilon(self, epsilon: float) -> Edit:
        """The same edit asking for another radius."""
        changed = replace(self, epsilon=epsilon)
        changed.__dict__.update({name: self.__dict__[name] for name in ("address", "lesson") if name in self.__dict__})
        return changed


@dataclass(frozen=True, eq=False)
class Entry:
    """A key in force. `edit_ids` are the edits that it serves; the first one owns it and gave it key and value.

    key: (dimensions,) float32, an encoded query. value: (positions, width) float32. epsilon: in the codebook's distance.
    subject_epsilon: with two keys, how far the subject's part may be at most; None: as far as the radius.
    """

    edit_ids: tuple[str, ...]
    prompt: str
    target: str
    target_ids: tuple[int, ...]
    key: NDArray[np.float32] = field(repr=False)
    value: NDArray[np.float32] = field(repr=False)
    epsilon: float
    subject_epsilon: float | None = None

    def reaches(self, query: NDArray[np.float32], distance: float) -> bool:
        """Whether a query (dimensions,) at this distance is within its radius, and within the subject's where it has one."""
        if distance > self.epsilon:
            return False
        return self.subject_epsilon is None or bool(two_distances(query, self.key[None])[0, 0] <= self.subject_epsilon)

    @property
    def subject_end(self) -> float:
        """With two keys, how far the subject's part may really be; the question's may be as far as the radius."""
        return self.epsilon if self.subject_epsilon is None else min(self.subject_epsilon, self.epsilon)

    @property
    def edit_id(self) -> str:
        """The edit that owns this key."""
        return self.edit_ids[0]


@dataclass(frozen=True)
class Match:
    """What a codebook says of one query. `entry` is the nearest one whether it matched or not (None: no entry at all)."""

    entry: Entry | None
    distance: float | None
    matched: bool

    @property
    def edit_id(self) -> str | None:
        """The edit whose value answers, or None where the query is deferred to the model."""
        return self.entry.edit_id if self.entry is not None and self.matched else None


@dataclass(frozen=True)
class Parts:
    """The two parts of the distance `two_keys`, which is the larger of them."""

    subject: float
    question: float

    def __str__(self) -> str:
        return f"subject {self.subject:.2f}, question {self.question:.2f}"


@dataclass(frozen=True)
class Rival:
    """The nearest edited query with another target, and how far from a key it is: a share of that caps the key's ε.

    With two keys, of those whose question is the further part: the others end the subject's part alone.
    share: see `geometry.way`.
    """

    edit_id: str
    distance: float
    share: float = 0.5

    @property
    def cap(self) -> float:
        """The largest radius that it leaves."""
        return self.distance * self.share


@dataclass(frozen=True, eq=False)
class _Fold:
    """What is derived from the edits, kept so that the next codebook need not start anew."""

    points: tuple[Edit, ...]
    queries: Matrix
    groups: NDArray[np.int64]
    limits: Limits | None
    subjects: Limits | None
    published: PublishedKeys | None
    entries: tuple[Entry, ...]
    keys: Matrix


class Codebook:
    """All edits of one model at one key layer and one value layer, and the entries that follow from them."""

    def __init__(
        self, config: GraceConfig, encoder: Encoder, edits: Sequence[Edit] = (), *, fingerprint: str = "",
        template: Template | None = None,
    ) -> None:  # fmt: skip
        """Fold `edits`, given in the order in which they were made.

        Args:
            config: with its layers resolved (`GraceConfig.resolved`).
            encoder: what turns pooled hidden states into queries; fixed for the life of this snapshot.
            edits: those in force.
            fingerprint: of the model; another model's codebook is refused where one is loaded.
            template: how prompts are put before the model, where that is known.

        Raises:
            InputError: two edits with one id, or vectors of a width that is not the encoder's.
        """
        self._init(config, encoder, tuple(edits), fingerprint, template, previous=None)

    def _init(
        self, config: GraceConfig, encoder: Encoder, edits: tuple[Edit, ...], fingerprint: str, template: Template | None,
        previous: Codebook | None,
    ) -> None:  # fmt: skip
        self.config = config
        self.encoder = encoder
        self.edits = edits
        self.fingerprint = fingerprint
        self.template = template
        if len({edit.edit_id for edit in edits}) != len(edits):
            raise InputError("Two edits have the same id; every edit needs its own.")
        width, hidden = encoder.width, encoder.hidden_width
        known = {id(edit) for edit in previous.edits} if previous is not None else set()
        for edit in (edit for edit in edits if id(edit) not in known):
            if edit.activation.shape != (width,) or edit.value.ndim != 2 or edit.value.shape[1] != hidden:
                raise InputError(
                    f"Edit {edit.edit_id!r} has an activation of shape {edit.activation.shape} and a value of shape "
                    f"{edit.value.shape}; this codebook needs ({width},) and (positions, {hidden})."
                )
        self._fold: _Fold = _fold(config, encoder, edits, previous._fold if previous is not None else None)

    def _next(self, edits: tuple[Edit, ...]) -> Codebook:
        new = object.__new__(Codebook)
        new._init(self.config, self.encoder, edits, self.fingerprint, self.template, previous=self)
        return new

    @cached_property
    def reader(self) -> Reader:
        """What is read of a prompt for this codebook."""
        return Reader.of(self.config, self.encoder.weights, self.encoder.learned)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Keys in force, in the order of the edits that own them."""
        return self._fold.entries

    @property
    def keys(self) -> Matrix:
        """(entries, dimensions) float32, the entries' keys."""
        return self._fold.keys

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._fold.entries)

    @cached_property
    def _by_edit(self) -> dict[str, Entry]:
        return {edit_id: entry for entry in self.entries for edit_id in entry.edit_ids}

    @cached_property
    def _place(self) -> dict[str, int]:
        return {point.edit_id: i for i, point in enumerate(self._fold.points)}

    @cached_property
    def _find(self) -> Find:
        return finder(self._fold.keys, self.config.distance)

    def entry_of(self, edit_id: str) -> Entry | None:
        """The entry that serves an edit; None where the edit is not in force or superseded."""
        return self._by_edit.get(edit_id)

    def parts(self, query: NDArray[np.float32], entry: Entry) -> Parts | None:
        """Of the distance from a query (dimensions,) to a key: the subject's part and the question's; None without two keys."""
        if self.config.distance != "two_keys":
            return None
        subject, question = two_distances(query, entry.key[None])[0].tolist()
        return Parts(subject, question)

    def match(self, queries: Matrix) -> tuple[Match, ...]:
        """For each query (queries, dimensions): the nearest entry, and whether the query is within its ε. Exact."""
        if not self.entries:
            return tuple(Match(None, None, False) for _ in queries)
        if len(queries) < _MANY:
            return self._said(queries, (self._find(query) for query in queries))
        return self._said(queries, nearest_of_each(queries, self.keys, self.config.distance))

    def match_again(self, queries: Matrix, before: Codebook, matches: Sequence[Match]) -> tuple[Match, ...]:
        """`match` of the very queries that another codebook has matched: looks only at what can have changed since.

        A query whose nearest key is still there can only have lost it to a new key; the others are matched anew.
        """
        at = self._rows_of(before)
        new = np.setdiff1d(np.arange(len(self)), at)
        if len(new) > len(self) // _SOME or not len(before) or (np.diff(at[at >= 0]) < 0).any():
            return self.match(queries)  # of equally near keys the last one answers, so their order matters
        row_of = {id(entry): row for entry, row in zip(before.entries, at.tolist(), strict=True)}
        found = [(row_of[id(match.entry)], match.distance or 0.0) for match in matches]
        lost = np.array([row < 0 for row, _ in found], dtype=bool)
        settled = taken_over(queries[~lost], self.keys, [one for one in found if one[0] >= 0], new, self.config.distance)
        kept, anew = iter(self._said(queries[~lost], settled)), iter(self.match(queries[lost]))
        return tuple(next(anew if gone else kept) for gone in lost.tolist())

    def _said(self, queries: Matrix, found: Iterable[tuple[int, float]]) -> tuple[Match, ...]:
        """Of the nearest entries (index, distance) of some queries."""
        entries = self.entries
        return tuple(Match(entries[i], d, entries[i].reaches(query, d)) for query, (i, d) in zip(queries, found, strict=True))

    def _rows_of(self, before: Codebook) -> NDArray[np.int64]:
        """For each entry of another codebook the index here of the very same key, or -1."""
        owned = {entry.edit_id: i for i, entry in enumerate(self.entries)}
        rows = np.array([owned.get(entry.edit_id, -1) for entry in before.entries], dtype=np.int64)
        if self.keys.shape[1] != before.keys.shape[1]:
            return np.full(len(rows), -1, dtype=np.int64)
        there = np.flatnonzero(rows >= 0)
        same = (self.keys[rows[there]] == before.keys[there]).all(axis=1)
        rows[there[~same]] = -1
        return rows

    def rival_of(self, edit_id: str, part: Literal["question", "subject"] = "question") -> Rival | None:
        """The nearest edited query with another target than the key that serves this edit; None: no key, or no such query.

        part: with two keys, which part of the distance to it is the larger one, and so is ended by it.
        """
        entry = self.entry_of(edit_id)
        if entry is None:
            return None
        points = self._fold.points
        at = self._place[entry.edit_id]
        found, row = self._fold.subjects if part == "subject" else self._fold.limits, at
        if found is None and part == "subject":
            return None
        if found is None:  # the published rule has no use for it
            found, row = limits(self._fold.queries, self._fold.groups, self.config.distance, rows=np.array([at])), 0
        if found.index[row] < 0:
            return None
        return Rival(points[int(found.index[row])].edit_id, float(found.distance[row]), way(self.config.distance))

    def with_epsilons(self, epsilons: Mapping[str, float]) -> Codebook:
        """The same edits, those named asking for another radius.

        Raises:
            InputError: an id that is not in force, or a radius that is not above 0.
        """
        if unknown := sorted(epsilons.keys() - {edit.edit_id for edit in self.edits}):
            raise InputError(f"No edit {unknown[0]!r} is in force; the codebook has {len(self.edits)} edits.")
        for epsilon in epsilons.values():
            checked_epsilon(epsilon, self.config)
        return self._next(
            tuple(edit.with_epsilon(epsilons[edit.edit_id]) if edit.edit_id in epsilons else edit for edit in self.edits)
        )

    def with_edit(self, edit: Edit) -> Codebook:
        """The codebook after one more edit."""
        return self._next((*self.edits, edit))

    def with_edits(self, edits: Sequence[Edit]) -> Codebook:
        """The codebook with exactly these edits in force (in the order in which they were made)."""
        return self._next(tuple(edits))

    def without(self, edit_id: str) -> Codebook:
        """The codebook that never saw this edit.

        Raises:
            InputError: an id that is not in force.
        """
        rest = tuple(edit for edit in self.edits if edit.edit_id != edit_id)
        if len(rest) == len(self.edits):
            raise InputError(f"No edit {edit_id!r} is in force; the codebook has {len(self.edits)} edits.")
        return self._next(rest)

    def recalibrated(self, encoder: Encoder, edits: Sequence[Edit] | None = None) -> Codebook:
        """The same edits (or those given) read by another encoder: keys come from stored activations, no model is run."""
        edits = self.edits if edits is None else edits
        return Codebook(self.config, encoder, edits, fingerprint=self.fingerprint, template=self.template)


def checked_epsilon(epsilon: float, config: GraceConfig) -> float:
    """A radius that a key may ask for.

    Raises:
        InputError: one that is no number above 0, or beyond what the distance can be.
    """
    if not isinstance(epsilon, int | float | np.floating):
        raise InputError(f"ε is {epsilon!r:.80}; use a number above 0.")
    if not 0 < epsilon < float("inf"):
        raise InputError(f"ε is {epsilon}; use a number above 0.")
    if epsilon >= FURTHEST[config.distance]:
        raise InputError(f"ε is {epsilon}; {BEYOND[config.distance]}. Use less.")
    return epsilon


def in_force(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Edits that no later edit of the same prompt (or of one with the same activation) supersedes."""
    seen: set[str | bytes] = set()
    kept = []
    for edit in reversed(edits):
        if edit.prompt not in seen and edit.address not in seen:
            kept.append(edit)
        seen.update((edit.prompt, edit.address))
    return tuple(reversed(kept))


def _fold(config: GraceConfig, encoder: Encoder, edits: tuple[Edit, ...], previous: _Fold | None) -> _Fold:
    points = in_force(edits)
    groups = numbered([edit.target_ids for edit in points])
    # Where a point is and what it wants: an edit that asks for another radius is the same point.
    before = {(id(edit.activation), id(edit.target_ids)): i for i, edit in enumerate(previous.points)} if previous else {}
    kept = np.array([before.get((id(edit.activation), id(edit.target_ids)), -1) for edit in points], dtype=np.int64)
    queries = np.empty((len(points), encoder.dimensions), dtype=np.float32)
    if previous is not None and len(kept):
        queries[kept >= 0] = previous.queries[kept[kept >= 0]]
    new = np.flatnonzero(kept < 0)
    if len(new):
        queries[new] = encoder(np.stack([points[i].activation for i in new]))
    shares = numbered([edit.lesson for edit in points])
    facts = [
        Point(query, int(group), edit.epsilon, int(share), edit.subject_epsilon)
        for query, group, edit, share in zip(queries, groups, points, shares, strict=True)
    ]
    limit, subjects, keys = None, None, None
    if config.rule == "published":
        keys = published(
            facts, queries, config.distance, previous.published if previous else None, _unchanged(previous, points, kept)
        )
        balls = keys.balls
    else:
        two = config.distance == "two_keys"
        limit = _limited(
            previous.limits if previous else None, kept, queries, groups, "question_first" if two else config.distance
        )
        if two:
            subjects = _limited(previous.subjects if previous else None, kept, queries, groups, "subject_first")
        balls = separated(facts, limit, config.distance, subjects)
    entries = tuple(_entry(ball, points, queries) for ball in balls)
    owners = np.array([ball.owner for ball in balls], dtype=np.int64)
    return _Fold(points, queries, groups, limit, subjects, keys, entries, queries[owners])


def _limited(
    previous: Limits | None, kept: NDArray[np.int64], queries: Matrix, groups: NDArray[np.int64], measure: Measure
) -> Limits:
    """The limits of points, from those before, where there are any."""
    if previous is None:
        return limits(queries, groups, measure)
    return updated_limits(previous, kept, queries, groups, measure)


def _unchanged(previous: _Fold | None, points: Sequence[Edit], kept: NDArray[np.int64]) -> int:
    """How many of the first points stand where they stood and ask for the radius that they asked for."""
    if previous is None:
        return 0
    same = zip(kept.tolist(), points, previous.points, strict=False)
    return next(
        (i for i, (at, now, then) in enumerate(same) if at != i or now.epsilon != then.epsilon),
        min(len(points), len(previous.points)),
    )


def _entry(ball: Ball, points: tuple[Edit, ...], queries: Matrix) -> Entry:
    owner = points[ball.owner]
    ids = tuple(points[i].edit_id for i in ball.members)
    key = queries[ball.owner]
    return Entry(ids, owner.prompt, owner.target, owner.target_ids, key, owner.value, ball.epsilon, ball.subject)


def numbered(labels: Sequence[object]) -> NDArray[np.int64]:
    """Equal labels get equal numbers."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)
