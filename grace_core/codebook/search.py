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

from grace_core.codebook.geometry import Matrix, closest, nearest
from grace_core.config import Distance

SLACK = 2.0**-9
"""By how much 1 - cos may be off. Rounding to float16 moves a product of two unit vectors by at most 2^-11 for the key,
2^-11 for the query and 2^-11 for the product itself; the rest is for summing, which is done in float32."""

FEW = 1000
"""Up to so many keys numpy takes no thread of its own, and one product is over in a tenth of a millisecond."""

Find = Callable[[NDArray[np.float32]], tuple[int, float]]


class HalfPrecisionKeys:
    """Keys of unit length (keys, dimensions), kept in float16 too: half their memory more. Needs torch."""

    def __init__(self, keys: Matrix) -> None:
        """`keys` are kept, not copied."""
        import torch

        self._keys = keys
        self._halves = torch.from_numpy(np.ascontiguousarray(keys)).half()

    def products(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """(keys,) float32: the cosine of each, off by less than `SLACK`."""
        import torch

        with torch.inference_mode():
            found: NDArray[np.float32] = torch.mv(self._halves, torch.from_numpy(query.astype(np.float16))).float().numpy()
        return found

    def nearest(self, query: NDArray[np.float32]) -> tuple[int, float]:
        """What `geometry.nearest` gives for the distance 1 - cos, to the last bit. There must be a key."""
        products = self.products(query)
        return closest(query, self._keys, np.flatnonzero(products >= products.max() - 2 * SLACK), "cosine")


def finder(keys: Matrix, distance: Distance) -> Find:
    """`geometry.nearest` among these keys for many queries, as fast as the distance allows: same index, same bits."""
    torch: Any = sys.modules.get("torch")
    if distance == "cosine" and len(keys) > FEW and torch is not None:
        return HalfPrecisionKeys(keys).nearest
    return partial(nearest, keys=keys, distance=distance)
