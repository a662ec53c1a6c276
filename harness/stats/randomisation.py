"""Paired randomisation test of several candidates against one, and its correction for their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.stats.scores import shares
from harness.types import Doubles, HarnessError

_HAIR = 1e-9  # sums of the same numbers in another order differ by this much at most
_AT_ONCE = 1000  # draws, to bound memory


def randomised(sets: Sequence[Doubles], weights: Sequence[float], reference: int, draws: int, seed: int) -> Doubles:
    """float64 [c]: two-sided p of each candidate against the reference; the reference's own is 1.

    If two candidates are alike, either could have had either score of an item: the sign of each paired difference is
    flipped at random, the same items for all candidates, within each set; the statistic is the weighted mean over
    sets. p = (b + 1) / (draws + 1), where b draws are at least as far from 0 as what was seen (Edgington 1969; Phipson
    and Smyth 2010), so p is never 0. Sets as in `scores.shares`.

    1 / (draws + 1) is the least p that draws can show; times many candidates (`holm`) it says nothing. The share among
    all flips is at most 2 exp(-m² / 2 s), where m is what was seen and s the sum of squares of what each item adds to
    it (Hoeffding 1963). Where that lies below the least that draws can show, it is the p given, on the safe side.
    """
    parts = zip(shares(sets, weights), sets, strict=True)
    gaps = np.concatenate([share / s.shape[1] * (s - s[reference]) for share, s in parts], axis=1)
    observed, generator = np.abs(gaps.sum(axis=1)), np.random.default_rng(seed)
    far = np.zeros(len(gaps))
    for first in range(0, draws, _AT_ONCE):
        signs = 1.0 - 2.0 * generator.integers(0, 2, (min(_AT_ONCE, draws - first), gaps.shape[1]), dtype=np.int8)
        far += (np.abs(signs @ gaps.T) >= observed - _HAIR).sum(axis=0)
    squares = np.maximum((gaps**2).sum(axis=1), np.finfo(float).tiny)
    bound, least = 2 * np.exp(-(observed**2) / (2 * squares)), 1 / (draws + 1)
    p: Doubles = np.where(bound < least, np.maximum(bound, np.finfo(float).tiny), (far + 1) / (draws + 1))
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
