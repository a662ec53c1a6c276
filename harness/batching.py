"""Which texts go through a model together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BUDGETS = {"cpu": 4096, "cuda": 65536}  # tokens in a batch, where no size is asked for


def batches(lengths: NDArray[np.integer], size: int | None, device: str = "cpu") -> Iterator[NDArray[np.int64]]:
    """Positions of texts with so many tokens, int [n], cut into batches; the longest first, so that little is padding.

    `size` texts at a time; without a size as many as fit a number of tokens: larger batches leave the caches of a CPU,
    smaller ones leave a GPU idle.
    """
    order = np.argsort(-lengths, kind="stable")
    budget = BUDGETS.get(device.partition(":")[0], BUDGETS["cpu"])
    start = 0
    while start < len(order):
        stop = start + (size or max(1, budget // max(1, int(lengths[order[start]]))))
        yield order[start:stop]
        start = stop
