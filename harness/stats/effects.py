"""One candidate against another over the same items: counts, spread, size of the effect."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.stats.power import detectable
from harness.types import Doubles, HarnessError

_TIE = 1e-9


class Paired(NamedTuple):
    """One candidate against another over the same queries: counts, spread, and what the data could have shown.

    sd: of the differences; detectable: see `power`. One item has no spread: both are NaN.
    """

    wins: int
    ties: int
    losses: int
    sd: float
    detectable: float


def paired(candidate: Doubles, reference: Doubles) -> Paired:
    """float64 [n] each, of the same items in the same order; HarnessError where they cannot be, or are not finite."""
    if candidate.shape != reference.shape or candidate.ndim != 1 or not len(candidate):
        raise HarnessError(
            f"statistics: scores of shapes {candidate.shape} and {reference.shape} are not of the same items"
        )
    gap = candidate - reference
    if not np.isfinite(gap).all():
        raise HarnessError("statistics: scores that are not finite cannot be compared; leave those items out")
    wins, losses = int((gap > _TIE).sum()), int((gap < -_TIE).sum())
    sd = float(gap.std(ddof=1)) if len(gap) > 1 else float("nan")
    return Paired(wins, len(gap) - wins - losses, losses, sd, detectable(sd, len(gap)))


def effect(difference: float, sd: float) -> float | None:
    """A mean difference in standard deviations of the differences (Cohen's d for pairs).

    None where there is no such number: one item has no spread (NaN), and where every item loses the same, it is 0.
    """
    if sd > _TIE:
        return difference / sd
    return 0.0 if sd <= _TIE and abs(difference) <= _TIE else None


def verdict_of(low: float, high: float, margin: float) -> str:
    """What an interval of a difference says: equivalent (within the margin), better, worse or inconclusive."""
    if low > -margin and high < margin:
        return "equivalent"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "inconclusive"
