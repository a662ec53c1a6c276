"""What was made of the sets of texts that are in use."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

_KEPT = 16
T = TypeVar("T")


class Recent(Generic[T]):
    """What was made of the last sixteen sets of texts; a set is known by being the same object."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, Hashable], tuple[Sequence[str], T]] = {}

    def of(self, texts: Sequence[str], name: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave for these texts under this name."""
        at = (id(texts), name)
        found = self._made.pop(at) if at in self._made else (texts, make())
        self._made[at] = found  # with the texts, so that the id cannot come to mean others; the last used stands last
        if len(self._made) > _KEPT:
            del self._made[next(iter(self._made))]
        return found[1]
