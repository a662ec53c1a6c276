"""The last token's state."""

from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace


@dataclass(frozen=True)
class Last:
    """State of the last unmasked token, for left and right padding alike (decoder models, arXiv:2401.00368)."""

    native: ClassVar[bool] = False

    def pool(self, states: Any, mask: Any) -> Any:
        """Float [n, t, d] and bool [n, t] -> [n, d]; a text without tokens gives zeros."""
        xp = array_namespace(states)
        seen = xp.cumulative_sum(xp.astype(mask, xp.int32), axis=1)
        last = (mask & (seen == seen[:, -1:]))[:, :, None]
        return xp.sum(xp.where(last, states, xp.zeros_like(states)), axis=1, dtype=states.dtype)
