"""One bit a component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.codebooks import one_thread
from harness.protocols import Deployed
from harness.types import Comparison, Floats


@dataclass(frozen=True)
class Binary:
    """Sign bits packed eight to a byte, compared by Hamming distance.

    The inner product of two +-1 vectors is d - 2 x Hamming, so the ranking, ties included, is the store's. Zero
    counts as positive here; faiss and sentence-transformers count it as negative, which matters only for zero rows.
    """

    def fit(self, documents: Floats) -> FittedBinary:
        """Only the width is kept."""
        return FittedBinary(documents.shape[1])


class FittedBinary:
    """Packs and unpacks `dim` bits; the last byte is padded with zero bits that decoding drops."""

    overhead_bytes = 0

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def encode(self, documents: Floats) -> NDArray[np.uint8]:
        """float32 [n, d] -> uint8 [n, ceil(d / 8)]."""
        return np.packbits(documents >= 0, axis=1)

    def decode(self, codes: NDArray[np.uint8]) -> Floats:
        """uint8 [n, ceil(d / 8)] -> float32 [n, d] of +-1."""
        bits = np.unpackbits(codes, axis=1, count=self.dim)
        result: Floats = bits.astype(np.float32) * np.float32(2) - np.float32(1)
        return result

    def query(self, queries: Floats) -> Floats:
        """float32 [q, d] -> float32 [q, d] of +-1, as the documents."""
        return np.where(queries >= 0, np.float32(1), np.float32(-1))

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed:
        """faiss IndexBinaryFlat: over +-1, Hamming distance ranks as every comparison does."""
        import faiss

        codes = self.encode(documents)
        index = faiss.IndexBinaryFlat(8 * codes.shape[1])
        index.add(codes)
        return HammingIndex(self, index)


class HammingIndex:
    """An IndexBinaryFlat that is asked with float vectors."""

    def __init__(self, fitted: FittedBinary, index: Any) -> None:
        self.fitted = fitted
        self.index = index

    def search(self, queries: Any, k: int, /) -> Any:
        """float32 [q, d] -> Hamming distances int32 [q, k], nearest first, and positions int64 [q, k].

        On one thread, as faiss' other flat indexes work for one query: waiting for a second one costs milliseconds.
        """
        with one_thread():
            return self.index.search(self.fitted.encode(queries), k)
