"""Paired bootstrap over the items of one or several eval sets, and bounds that hold for all candidates at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.types import Doubles


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
