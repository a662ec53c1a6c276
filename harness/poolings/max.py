"""Largest value of each component."""

from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace


@dataclass(frozen=True)
class Max:
    """Component-wise maximum over the unmasked token states (arXiv:1908.10084, the MAX strategy)."""

    native: ClassVar[bool] = False

    def pool(self, states: Any, mask: Any) -> Any:
        """Float [n, t, d] and bool [n, t] -> [n, d]; a text without tokens gives zeros."""
        xp = array_namespace(states)
        low = xp.full_like(states, -float("inf"))
        highest = xp.max(xp.where(mask[:, :, None], states, low), axis=1)
        return xp.where(xp.any(mask, axis=1)[:, None], highest, xp.zeros_like(highest))
