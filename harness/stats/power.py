"""What a number of items can show, and how many it takes."""

from __future__ import annotations

import numpy as np

_SETTLED = 2.4865  # z(95 %) + z(80 %): 80 % power at 5 % one-sided


def queries_needed(sd: float, gap: float) -> int:
    """Queries at which a mean `gap` away from the limit is told from it: 80 % power, 5 % one-sided; 0 if unknown."""
    return int(np.ceil((_SETTLED * sd / gap) ** 2)) if gap > 0 and np.isfinite(sd) else 0
