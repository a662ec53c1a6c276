"""Paired randomisation test of several candidates against one, and its correction for their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.stats.scores import shares
from harness.types import Doubles, HarnessError

_HAIR = 1e-9  # sums of the same numbers in another order differ by this much at most


def randomised(sets: Sequence[Doubles], weights: Sequence[float], reference: int, draws: int, seed: int) -> Doubles:
    """float64 [c]: two-sided p of each candidate against the reference; the reference's own is 1.

    If two candidates are alike, either could have had either score of an item: the sign of each paired difference is
    flipped at random, the same items for all candidates, within each set; the statistic is the weighted mean over
    sets. p = (b + 1) / (draws + 1), where b draws are at least as far from 0 as what was seen (Edgington 1969; Phipson
    and Smyth 2010), so p is never 0. Sets as in `scores.shares`.
    """
    share_of, generator = shares(sets, weights), np.random.default_rng(seed)
    observed, drawn = np.zeros(len(sets[0])), np.zeros((draws, 1))
    for share, scores in zip(share_of, sets, strict=True):
        gap = scores - scores[reference]
        signs = 1.0 - 2.0 * generator.integers(0, 2, (draws, scores.shape[1]), dtype=np.int8)
        observed = observed + share * gap.mean(axis=1)
        drawn = drawn + signs @ (share / scores.shape[1] * gap.T)
    far = (np.abs(drawn) >= np.abs(observed) - _HAIR).sum(axis=0)
    p: Doubles = (far + 1) / (draws + 1)
    return p


def holm(p: Doubles) -> Doubles:
    """float64 [n]: p-values adjusted for their number, so that any false alarm has the level asked (Holm 1979).

    Give the comparisons alone: a reference compared with itself is none.
    """
    if not ((p >= 0) & (p <= 1)).all():
        raise HarnessError("statistics: p-values lie between 0 and 1")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
