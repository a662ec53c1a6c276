"""How much each item moves a score that is no mean of items, so that two candidates can be compared item by item."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.types import Doubles

_MOST = 2000  # deletions; beyond, items are left out in groups


def pseudo_values(measure: Callable[[NDArray[np.intp]], float], n: int) -> Doubles:
    """float64 [min(n, 2000)] jackknife pseudo-values of a measure of n items.

    measure: from int [m] positions of the items that stay to the score of those. With up to 2,000 items a group is one
    item, beyond item i belongs to group i mod 2,000 (Shao and Wu 1989 for groups).
    """
    everything = np.arange(n)
    groups = min(n, _MOST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's on constant input: such a value is NaN, see `jackknifed`
        whole = float(measure(everything))
        if groups < 2:
            return np.full(groups, whole)
        without = [measure(everything[everything % groups != g]) for g in range(groups)]
    return jackknifed(whole, np.array(without, dtype=np.float64))


def jackknifed(whole: float, without: Doubles) -> Doubles:
    """float64 [n] pseudo-values from a score and float64 [n] that score without each item.

    n x whole - (n - 1) x without (Tukey 1958), shifted so that their mean is the score. Their standard error is the
    jackknife's, and differences of two candidates' values are the values of the difference. Where nothing is left to
    measure (NaN), the value is the mean.
    """
    n = len(without)
    values = n * whole - (n - 1) * without
    defined = np.isfinite(values)
    values[~defined] = values[defined].mean() if defined.any() else whole
    result: Doubles = values + (whole - values.mean())
    return result


def item_ids(ids: tuple[str, ...], values: int) -> tuple[str, ...]:
    """Names of so many values of `pseudo_values`: the items', or those of their groups."""
    return ids if values == len(ids) else tuple(f"group-{g}" for g in range(values))


def v_measure_terms(labels: NDArray[np.integer], clusters: Sequence[int]) -> Doubles:
    """float64 [n]: what each item adds to the V-measure of a given clustering; their mean is that V-measure.

    V = 2 I / (H(C) + H(K)) with the mutual information I and the entropies of labels and clusters, each a mean over
    items: of m = log p(c, k) / (p(c) p(k)), of -log p(c) and of -log p(k). The delta method takes V's derivative along
    each item: V + [2 m - V (-log p(c) - log p(k))] / (H(C) + H(K)). What an item does to the shares p inside the
    logarithms cancels, since the shares of all items still sum to 1. V is that of Rosenberg and Hirschberg 2007; 1
    where labels and clusters are one group each.
    """
    _, c = np.unique(labels, return_inverse=True)
    _, k = np.unique(clusters, return_inverse=True)
    n, width = len(c), int(k.max()) + 1
    both = np.bincount(c * width + k)[c * width + k] / n
    own, cluster = np.bincount(c)[c] / n, np.bincount(k)[k] / n
    mutual, spread = np.log(both / (own * cluster)), -np.log(own * cluster)
    total = float(spread.mean())
    if total == 0:
        return np.ones(n)
    v = 2 * float(mutual.mean()) / total
    result: Doubles = v + (2 * mutual - v * spread) / total
    return result
