"""Bounds against the best candidate: the best observed, which the same data chose, and the truly best, unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.stats.bootstrap import UNSEEN, Bounds, Differences, critical, differences, simultaneous
from harness.stats.scores import means, shares
from harness.types import Doubles


class Worst(NamedTuple):
    """Of each candidate float64 [c]: its lower bound against any that may be the best; int64 [c]: against which."""

    lower: Doubles
    rival: NDArray[np.int64]


def against_best(
    plain: Differences, sets: Sequence[Doubles], weights: Sequence[float], drawn: Sequence[Doubles], confidence: float
) -> Bounds:
    """Bounds of every candidate less the best observed one that allow for the data having chosen it.

    plain: `differences` to the best observed, of the same sets and weights. The best of many looks better than it is.
    Lower bounds against it therefore hold more often than asked and stay those of `simultaneous`; the upper ends would
    miss too often. Two-sided ends choose the best anew in each of these draws, among the candidates whose plain
    interval reaches 0, with all of them taken as equally good, which is where the choice misleads most.
    """
    bounds = simultaneous(plain, confidence)
    rivals = np.flatnonzero(bounds.high >= 0)
    if len(rivals) == 1:
        return bounds
    lead = np.zeros((len(drawn[0]), len(rivals)))
    for weight, each, scores in zip(weights, drawn, sets, strict=True):
        lead += weight * (each @ scores[rivals].T - scores[rivals].mean(axis=1))
    chosen = _chosen(sets, weights, rivals[np.argmax(lead, axis=1)], drawn)
    reach = critical(chosen, confidence, True) * plain.error
    low = np.minimum(plain.observed - reach, bounds.one_sided)  # two-sided is never the narrower claim
    return Bounds(bounds.one_sided, low, plain.observed + reach)


def _chosen(
    sets: Sequence[Doubles], weights: Sequence[float], references: NDArray[np.int64], drawn: Sequence[Doubles]
) -> Doubles:
    """float64 [draws, c]: `t` as `differences` has it, with a reference of its own in each draw."""
    moved = spread = np.zeros((1, 1))
    for share, scores, each in zip(shares(sets, weights), sets, drawn, strict=True):
        n, off = scores.shape[1], scores - scores.mean(axis=1, keepdims=True)
        own = off[references]
        mean = each @ off.T - (each * own).sum(axis=1, keepdims=True)
        square = each @ (off**2).T - 2 * (each * own) @ off.T + (each * own**2).sum(axis=1, keepdims=True)
        moved = moved + share * mean
        spread = spread + share**2 * (np.maximum(square - mean**2, 0.0) + UNSEEN**2 / n) / (n - 1)
    t: Doubles = moved / np.sqrt(spread)
    return t


def against_any(
    plain: Differences, errors: Doubles, against: Callable[[int], Differences], confidence: float, most: int
) -> Worst:
    """Each candidate's lower bound against whichever candidate is truly best.

    Closeness to the best observed says nothing of a candidate that is better and was unlucky. Whichever is truly best,
    all lower bounds against it hold at once with the confidence asked; so the worst of a candidate's lower bounds, over
    all that may be the best, holds as well, and no correction is due for not knowing which (Hsu 1984). Looked at are
    the rivals of `against_best`: those whose interval against the best observed reaches 0.

    plain: `differences` to the best observed; errors: as `pair_errors` gives; against: `differences` to the member of
    a place. Every rival takes a bootstrap of its own for its critical value; only the `most` that are observed best
    have one, and the others take the largest of theirs. No rival is left out, and its gap and error are its own.
    Simulated with two of twelve (truths of benchmarks/decision_rule.py, 400 runs each), bounds come out 3 to 14 %
    wider on average and are missed as rarely: in 0 to 3 % of runs, in 0 to 3.8 % with one bootstrap each.
    """
    rivals = np.flatnonzero(simultaneous(plain, confidence).high >= 0)
    rivals = rivals[np.argsort(-plain.observed[rivals], kind="stable")]
    own = [critical(against(int(one)).t, confidence, False) for one in rivals[:most]]
    reach = np.asarray(own + [max(own)] * (len(rivals) - len(own)))
    lower = plain.observed[:, None] - plain.observed[rivals] - reach * errors[:, rivals]
    worst = lower.argmin(axis=1)
    return Worst(lower[np.arange(len(lower)), worst], rivals[worst])


def pair_errors(sets: Sequence[Doubles], weights: Sequence[float]) -> Doubles:
    """float64 [c, c]: standard error of the difference of every two candidates, as in `differences`; 0 with itself."""
    parts = zip(shares(sets, weights), pair_squares(sets), strict=True)
    errors: Doubles = np.sqrt(np.sum([share**2 * square for share, square in parts], axis=0))
    return errors


def pair_squares(sets: Sequence[Doubles]) -> list[Doubles]:
    """For each set float64 [c, c]: squared standard error of the difference of every two candidates' means."""
    found = []
    for scores in sets:
        n = scores.shape[1]
        moment = np.cov(scores, bias=True).reshape(len(scores), len(scores))
        own = np.diag(moment)
        square = (np.maximum(own[:, None] + own - 2 * moment, 0.0) + UNSEEN**2 / n) / (n - 1)
        np.fill_diagonal(square, 0.0)
        found.append(square)
    return found


def shortfall(
    sets: Sequence[Doubles], weights: Sequence[float], pick: int, drawn: Sequence[Doubles], confidence: float
) -> float:
    """How much better than the pick the truly best candidate may be, at most, with this confidence; 0 at least."""

    def against(one: int) -> Differences:
        return differences(sets, weights, one, drawn)

    plain = against(int(np.argmax(means(sets, weights))))
    worst = against_any(plain, pair_errors(sets, weights), against, confidence, len(sets[0]))
    return max(0.0, -float(worst.lower[pick]))
