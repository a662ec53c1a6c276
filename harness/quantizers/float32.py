"""No quantization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Deployed
from harness.types import Comparison, Floats


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

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed:
        """faiss IndexFlat, for every comparison."""
        import faiss

        metrics = {"dot": faiss.METRIC_INNER_PRODUCT, "euclidean": faiss.METRIC_L2, "manhattan": faiss.METRIC_L1}
        index = faiss.IndexFlat(documents.shape[1], metrics[comparison])
        index.add(documents)
        return index
