"""No quantization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.types import Floats


@dataclass(frozen=True)
class Float32:
    """Vectors as they are: 4 bytes a component, the reference of every other quantizer."""

    def fit(self, documents: Floats) -> FittedFloat32:
        """Nothing is estimated."""
        return FittedFloat32()


class FittedFloat32:
    """Identity in both directions."""

    overhead_bytes = 0

    def encode(self, documents: Floats) -> NDArray[np.float32]:
        """float32 [n, d], contiguous."""
        return np.ascontiguousarray(documents, dtype=np.float32)

    def decode(self, codes: NDArray[np.float32]) -> Floats:
        """The codes are the vectors."""
        return codes

    def query(self, queries: Floats) -> Floats:
        """Queries as they are."""
        return queries
