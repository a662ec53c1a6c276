"""Sum over tokens, divided by the square root of their number."""

from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace


@dataclass(frozen=True)
class MeanSqrtLen:
    """Sum of the unmasked token states over the root of their number (sentence-transformers' `mean_sqrt_len_tokens`).

    The direction is that of the mean, so only a similarity that looks at lengths tells the two apart.
    """

    native: ClassVar[bool] = False

    def pool(self, states: Any, mask: Any) -> Any:
        """Float [n, t, d] and bool [n, t] -> [n, d]; a text without tokens gives zeros."""
        xp = array_namespace(states)
        kept = xp.where(mask[:, :, None], states, xp.zeros_like(states))
        exact = xp.float32 if xp.finfo(states.dtype).bits < 32 else states.dtype  # see mean
        counts = xp.sum(xp.astype(mask, exact), axis=1)[:, None]
        summed = xp.sum(kept, axis=1, dtype=exact)
        return xp.astype(summed / xp.sqrt(xp.where(counts == 0, xp.ones_like(counts), counts)), states.dtype)
