"""Is one candidate shown to be no worse than another by more than a margin? Paired over the same items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.policy import Policy
from harness.ruling import LEAST_QUERIES
from harness.stats.bootstrap import Bounds, differences, draw, simultaneous
from harness.stats.power import HOPELESS, queries_needed
from harness.types import Doubles

_LOST, _OPEN, _SHOWN = "worse", "open", "shown"
_HAIR = 1e-9  # means of equal numbers differ by this much at most


class PairedSet(NamedTuple):
    """One eval set that both were scored on: float64 [items] each, in the same order of items.

    share: of the set in the score; span: how far two scores can lie apart; scored: items behind the values, which may
    be more than there are values (see `influence`).
    """

    name: str
    before: Doubles
    after: Doubles
    share: float
    guard: bool
    span: float
    scored: int


class Check(NamedTuple):
    """A mean difference (after less before) held against a margin.

    where: an eval set, or empty for all of them together. lower: one-sided bound at the policy's confidence; interval:
    two-sided. outcome: shown (lower above -margin), worse (the interval ends below -margin), or open. needed: items at
    which what is open would be settled with 80 % power; 0 where nothing is open, of too few items, and at the margin.
    """

    where: str
    before: float
    after: float
    difference: float
    lower: float
    interval: tuple[float, float]
    margin: float
    outcome: str
    items: int
    needed: int

    @property
    def shown(self) -> bool:
        """Whether it is shown to be no worse."""
        return self.outcome == _SHOWN

    @property
    def lost(self) -> bool:
        """Whether it is shown to be worse."""
        return self.outcome == _LOST

    @property
    def at_margin(self) -> bool:
        """Whether it is open for good: not for too few items, of which the interval is the metric's whole range."""
        return self.outcome == _OPEN and not self.needed and self.interval[0] != -self.interval[1]


def checks(sets: Sequence[PairedSet], policy: Policy) -> tuple[Check, ...]:
    """All sets together against the margin, then each guarded set alone against twice the margin.

    One comparison was declared, so its bounds are corrected for no other.
    """
    guarded = [[one] for one in sets if one.guard]
    named = ["", *(one.name for one in sets if one.guard)]
    margins = [policy.margin, *(2 * policy.margin for _ in guarded)]
    groups = [list(sets), *guarded]
    return tuple(
        _check(group, name, margin, policy) for group, name, margin in zip(groups, named, margins, strict=True)
    )


def _check(sets: Sequence[PairedSet], where: str, margin: float, policy: Policy) -> Check:
    shares = np.asarray([one.share for one in sets]) / sum(one.share for one in sets)
    before = float(shares @ np.asarray([one.before.mean() for one in sets]))
    after = float(shares @ np.asarray([one.after.mean() for one in sets]))
    difference = after - before
    scores, sizes = [np.stack([one.before, one.after]) for one in sets], [len(one.before) for one in sets]
    error = float("nan")
    if min(sizes) < LEAST_QUERIES:  # of so few items nothing is known but the metric's range
        span = float(shares @ [one.span for one in sets])
        bounds = Bounds(*(np.asarray([0.0, end]) for end in (-span, -span, span)))
    else:
        found = differences(scores, shares.tolist(), 0, draw(sizes, policy.draws, policy.seed))
        bounds, error = simultaneous(found, policy.confidence), float(found.error[1])
    lower, low, high = (float(ends[1]) for ends in bounds)
    outcome = _SHOWN if lower > -margin else _LOST if high < -margin else _OPEN
    scored = sum(one.scored for one in sets)
    needed = _needed(error, difference + margin, scored) if outcome == _OPEN else 0
    return Check(where, before, after, difference, lower, (low, high), margin, outcome, scored, needed)


def _needed(error: float, gap: float, scored: int) -> int:
    """Items in all, where so many scored ones gave this standard error and the difference is `gap` off the margin.

    0 where no number would settle it: the difference lies at the margin, as far as so many items can tell.
    """
    needed = queries_needed(error * float(np.sqrt(scored)), max(abs(gap), _HAIR))
    return max(needed, scored + 1) if 0 < needed <= HOPELESS * scored else 0
