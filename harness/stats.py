"""Statistics over per-query scores: pure functions of arrays and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.types import Doubles

_POWER = 2.80  # z(97.5 %) + z(80 %): 80 % power at 5 % two-sided
_SETTLED = 2.4865  # z(95 %) + z(80 %): the same power at 5 % one-sided
_TIE = 1e-9


class Resampled(NamedTuple):
    """observed: float64 [c], weighted mean over sets of each candidate's mean score; draws: float64 [b, c]."""

    observed: Doubles
    draws: Doubles


class Bounds(NamedTuple):
    """Simultaneous over all comparisons: one-sided lower bounds, and the ends of two-sided intervals; float64 [c]."""

    one_sided: Doubles
    low: Doubles
    high: Doubles


def resample(sets: Sequence[Doubles], weights: Sequence[float], draws: int, seed: int) -> Resampled:
    """Paired bootstrap: queries are drawn within each set, the same for all candidates (Efron and Tibshirani 1993).

    sets: for each eval set float64 [c, queries]; weights: one a set, normalised here.
    """
    share = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    generator = np.random.default_rng(seed)
    observed = sum(w * s.mean(axis=1) for w, s in zip(share, sets, strict=True))
    drawn = sum(w * _counts(s.shape[1], draws, generator) @ s.T for w, s in zip(share, sets, strict=True))
    return Resampled(np.asarray(observed), np.asarray(drawn))


def _counts(queries: int, draws: int, generator: np.random.Generator) -> Doubles:
    return generator.multinomial(queries, np.full(queries, 1 / queries), size=draws) / queries


def simultaneous(difference: Resampled, confidence: float) -> Bounds:
    """Max-T bounds that hold for all differences at once with the given confidence (Westfall and Young 1993).

    A difference without any spread (equal scores on every query) is its own bound.
    """
    error = difference.draws.std(axis=0, ddof=1)
    moving = error > 1e-12
    if not moving.any():
        return Bounds(difference.observed, difference.observed, difference.observed)
    t = (difference.draws - difference.observed)[:, moving] / error[moving]
    one = float(np.quantile(t.max(axis=1), confidence))
    two = float(np.quantile(np.abs(t).max(axis=1), confidence))
    wide = np.where(moving, error, 0.0)
    return Bounds(difference.observed - one * wide, difference.observed - two * wide, difference.observed + two * wide)


def minus(resampled: Resampled, reference: int) -> Resampled:
    """Every candidate less the reference, draw by draw."""
    observed, draws = resampled
    return Resampled(observed - observed[reference], draws - draws[:, [reference]])


class Paired(NamedTuple):
    """One candidate against another over the same queries: counts, spread, and what the data could have shown."""

    wins: int
    ties: int
    losses: int
    sd: float
    effect: float
    detectable: float


def paired(candidate: Doubles, reference: Doubles) -> Paired:
    """float64 [n] each. `effect` is the mean difference over its sd; `detectable` = 2.80 sd / sqrt(n)."""
    gap = candidate - reference
    sd = float(gap.std(ddof=1)) if len(gap) > 1 else float("nan")
    effect = float(gap.mean() / sd) if sd > 0 else 0.0
    wins, losses = int((gap > _TIE).sum()), int((gap < -_TIE).sum())
    return Paired(wins, len(gap) - wins - losses, losses, sd, effect, _POWER * sd / np.sqrt(len(gap)))


def queries_needed(sd: float, gap: float) -> int:
    """Queries at which a mean `gap` away from the limit is told from it: 80 % power, 5 % one-sided; 0 if unknown."""
    return int(np.ceil((_SETTLED * sd / gap) ** 2)) if gap > 0 and np.isfinite(sd) else 0
