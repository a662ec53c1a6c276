"""Product quantization after a rotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.codebooks import FittedCodebooks, codebooks, one_thread, pieces_of, quiet
from harness.projection import drawn
from harness.protocols import Deployed
from harness.ranking import blocks
from harness.types import Comparison, Doubles, Floats, Inapplicable

_ROTATED_ON = 2**14  # documents: 50 rounds of k-means over them take minutes at 384 dimensions


@dataclass(frozen=True)
class Opq:
    """Vectors turned so that product quantization loses least, then coded as `pq` (Ge et al. 2013; faiss' OPQMatrix).

    The rotation is faiss' for its fixed seed and 50 rounds, from at most 16,384 documents (faiss: 65,536) with
    centroids of the same nbits (faiss' factory: always 8); centroids come from rotated documents as in `pq`.
    Training runs on one thread: about a minute for 5,000 documents of 384 dimensions. Queries stay float32.
    """

    m: int = 0
    nbits: int = 8

    def fit(self, documents: Floats) -> FittedOpq:
        """Rotation and centroids of float32 [n, d]; Inapplicable where `pq` is, or n < d."""
        m = pieces_of("opq", self.m, self.nbits, documents)
        n, width = documents.shape
        if n < width:  # faiss would write beyond its memory
            raise Inapplicable(f"opq: {n} documents cannot fix a rotation of {width} dimensions; use quantization=pq")
        rows = drawn(documents)
        rotation = _rotation(rows, m, self.nbits)
        return FittedOpq(rotation, codebooks(_turned(rows, rotation.T), m, self.nbits))


class FittedOpq:
    """rotation: float64 [d, d], applied in float64 so that the number of rows at once leaves no trace."""

    def __init__(self, rotation: Doubles, codebooks: FittedCodebooks) -> None:
        self.rotation = rotation
        self.codebooks = codebooks

    @property
    def warning(self) -> str:
        """See `FittedCodebooks`."""
        return self.codebooks.warning

    @property
    def overhead_bytes(self) -> int:
        """Bytes of the centroids and of the rotation in float32, stored once."""
        return 4 * self.rotation.size + self.codebooks.overhead_bytes

    def encode(self, documents: Floats) -> NDArray[np.uint8]:
        """float32 [n, d] -> uint8 [n, ceil(m x nbits / 8)], packed as faiss packs."""
        return self.codebooks.encode(_turned(documents, self.rotation.T))

    def decode(self, codes: NDArray[np.uint8]) -> Floats:
        """uint8 [n, ceil(m x nbits / 8)] -> float32 [n, d], the centroids turned back."""
        return _turned(self.codebooks.decode(codes), self.rotation)

    def query(self, queries: Floats) -> Floats:
        """Queries as they are."""
        return queries

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed | None:
        """A filled faiss IndexPreTransform of rotation and IndexPQ; None for manhattan."""
        if comparison == "manhattan":
            return None
        import faiss

        width = len(self.rotation)
        turn = faiss.LinearTransform(width, width)
        faiss.copy_array_to_vector(self.rotation.astype(np.float32).ravel(), turn.A)
        turn.is_trained = True
        codes = np.concatenate([self.encode(documents[block]) for block in blocks(len(documents))])
        return faiss.IndexPreTransform(turn, self.codebooks.serving(codes, comparison))


def _rotation(documents: Floats, m: int, nbits: int) -> Doubles:
    """float64 [d, d], of which row i gives the i-th rotated component."""
    import faiss

    width = documents.shape[1]
    turn, pq = faiss.OPQMatrix(width, m), faiss.ProductQuantizer(width, m, nbits)
    quiet(pq)
    turn.pq, turn.max_train_points = pq, _ROTATED_ON
    with one_thread():
        turn.train(documents)
    return faiss.vector_to_array(turn.A).reshape(width, width).astype(np.float64)


def _turned(vectors: Floats, matrix: Doubles) -> Floats:
    result = np.empty_like(vectors, dtype=np.float32)
    for block in blocks(len(vectors)):
        result[block] = vectors[block].astype(np.float64) @ matrix
    return result
