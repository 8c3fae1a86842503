"""Which edit a query is about, whatever it asks of it: the nearest key by the subject's half of a query alone.

An edit answers only where the question matches too (`Codebook.match`); this tells who knows something of the subject.
Pure: reads a codebook and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.codebook import Codebook, Entry, Parts
from grace_core.codebook.geometry import two_distances


@dataclass(frozen=True)
class About:
    """The entry whose subject a query has, and both parts of the distance to its key. `entry` stays in its codebook."""

    entry: Entry
    parts: Parts

    @property
    def edit_id(self) -> str:
        """The edit that owns the entry's key."""
        return self.entry.edit_id


def about(codebook: Codebook, query: NDArray[np.float32]) -> About | None:
    """The entry whose key is nearest by the subject's part alone, where that part is within the entry's own reach.

    That reach is its subject's radius, or its ε where it has none. Of equally near keys the last counts, as in a match.
    None: no key is so near, or the codebook's distance has no part for the subject.

    Args:
        codebook: read only.
        query: (dimensions,) encoded.
    """
    if codebook.config.distance != "two_keys" or not codebook.entries:
        return None
    parts = two_distances(query, codebook.keys)  # without a matrix product, whose threads would slow the model (`search`)
    best = len(parts) - 1 - int(np.argmin(parts[::-1, 0]))
    entry = codebook.entries[best]
    subject, question = parts[best].tolist()
    reach = entry.epsilon if entry.subject_epsilon is None else entry.subject_epsilon
    return About(entry, Parts(subject, question)) if subject <= reach else None
