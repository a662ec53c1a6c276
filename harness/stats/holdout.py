"""Items held back from the choice, and what they say of it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.stats.bootstrap import differences, draw, simultaneous
from harness.types import Doubles, HarnessError


class Interval(NamedTuple):
    """A difference and the ends of its two-sided interval."""

    observed: float
    low: float
    high: float


def split(sets: Sequence[Doubles], share: float, seed: int) -> tuple[tuple[Doubles, ...], tuple[Doubles, ...]]:
    """The sets with the items to choose by, and with those held back: `share` of each set's items, rounded.

    sets: float64 [c, n] each. Which items depends on the seed, the set's place and its size alone, never on a score;
    both parts keep the items' order. HarnessError where a part of a set would be empty.
    """
    kept, held = [], []
    for place, scores in enumerate(sets):
        n = scores.shape[1]
        back = round(share * n)
        if not 0 < back < n:
            raise HarnessError(f"held-out items: {share:g} of {n} items leaves one side of eval set {place} empty")
        shuffled = np.random.default_rng([seed, place]).permutation(n)
        kept.append(scores[:, np.sort(shuffled[back:])])
        held.append(scores[:, np.sort(shuffled[:back])])
    return tuple(kept), tuple(held)


def held_difference(
    sets: Sequence[Doubles],
    weights: Sequence[float],
    between: tuple[int, int],
    confidence: float,
    draws: int,
    seed: int,
) -> Interval:
    """The difference of a candidate to a reference on held-out items, with the interval of that one comparison.

    between: their rows in the sets. Nothing was chosen by these items, so one comparison needs no correction, and the
    difference is not flattered by the choice.
    """
    pair = [scores[list(between)] for scores in sets]
    found = differences(pair, weights, 1, draw([scores.shape[1] for scores in sets], draws, seed))
    bounds = simultaneous(found, confidence)
    return Interval(float(found.observed[0]), float(bounds.low[0]), float(bounds.high[0]))
