"""What a number of items can show, and how many it takes."""

from __future__ import annotations

import numpy as np

HOPELESS = 1000  # times the items at hand: a gap so small is not known from these, and no number would be believed
_TWO_SIDED = 2.80  # z(97.5 %) + z(80 %): 80 % power at 5 % two-sided
_ONE_SIDED = 2.4865  # z(95 %) + z(80 %): 80 % power at 5 % one-sided


def detectable(sd: float, queries: int) -> float:
    """The mean difference that so many paired differences of this spread would show: 80 % power, 5 % two-sided.

    2.80 sd / sqrt(n), the normal approximation; under 30 items Student's t asks for up to a tenth more.
    """
    return float(_TWO_SIDED * sd / np.sqrt(queries))


def queries_needed(sd: float, gap: float) -> int:
    """Queries at which a mean `gap` away from the limit is told from it: 80 % power, 5 % one-sided; 0 if unknown."""
    return int(np.ceil((_ONE_SIDED * sd / gap) ** 2)) if gap > 0 and np.isfinite(sd) else 0
