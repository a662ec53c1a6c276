"""Half precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Deployed
from harness.scalar import scalar_index
from harness.types import Comparison, Floats, Inapplicable


@dataclass(frozen=True)
class Float16:
    """IEEE half precision documents, 2 bytes a component; queries stay float32."""

    def fit(self, documents: Floats) -> FittedFloat16:
        """Inapplicable where a component exceeds half precision's range (65504)."""
        largest = max(documents.max(initial=0), -documents.min(initial=0))
        if largest > float(np.finfo(np.float16).max):
            raise Inapplicable(
                "float16 cannot hold these vectors: a component is over 65504. Normalise them or use int8"
            )
        return FittedFloat16()


class FittedFloat16:
    """Rounds documents to half precision."""

    overhead_bytes = 0

    def encode(self, documents: Floats) -> NDArray[np.float16]:
        """float32 [n, d] -> float16 [n, d]."""
        return documents.astype(np.float16)

    def decode(self, codes: NDArray[np.float16]) -> Floats:
        """float16 [n, d] -> float32 [n, d], exact."""
        return codes.astype(np.float32)

    def query(self, queries: Floats) -> Floats:
        """Queries as they are."""
        return queries

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed | None:
        """faiss IndexScalarQuantizer QT_fp16; None for manhattan."""
        return scalar_index("QT_fp16", documents, comparison)
