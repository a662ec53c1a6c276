"""Brain floating point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Deployed
from harness.scalar import scalar_index
from harness.types import Comparison, Floats, Inapplicable

_RANGE = 3.3961775e38  # from here on the nearest bfloat16 is infinity


@dataclass(frozen=True)
class Bfloat16:
    """The upper half of a float32, rounded to nearest even as torch does: float32's range, 3 significant digits.

    2 bytes a component; queries stay float32.
    """

    def fit(self, documents: Floats) -> FittedBfloat16:
        """Inapplicable where a component is so large that it would become infinity."""
        if max(documents.max(initial=0), -documents.min(initial=0)) >= _RANGE:
            raise Inapplicable("bfloat16 cannot hold these vectors: a component is over 3.39e38. Use float32")
        return FittedBfloat16()


class FittedBfloat16:
    """Rounds documents; numpy has no bfloat16, so codes are its bits."""

    overhead_bytes = 0

    def encode(self, documents: Floats) -> NDArray[np.uint16]:
        """float32 [n, d] -> uint16 [n, d]."""
        bits = np.ascontiguousarray(documents, dtype=np.float32).view(np.uint32)
        even = (bits >> 16) & 1
        return ((bits + even + np.uint32(0x7FFF)) >> 16).astype(np.uint16)

    def decode(self, codes: NDArray[np.uint16]) -> Floats:
        """uint16 [n, d] -> float32 [n, d], exact."""
        return (codes.astype(np.uint32) << 16).view(np.float32)

    def query(self, queries: Floats) -> Floats:
        """Queries as they are."""
        return queries

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed | None:
        """faiss IndexScalarQuantizer QT_bf16; None for manhattan."""
        return scalar_index("QT_bf16", documents, comparison)
