"""The model's own pooling."""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Native:
    """Takes the vector that the model's own modules make; the encoder applies it, so there is nothing to pool."""

    native: ClassVar[bool] = True

    def pool(self, states: Any, mask: Any) -> Any:
        """Raises TypeError: only an encoder knows its native pooling."""
        raise TypeError("native pooling is done by the encoder's own modules")
