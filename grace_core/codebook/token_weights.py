"""How much each token weighs in the weighted pool. Knows token ids alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TokenWeights:
    """Weight a / (a + p(token)) of each token in the weighted pool (Arora et al. 2017, eq. 1); unseen tokens weigh 1."""

    by_id: dict[int, float] = field(repr=False)

    @classmethod
    def from_prompts(cls, prompts: Iterable[Sequence[int]], a: float) -> TokenWeights:
        """Estimate p(token) by counting the tokens of background prompts."""
        counts: Counter[int] = Counter()
        for ids in prompts:
            counts.update(ids)
        total = sum(counts.values())
        return cls({token: a / (a + count / total) for token, count in counts.items()})

    def of(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """(tokens,) weights that sum to 1."""
        weights = np.array([self.by_id.get(token, 1.0) for token in ids], dtype=np.float64)
        return (weights / weights.sum()).astype(np.float32)
