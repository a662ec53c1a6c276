"""Product quantization by faiss: a vector's pieces, each replaced by the number of the nearest centroid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Deployed
from harness.types import Comparison, Floats, Inapplicable

_A_CENTROID = 256  # documents, as faiss has it
_TRAINED_ON = 2**16
_MOST_BITS = 12
_FEWEST = 39  # documents a centroid, as faiss asks for
_BY_PRODUCT = 16  # dimensions of a piece from which faiss encodes many rows by one matrix product


class FittedCodebooks:
    """A trained, empty faiss IndexPQ; a query's product with a decoded document is the asymmetric one (ADC)."""

    def __init__(self, index: Any, trained_on: int) -> None:
        self.index = index
        self.trained_on = trained_on

    @property
    def overhead_bytes(self) -> int:
        """Bytes of the centroids, stored once."""
        return int(4 * self.index.pq.centroids.size())

    def encode(self, documents: Floats) -> NDArray[np.uint8]:
        """float32 [n, d] -> uint8 [n, ceil(m x nbits / 8)], packed as faiss packs.

        Row by row where faiss would take the nearest centroid from a matrix product, which breaks close ties by the
        number of rows and threads.
        """
        pq = self.index.pq
        if pq.dsub < _BY_PRODUCT:
            codes: NDArray[np.uint8] = pq.compute_codes(documents)
            return codes
        import faiss

        codes = np.empty((len(documents), pq.code_size), dtype=np.uint8)
        for row, code in zip(np.ascontiguousarray(documents, dtype=np.float32), codes, strict=True):
            pq.compute_code(faiss.swig_ptr(row), faiss.swig_ptr(code))
        return codes

    def decode(self, codes: NDArray[np.uint8]) -> Floats:
        """uint8 [n, ceil(m x nbits / 8)] -> float32 [n, d], the centroids."""
        decoded: Floats = self.index.pq.decode(codes)
        return decoded

    def query(self, queries: Floats) -> Floats:
        """Queries as they are."""
        return queries

    @property
    def warning(self) -> str:
        """What a reader must know where there are so few documents that centroids all but copy them; else empty."""
        centroids = self.index.pq.ksub
        if self.trained_on >= _FEWEST * centroids:
            return ""
        return (
            f"{centroids} centroids were trained on {self.trained_on} documents: with fewer than "
            f"{_FEWEST * centroids} they all but copy the corpus, so this score is too good"
        )

    def deployed(self, documents: Floats, comparison: Comparison) -> Deployed | None:
        """A filled faiss IndexPQ; None for manhattan."""
        return None if comparison == "manhattan" else self.serving(self.encode(documents), comparison)

    def serving(self, codes: NDArray[np.uint8], comparison: Comparison) -> Any:
        """An IndexPQ that holds codes and compares by inner product or by euclidean distance."""
        import faiss

        index = faiss.clone_index(self.index)
        index.metric_type = faiss.METRIC_L2 if comparison == "euclidean" else faiss.METRIC_INNER_PRODUCT
        index.add_sa_codes(codes)
        return index


def codebooks(documents: Floats, m: int, nbits: int) -> FittedCodebooks:
    """2**nbits centroids for each of m pieces of float32 [n, d], by faiss' k-means with its fixed seed.

    faiss draws 256 documents a centroid, 65,536 at most. It works on one thread: on several, close ties fall otherwise.
    """
    import faiss

    index = faiss.IndexPQ(documents.shape[1], m, nbits)
    quiet(index.pq)
    with one_thread():
        index.train(documents)
    return FittedCodebooks(index, len(documents))


def quiet(pq: Any) -> None:
    """Let a faiss ProductQuantizer train on 65,536 documents at most, without a line on stderr where they are few."""
    pq.cp.max_points_per_centroid = min(_A_CENTROID, _TRAINED_ON // pq.ksub)
    pq.cp.min_points_per_centroid = 1


def pieces_of(name: str, m: int, nbits: int, documents: Floats) -> int:
    """m, or one piece for every 8 dimensions where it is 0.

    Inapplicable where it does not divide d, nbits is not 1 to 12 or documents are fewer than centroids.
    """
    n, width = documents.shape
    m = m or max(1, width // 8)
    if not 1 <= nbits <= _MOST_BITS:
        raise Inapplicable(f"{name}: nbits={nbits} is not between 1 and {_MOST_BITS}; 8 is usual")
    if m < 1 or width % m:
        divisors = [d for d in range(1, width + 1) if width % d == 0]
        near = sorted(sorted(divisors, key=lambda d: abs(d - m))[:3])
        raise Inapplicable(
            f"{name}: m={m} does not divide {width} dimensions; use quantization.m={', '.join(map(str, near))}"
        )
    if n < 2**nbits:
        raise Inapplicable(
            f"{name}: {n} documents are too few to train {2**nbits} centroids; "
            f"use quantization.nbits={max(1, n.bit_length() - 1)} or fewer"
        )
    return m


@contextmanager
def one_thread() -> Iterator[None]:
    """faiss on one thread, for results that do not depend on how many there are."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
