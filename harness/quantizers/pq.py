"""Product quantization."""

from __future__ import annotations

from dataclasses import dataclass

from harness.codebooks import FittedCodebooks, codebooks, pieces_of
from harness.types import Floats


@dataclass(frozen=True)
class Pq:
    """m pieces of a vector, each coded in nbits as the nearest of 2**nbits centroids (Jegou et al. 2011; faiss).

    m = 0: one piece for every 8 dimensions. m x nbits / 8 bytes a document, beside the centroids. Those are faiss' own
    for its fixed seed, from 256 documents a centroid, 65,536 at most (faiss: without that end). Queries stay float32.
    """

    m: int = 0
    nbits: int = 8

    def fit(self, documents: Floats) -> FittedCodebooks:
        """Centroids of float32 [n, d]; Inapplicable if m does not divide d, nbits is not 1..12 or n < 2**nbits."""
        return codebooks(documents, pieces_of("pq", self.m, self.nbits, documents), self.nbits)
