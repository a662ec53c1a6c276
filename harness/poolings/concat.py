"""Several poolings side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace

from harness.protocols import Pooling
from harness.types import HarnessError


@dataclass(frozen=True)
class Concat:
    """The vectors of several poolings one after the other, in the order of `of`, as sentence-transformers joins modes.

    Each keeps its own length, so the longer ones weigh more in a similarity. HarnessError where `of` is empty, or
    holds native pooling, which is the encoder's own, or another concat, which would be the same as a longer list.
    """

    of: tuple[Pooling, ...]
    native: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses what cannot be joined before a model is loaded for it."""
        if not self.of:
            raise HarnessError("pooling concat: of is empty; name the poolings to join, such as cls and mean")
        if any(getattr(one, "native", False) or isinstance(one, Concat) for one in self.of):
            raise HarnessError("pooling concat: of must hold plain poolings (cls, mean ...), not native or concat")

    def pool(self, states: Any, mask: Any) -> Any:
        """Float [n, t, d] and bool [n, t] -> [n, d x number of poolings]; a text without tokens gives zeros."""
        return array_namespace(states).concat([one.pool(states, mask) for one in self.of], axis=-1)
