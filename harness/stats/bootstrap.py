"""Paired bootstrap over the items of one or several eval sets, and bounds that hold for all candidates at once."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from harness.stats.scores import means, shares
from harness.types import Doubles, HarnessError, Inapplicable

UNSEEN = 0.1  # how far one item that was not seen may lie off the others; on the scale of scores in 0..1


class Resampled(NamedTuple):
    """observed: float64 [c], weighted mean over sets of each candidate's mean score; draws: float64 [b, c]."""

    observed: Doubles
    draws: Doubles


class Differences(NamedTuple):
    """Each candidate less the reference: float64 [c] observed and its standard error; t: float64 [b, c].

    t: how far each draw's difference lies from the observed one, in standard errors of that draw.
    """

    observed: Doubles
    error: Doubles
    t: Doubles


class Bounds(NamedTuple):
    """Simultaneous over all comparisons: one-sided lower bounds, and the ends of two-sided intervals; float64 [c]."""

    one_sided: Doubles
    low: Doubles
    high: Doubles


def draw(sizes: Sequence[int], draws: int, seed: int) -> tuple[Doubles, ...]:
    """For each set float64 [draws, items]: the share of each item in each draw with replacement; a row sums to 1."""
    generator = np.random.default_rng(seed)
    return tuple(generator.multinomial(n, np.full(n, 1 / n), size=draws) / n for n in sizes)


def resample(sets: Sequence[Doubles], weights: Sequence[float], draws: int, seed: int) -> Resampled:
    """Paired bootstrap: queries are drawn within each set, the same for all candidates (Efron and Tibshirani 1993).

    sets: for each eval set float64 [c, queries]; weights: one a set, normalised here.
    """
    observed = means(sets, weights)
    drawn = draw([scores.shape[1] for scores in sets], draws, seed)
    parts = [w * d @ s.T for w, d, s in zip(shares(sets, weights), drawn, sets, strict=True)]
    return Resampled(observed, np.asarray(np.sum(parts, axis=0)))


def hierarchical(sets: Sequence[Doubles], weights: Sequence[float], draws: int, seed: int) -> Resampled:
    """Bootstrap over eval sets too: sets are drawn with replacement, then items within each set drawn.

    It asks whether other eval sets of the kind would say the same. A set that is drawn twice has its items drawn twice,
    and the weights of what was drawn are normalised anew in each draw. Inapplicable with a single set.
    """
    share = shares(sets, weights)
    if len(sets) < 2:
        raise Inapplicable("bootstrap over eval sets: there is one set; give two or more")
    generator = np.random.default_rng(seed)
    times = generator.multinomial(len(sets), np.full(len(sets), 1 / len(sets)), size=draws)
    total = np.zeros((draws, len(sets[0])))
    for number, scores in enumerate(sets):
        n = scores.shape[1]
        picked = generator.multinomial(times[:, number] * n, np.full(n, 1 / n)) / n
        total += share[number] * picked @ scores.T
    return Resampled(means(sets, weights), total / (times @ share)[:, None])


def minus(resampled: Resampled, reference: int) -> Resampled:
    """Every candidate less the reference, draw by draw."""
    observed, draws = resampled
    return Resampled(observed - observed[reference], draws - draws[:, [reference]])


def differences(
    sets: Sequence[Doubles], weights: Sequence[float], reference: int, drawn: Sequence[Doubles]
) -> Differences:
    """Every candidate less the reference, with standard errors, and the studentised draws.

    sets: for each eval set float64 [c, items]; weights: one a set, normalised here; drawn: as `draw` gives, which may
    serve any candidates and references of the same sets.

    Each draw is measured in its own standard error (bootstrap-t, Efron and Tibshirani 1993, chapter 12), which allows
    for few items and for losses that are rare but large; with the error of the sample in every draw, all bounds held in
    57 to 60 % of evals of 30 queries with unlike candidates, and 85 to 89 % of 100 (benchmarks/decision_rule.py). To
    every sum of squares, the sample's and each draw's, one difference of 0.1 is added, for the item that was not seen.
    So a candidate that equals the reference on every item seen is not proven equal for ever: its error is 0.1 / sqrt(n
    (n - 1)), and a draw of equal differences divides by no zero. At a paired spread of 0.1 and 100 items this widens
    the error by half a per cent. The reference alone has no error.

    HarnessError where a set has a single item, which has no spread.
    """
    share_of = shares(sets, weights)
    if min(scores.shape[1] for scores in sets) < 2:
        raise HarnessError("statistics: an eval set has one item, which has no spread; leave it out")
    observed = error = np.zeros(len(sets[0]))
    moved, spread = np.zeros((1, 1)), np.zeros((1, 1))
    for share, scores, each in zip(share_of, sets, drawn, strict=True):
        n = scores.shape[1]
        gap = scores - scores[reference]
        seen = gap.mean(axis=1)
        gap -= seen[:, None]
        mean, square = each @ gap.T, each @ (gap**2).T
        floor = UNSEEN**2 / n
        observed = observed + share * seen
        error = error + share**2 * (gap.var(axis=1) + floor) / (n - 1)
        moved = moved + share * mean
        spread = spread + share**2 * (np.maximum(square - mean**2, 0.0) + floor) / (n - 1)
    error, t = np.sqrt(error), moved / np.sqrt(spread)
    error[reference] = 0.0
    return Differences(observed, error, t)


def simultaneous(difference: Differences, confidence: float) -> Bounds:
    """Max-T bounds that hold for all differences at once with the given confidence (Westfall and Young 1993).

    One critical value serves all. A near twin of the reference, which differs on a handful of items, has heavy tails
    in t and may widen the bounds of the others: from 2.5 to 3.2 standard errors in one sweep of 19. Values of its own
    for each candidate (balanced, Beran 1988) gave such twins lower bounds that fail too often (benchmarks/README.md).
    """
    observed, error, t = difference
    one, two = critical(t, confidence, False), critical(t, confidence, True)
    return Bounds(observed - one * error, observed - two * error, observed + two * error)


def critical(t: Doubles, confidence: float, two_sided: bool) -> float:
    """Standard errors from each difference to its bound: max-T over t, float64 [draws, c].

    Never below the quantile of the normal distribution: where all are equal on every item seen, nothing moves in any
    draw and the quantile of t is 0, which proves nothing of the items not seen.
    """
    least = NormalDist().inv_cdf((1 + confidence) / 2 if two_sided else confidence)
    return max(least, float(np.quantile((np.abs(t) if two_sided else t).max(axis=1), confidence)))
