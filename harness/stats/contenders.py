"""Intervals against the best observed candidate, which the same data chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.stats.bootstrap import Bounds, Differences, differences, simultaneous
from harness.stats.scores import means
from harness.types import Doubles


def against_best(
    plain: Differences, sets: Sequence[Doubles], weights: Sequence[float], drawn: Sequence[Doubles], confidence: float
) -> Bounds:
    """Bounds of every candidate less the best observed one that allow for the data having chosen it.

    plain: `differences` to the best observed, of the same sets, weights and draws. The best of many looks better than
    it is. Lower bounds against it therefore hold more often than asked and stay those of `simultaneous`; the upper ends
    would miss too often (see benchmarks). Two-sided ends choose the best anew in each draw, among the candidates whose
    plain interval reaches 0, with all of them taken as equally good, which is where the choice misleads most.
    """
    bounds = simultaneous(plain, confidence)
    rivals = np.flatnonzero(bounds.high >= 0)
    lead = np.zeros((len(plain.t), len(rivals)))
    for weight, each, scores in zip(weights, drawn, sets, strict=True):
        lead += weight * (each @ scores[rivals].T - scores[rivals].mean(axis=1))
    chosen = rivals[np.argmax(lead, axis=1)]
    widest = np.empty(len(chosen))
    for one in np.unique(chosen):
        rows = chosen == one
        again = differences(sets, weights, int(one), [each[rows] for each in drawn])
        widest[rows] = np.abs(again.t).max(axis=1)
    reach = float(np.quantile(widest, confidence)) * plain.error
    return Bounds(bounds.one_sided, plain.observed - reach, plain.observed + reach)


def shortfall(
    sets: Sequence[Doubles], weights: Sequence[float], pick: int, drawn: Sequence[Doubles], confidence: float
) -> float:
    """How much better than the pick the truly best candidate may be, at most, with this confidence; 0 at least.

    Closeness to the best observed says nothing of a candidate that is better and was unlucky. Whichever is truly best,
    all lower bounds against it hold at once with the confidence asked; so the worst of the pick's lower bounds, over
    all that may be the best, holds as well, and no correction is due for not knowing which (Hsu 1984). Looked at are
    the rivals of `against_best`: those whose interval against the best observed reaches 0. One bootstrap a rival.
    """
    seen = means(sets, weights)
    plain = simultaneous(differences(sets, weights, int(np.argmax(seen)), drawn), confidence)
    found = [0.0]
    for rival in np.flatnonzero(plain.high >= 0):
        bounds = simultaneous(differences(sets, weights, int(rival), drawn), confidence)
        found.append(-float(bounds.one_sided[pick]))
    return max(found)
