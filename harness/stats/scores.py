"""What every statistic asks of its input: finite scores of the same candidates on every eval set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.types import Doubles, HarnessError


def shares(sets: Sequence[Doubles], weights: Sequence[float]) -> Doubles:
    """float64 [sets]: each set's weight over the sum of all; together 1.

    sets: float64 [candidates, items] each, the candidates the same in all. HarnessError where there is no set, a set
    has no item, a score is not finite, or a weight is not above 0: a statistic of those would be a made-up number.
    """
    if not sets or len(sets) != len(weights):
        raise HarnessError(f"statistics: {len(sets)} eval sets with {len(weights)} weights; give each set one")
    for number, scores in enumerate(sets):
        if scores.ndim != 2 or scores.shape[1] == 0 or len(scores) != len(sets[0]):
            raise HarnessError(
                f"statistics: eval set {number} has scores of shape {scores.shape}; expected [{len(sets[0])}, items]"
            )
        if not np.isfinite(scores).all():
            raise HarnessError(f"statistics: eval set {number} has scores that are not finite; leave those items out")
    weight = np.asarray(weights, dtype=np.float64)
    if not (np.isfinite(weight).all() and (weight > 0).all()):
        raise HarnessError(f"statistics: weights {list(weights)}; each must be a number above 0")
    result: Doubles = weight / weight.sum()
    return result


def means(sets: Sequence[Doubles], weights: Sequence[float]) -> Doubles:
    """float64 [candidates]: the weighted mean over sets of each candidate's mean score."""
    parts = [share * scores.mean(axis=1) for share, scores in zip(shares(sets, weights), sets, strict=True)]
    return np.asarray(np.sum(parts, axis=0))
