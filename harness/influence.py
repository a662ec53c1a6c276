"""How much each item moves a score that is no mean of items, so that two candidates can be compared item by item."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.types import Doubles

_MOST = 2000  # deletions; beyond, items are left out in groups


def pseudo_values(measure: Callable[[NDArray[np.intp]], float], n: int) -> Doubles:
    """float64 [min(n, 2000)] jackknife pseudo-values of a measure of n items, shifted so that their mean is its value.

    measure: from int [m] positions of the items that stay to the score of those. Value g of G is
    G x measure(all) - (G - 1) x measure(all but group g); with up to 2,000 items a group is one item, beyond item i
    belongs to group i mod 2,000. Their standard error is the jackknife's, and differences of two candidates' values are
    the values of the difference. Tukey 1958; Shao and Wu 1989 for groups. Where leaving a group out leaves nothing to
    measure (NaN), its value is the mean.
    """
    everything = np.arange(n)
    groups = min(n, _MOST)
    whole = float(measure(everything))
    if groups < 2:
        return np.full(groups, whole)
    without = np.array([measure(everything[everything % groups != g]) for g in range(groups)], dtype=np.float64)
    values = groups * whole - (groups - 1) * without
    values[~np.isfinite(values)] = np.nanmean(values) if np.isfinite(values).any() else whole
    result: Doubles = values + (whole - values.mean())
    return result


def item_ids(ids: tuple[str, ...], values: int) -> tuple[str, ...]:
    """Names of so many values of `pseudo_values`: the items', or those of their groups."""
    return ids if values == len(ids) else tuple(f"group-{g}" for g in range(values))
