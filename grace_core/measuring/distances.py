"""How well a choice of layer, pooling and encoding tells paraphrases from all else; pure, knows vectors only.

A paraphrase should lie near its own key, and everything else far from every key. For one choice, the distances of both
kinds are kept; what follows from them (AUC, recall at a given rate of false matches, a suggested ε) is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.encoder import Background, Encoder
from grace_core.codebook.geometry import Matrix, pair_distances
from grace_core.codebook.token_weights import TokenWeights
from grace_core.config import Distance, Encoding, GraceConfig, Pool

Kind = Literal["unrelated", "siblings", "edits"]
KINDS: tuple[Kind, ...] = ("unrelated", "siblings", "edits")
"""What must not match: unrelated prompts; an edited prompt asked about somebody else; other edits' own prompts."""


@dataclass(frozen=True, order=True)
class Choice:
    """Where and how a query is read. layer: a block's number, 1 for the first."""

    layer: int
    pool: Pool
    encoding: Encoding

    @classmethod
    def learned(cls, base: GraceConfig) -> Self:
        """The learned encoder of a codebook with this configuration, resolved: it reads up to the value's layer."""
        assert base.value_layer is not None  # resolved
        return cls(base.value_layer, "weighted", "learned")

    @property
    def distance(self) -> Distance:
        """The distance that goes with the encoding: whitened queries are unit vectors, learned ones have two halves."""
        of: dict[Encoding, Distance] = {"raw": "euclidean", "whiten": "cosine", "learned": "two_keys"}
        return of[self.encoding]

    def config(self, base: GraceConfig, epsilon: float) -> GraceConfig:
        """`base` with this choice; its value layer moves up where the query is read above it."""
        value_layer = max(base.value_layer or self.layer, self.layer)
        return replace(
            base, key_layer=self.layer, pool=self.pool, encoding=self.encoding, distance=self.distance, epsilon=epsilon,
            value_layer=value_layer,
        )  # fmt: skip


@dataclass(frozen=True)
class Separation:
    """Distances under one choice.

    paraphrases: of each paraphrase to its own key. nearest_is_own: whether no key with another target is nearer.
    others: by kind, of each prompt that must not match to the nearest key (for edits: to the nearest with another target).
    """

    choice: Choice
    paraphrases: tuple[float, ...] = field(repr=False)
    nearest_is_own: tuple[bool, ...] = field(repr=False)
    others: Mapping[Kind, tuple[float, ...]] = field(repr=False)

    def rest(self, kinds: Sequence[Kind] = KINDS) -> NDArray[np.float64]:
        """Sorted distances of what must not match."""
        return np.sort(np.concatenate([np.zeros(0), *(self.others.get(kind, ()) for kind in kinds)]))

    def placements(self, kinds: Sequence[Kind] = KINDS) -> NDArray[np.float64] | None:
        """Of each paraphrase, the share of the rest that is further from its nearest key than it is from its own; ties count
        half. None where there is nothing to compare.
        """
        rest, own = self.rest(kinds), np.array(self.paraphrases)
        if not len(rest) or not len(own):
            return None
        below = np.searchsorted(rest, own, side="left")
        upto = np.searchsorted(rest, own, side="right")
        return 1.0 - (below + upto) / (2 * len(rest))

    def auc(self, kinds: Sequence[Kind] = KINDS) -> float | None:
        """Probability that a paraphrase is nearer to its key than another prompt is to its nearest; ties count half."""
        placements = self.placements(kinds)
        return None if placements is None else float(placements.mean())

    def cut(self, false_matches: float, kinds: Sequence[Kind] = KINDS) -> float | None:
        """The distance that ε must stay below, so that at most this share of the rest matches; None without a rest."""
        rest = self.rest(kinds)
        if not len(rest):
            return None
        allowed = int(np.floor(false_matches * len(rest) + 1e-9))
        return float(rest[allowed]) if allowed < len(rest) else float("inf")

    def answered(self, false_matches: float, kinds: Sequence[Kind] = KINDS) -> NDArray[np.bool_] | None:
        """Whether its own key answers each paraphrase at the largest ε with at most this share of false matches."""
        cut = self.cut(false_matches, kinds)
        if cut is None or not self.paraphrases:
            return None
        return np.array(self.nearest_is_own) & (np.array(self.paraphrases) < cut)

    def recall(self, false_matches: float, kinds: Sequence[Kind] = KINDS) -> float | None:
        """Share of paraphrases that `answered` says."""
        answered = self.answered(false_matches, kinds)
        return None if answered is None else float(answered.mean())

    def epsilon(self, false_matches: float, kinds: Sequence[Kind] = KINDS) -> float | None:
        """Half way between the furthest paraphrase that is reached and the first prompt that must not be.

        None where no paraphrase is reached: an ε would then only keep out what nothing is let in for.
        """
        cut = self.cut(false_matches, kinds)
        if cut is None or not self.paraphrases:
            return None
        own = np.array(self.paraphrases)
        reached = own[np.array(self.nearest_is_own) & (own < cut)]
        if not len(reached):
            return None
        furthest = float(reached.max())
        return (furthest + cut) / 2 if np.isfinite(cut) else furthest

    def shares(self, epsilon: float, kinds: Sequence[Kind] = KINDS) -> tuple[float, float]:
        """At this ε: the share of paraphrases that their own key answers, and the share of the rest that matches."""
        own, rest = np.array(self.paraphrases), self.rest(kinds)
        reached = float((np.array(self.nearest_is_own, bool) & (own <= epsilon)).mean()) if len(own) else 0.0
        return reached, float((rest <= epsilon).mean()) if len(rest) else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; `from_dict` is the inverse."""
        return {
            "choice": asdict(self.choice),
            "paraphrases": [round(d, 6) for d in self.paraphrases],
            "nearest_is_own": list(self.nearest_is_own),
            "others": {kind: [round(d, 6) for d in distances] for kind, distances in self.others.items()},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read `to_dict`'s form."""
        return cls(
            Choice(**data["choice"]),
            tuple(data["paraphrases"]),
            tuple(data["nearest_is_own"]),
            {kind: tuple(distances) for kind, distances in data["others"].items()},
        )


def told_apart(one: NDArray[Any], other: NDArray[Any], owners: Sequence[int], level: float = 0.05) -> bool:
    """Whether one choice does better than another on these very paraphrases by more than chance explains.

    one, other: what each paraphrase came to under either choice. owners: each one's key; () counts each paraphrase by
    itself. The phrasings of one key stand or fall together, so each key has one vote: an exact, two-sided sign test.
    """
    from scipy.stats import binomtest  # takes a second to import

    gains = one.astype(np.float64) - other
    votes = np.sign(gains if not len(owners) else np.bincount(np.array(owners), weights=gains).round(9))
    for_one, against = int((votes > 0).sum()), int((votes < 0).sum())
    if not for_one + against:
        return False
    return for_one > against and bool(binomtest(for_one, for_one + against).pvalue < level)


def fitted(choice: Choice, background: Matrix, weights: TokenWeights, directions: int) -> Encoder:
    """The encoder of a choice, calibrated on pooled activations (prompts, width) of its own layer and pooling."""
    if choice.encoding == "raw":
        return Encoder(dimensions=background.shape[1], weights=weights)
    return Encoder.whitened(Background.of(background), directions, 1, weights)


def measure(
    choice: Choice,
    encoder: Encoder,
    *,
    keys: Matrix,
    groups: NDArray[np.int64],
    paraphrases: Matrix,
    owners: NDArray[np.int64],
    unrelated: Matrix,
    siblings: Matrix,
) -> Separation:
    """Distances under one choice, from pooled activations (…, width) of its layer and pooling.

    keys: of the edited prompts. groups: (keys,) equal for equal targets. owners: (paraphrases,) each one's key.
    """
    encoded = encoder(keys)
    own, is_nearest = [], []
    for query, owner in zip(encoder(paraphrases), owners, strict=True):
        distances = pair_distances(query, encoded, choice.distance)
        own.append(float(distances[owner]))
        is_nearest.append(bool(groups[int(distances.argmin())] == groups[owner]))
    between = []
    for key, group in zip(encoded, groups, strict=True):
        rivals = encoded[groups != group]
        if len(rivals):
            between.append(float(pair_distances(key, rivals, choice.distance).min()))

    def to_nearest(activations: Matrix) -> tuple[float, ...]:
        return tuple(float(pair_distances(query, encoded, choice.distance).min()) for query in encoder(activations))

    others: dict[Kind, tuple[float, ...]] = {
        "unrelated": to_nearest(unrelated),
        "siblings": to_nearest(siblings),
        "edits": tuple(between),
    }
    return Separation(choice, tuple(own), tuple(is_nearest), others)
