"""One candidate against another over the same items: counts, spread, size of the effect."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.types import Doubles

_POWER = 2.80  # z(97.5 %) + z(80 %): 80 % power at 5 % two-sided
_TIE = 1e-9


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
