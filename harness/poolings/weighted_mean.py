"""Mean over tokens, the later ones counting more."""

from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace


@dataclass(frozen=True)
class WeightedMean:
    """Average of the unmasked token states, the i-th weighted by i, as SGPT pools decoders (arXiv:2202.08904).

    Positions count unmasked tokens alone, so padding on either side changes nothing. sentence-transformers'
    `weightedmean` is the same but where a prompt is left out of pooling: there the first token after it weighs more.
    """

    native: ClassVar[bool] = False

    def pool(self, states: Any, mask: Any) -> Any:
        """Float [n, t, d] and bool [n, t] -> [n, d]; a text without tokens gives zeros."""
        xp = array_namespace(states)
        kept = xp.where(mask[:, :, None], states, xp.zeros_like(states))
        exact = xp.float32 if xp.finfo(states.dtype).bits < 32 else states.dtype  # see mean
        positions = xp.cumulative_sum(xp.astype(mask, exact), axis=1)
        weights = xp.where(mask, positions, xp.zeros_like(positions))[:, :, None]
        total = xp.sum(weights, axis=1)
        summed = xp.sum(xp.astype(kept, exact) * weights, axis=1)
        return xp.astype(summed / xp.where(total == 0, xp.ones_like(total), total), states.dtype)
