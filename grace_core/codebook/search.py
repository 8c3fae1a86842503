"""The nearest of very many keys, exactly: products in half precision leave out those that cannot be it.

Matching reads every key once, so it takes as long as its bytes do; in float16 they are half as many. The products run on
threads of the library that runs the model: numpy's, where it takes any, go on waiting for a tenth of a second for their
next task, at the model's cost (the first token of an answer took half as long again). A process that has not loaded torch
runs no model, and looks at every key with numpy: the same index and the same bits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grace_core.codebook.geometry import Matrix, closest, halves, nearest
from grace_core.config import Distance

SLACK = 2.0**-9
"""By how much 1 - cos may be off. Rounding to float16 moves a product of two unit vectors by at most 2^-11 for the key,
2^-11 for the query and 2^-11 for the product itself; the rest is for summing, which is done in float32."""

FEW = 1000
"""Up to so many keys numpy takes no thread of its own, and one product is over in a tenth of a millisecond."""

Find = Callable[[NDArray[np.float32]], tuple[int, float]]


class HalfPrecisionKeys:
    """Keys (keys, dimensions) that are of unit length, or whose halves are of one length each (distance `two_keys`).

    Kept in float16 too, in unit length: half their memory more. Needs torch.
    """

    def __init__(self, keys: Matrix, distance: Distance = "cosine") -> None:
        """`keys` are kept, not copied."""
        import torch

        self._keys, self._distance = keys, distance
        self._parts = halves(keys) if distance == "two_keys" else (keys,)
        self._lengths = [np.float32(np.linalg.norm(part[0])) for part in self._parts]
        pairs = zip(self._parts, self._lengths, strict=True)
        self._halved = [torch.from_numpy(np.ascontiguousarray(part / length)).half() for part, length in pairs]

    def products(self, query: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """(keys,) float32 for each part: the cosine of each, off by less than `SLACK`."""
        import torch

        parts = halves(query) if self._distance == "two_keys" else (query,)
        with torch.inference_mode():
            return tuple(
                torch.mv(keys, torch.from_numpy((part / length).astype(np.float16))).float().numpy()
                for keys, part, length in zip(self._halved, parts, self._lengths, strict=True)
            )

    def nearest(self, query: NDArray[np.float32]) -> tuple[int, float]:
        """What `geometry.nearest` gives, to the last bit. There must be a key."""
        squares = [np.float32(length**2) for length in self._lengths]
        apart = [(1 - found) * square for found, square in zip(self.products(query), squares, strict=True)]
        rough = apart[0] if len(apart) == 1 else np.maximum(apart[0], apart[1])
        slack = 2 * SLACK * max(squares)
        return closest(query, self._keys, np.flatnonzero(rough <= rough.min() + slack), self._distance)


def finder(keys: Matrix, distance: Distance) -> Find:
    """`geometry.nearest` among these keys for many queries, as fast as the distance allows: same index, same bits."""
    torch: Any = sys.modules.get("torch")
    if distance != "euclidean" and len(keys) > FEW and torch is not None:
        return HalfPrecisionKeys(keys, distance).nearest
    return partial(nearest, keys=keys, distance=distance)
