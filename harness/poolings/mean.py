"""Mean over tokens."""

from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace


@dataclass(frozen=True)
class Mean:
    """Average of the unmasked token states (Reimers and Gurevych 2019, arXiv:1908.10084)."""

    native: ClassVar[bool] = False

    def pool(self, states: Any, mask: Any) -> Any:
        """Float [n, t, d] and bool [n, t] -> [n, d]; a text without tokens gives zeros."""
        xp = array_namespace(states)
        weights = xp.astype(mask, states.dtype)[:, :, None]
        counts = xp.sum(weights, axis=1)
        return xp.sum(states * weights, axis=1) / xp.where(counts == 0, xp.ones_like(counts), counts)
