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
        kept = xp.where(mask[:, :, None], states, xp.zeros_like(states))
        # Half precision overflows on the sum of a long text: added up in float32, as sentence-transformers does.
        exact = xp.float32 if xp.finfo(states.dtype).bits < 32 else states.dtype
        counts = xp.sum(xp.astype(mask, exact), axis=1)[:, None]
        mean = xp.sum(kept, axis=1, dtype=exact) / xp.where(counts == 0, xp.ones_like(counts), counts)
        return xp.astype(mean, states.dtype)
