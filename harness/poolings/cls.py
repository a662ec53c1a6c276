"""The first token's state."""

from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace


@dataclass(frozen=True)
class Cls:
    """State of the first unmasked token, so it is right under left padding too (BERT's [CLS], arXiv:1810.04805)."""

    native: ClassVar[bool] = False

    def pool(self, states: Any, mask: Any) -> Any:
        """Float [n, t, d] and bool [n, t] -> [n, d]; a text without tokens gives zeros."""
        xp = array_namespace(states)
        seen = xp.cumulative_sum(xp.astype(mask, xp.int32), axis=1)
        first = (mask & (seen == 1))[:, :, None]
        return xp.sum(xp.where(first, states, xp.zeros_like(states)), axis=1, dtype=states.dtype)
