"""The nearest of very many keys, exactly: products in half precision leave out those that cannot be it.

Matching reads every key once, so it takes as long as its bytes do; in float16 they are half as many. The products run on
threads of the library that runs the model: numpy's, where it takes any, go on waiting for a tenth of a second for their
next task, at the model's cost (the first token of an answer took half as long again).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from grace_core.codebook.geometry import Matrix, closest, nearest
from grace_core.config import Distance

_SLACK = 2.0**-9
"""By how much 1 - cos may be off. Rounding to float16 moves a product of two unit vectors by at most 2^-11 for the key,
2^-11 for the query and 2^-11 for the product itself; the rest is for summing, which is done in float32."""

_FEW = 1000
"""Up to so many keys numpy takes no thread of its own, and one product is over in a tenth of a millisecond."""

Find = Callable[[NDArray[np.float32]], tuple[int, float]]


class Sieve:
    """Keys of unit length (keys, dimensions), kept in float16 too: half their memory more."""

    def __init__(self, keys: Matrix) -> None:
        self._keys = keys
        self._halves = torch.from_numpy(np.ascontiguousarray(keys)).half()

    @torch.inference_mode()
    def nearest(self, query: NDArray[np.float32]) -> tuple[int, float]:
        """What `geometry.nearest` gives for the distance 1 - cos, to the last bit. There must be a key."""
        products = torch.mv(self._halves, torch.from_numpy(query.astype(np.float16))).float().numpy()
        return closest(query, self._keys, np.flatnonzero(products >= products.max() - 2 * _SLACK), "cosine")


def finder(keys: Matrix, distance: Distance) -> Find:
    """`geometry.nearest` among these keys for many queries, as fast as the distance allows: same index, same bits."""
    if distance == "cosine" and len(keys) > _FEW:
        return Sieve(keys).nearest
    return partial(nearest, keys=keys, distance=distance)
