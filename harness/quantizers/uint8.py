"""Eight-bit scalar quantization to unsigned bytes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.scalar import UNSIGNED, FittedScalar, even, ranges
from harness.types import Floats


@dataclass(frozen=True)
class Uint8:
    """One byte from 0 to 255 a component, from each dimension's minimum to its maximum over the documents.

    The ranges are those of sentence-transformers' `uint8`, which rounds down where we round to the nearest. It ranks
    as `int8` does; for stores that have no signed bytes. Queries stay float32.
    """

    def fit(self, documents: Floats) -> FittedScalar:
        """Ranges from float32 [n, d] documents; Inapplicable with no documents."""
        return even(UNSIGNED, *ranges(documents, "uint8"))
