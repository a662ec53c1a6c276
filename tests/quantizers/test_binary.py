"""One bit a component, compared by Hamming distance."""

from __future__ import annotations

import numpy as np
import pytest

from harness.indexes.flat import Flat
from harness.quantizers.binary import Binary
from tests.material import clustered


def test_sign_bits_are_packed_and_come_back_as_plus_and_minus_one() -> None:
    documents = np.array([[0.5, -0.5, 0.0, -1e-9, 3, 3, 3, -3, 1, -1]], np.float32)
    fitted = Binary().fit(documents)
    codes = fitted.encode(documents)
    assert codes.tolist() == [[0b10101110, 0b10000000]]
    assert fitted.decode(codes).tolist() == [[1, -1, 1, -1, 1, 1, 1, -1, 1, -1]]
    assert fitted.query(documents).tolist() == fitted.decode(codes).tolist()


@pytest.mark.parametrize(("dim", "bytes_a_document"), [(384, 48), (96, 12), (7, 1), (9, 2), (250, 32)])
def test_a_document_takes_a_byte_for_eight_dimensions_rounded_up(dim: int, bytes_a_document: int) -> None:
    documents = clustered(5, dim, 1)
    fitted = Binary().fit(documents)
    codes = fitted.encode(documents)
    assert codes.shape == (5, bytes_a_document)
    assert codes.dtype == np.uint8
    assert fitted.decode(codes).shape == (5, dim)


@pytest.mark.parametrize("dim", [64, 12, 250])
def test_the_ranking_with_all_its_ties_is_that_of_faiss_hamming_distances(dim: int) -> None:
    faiss = pytest.importorskip("faiss")
    documents, queries = clustered(300, dim, 1), clustered(25, dim, 2)
    fitted = Binary().fit(documents)
    codes = fitted.encode(documents)
    index = faiss.IndexBinaryFlat(codes.shape[1] * 8)
    index.add(codes)
    distances, found = index.search(fitted.encode(queries), 300)
    ids = [f"d{i:03}" for i in range(300)]
    built = Flat().build(fitted.decode(codes), ids, "dot")
    ranking = built.search(fitted.query(queries), 300, np.full(25, -1, np.int32))
    np.testing.assert_array_equal(ranking.scores, dim - 2 * distances.astype(np.float64))
    for q in range(25):
        by_faiss = sorted(
            zip(distances[q].tolist(), found[q].tolist(), strict=True), key=lambda pair: (pair[0], -pair[1])
        )
        assert ranking.documents[q].tolist() == [document for _, document in by_faiss]
    assert all(len(set(row.tolist())) < 300 for row in ranking.scores), "ties were meant to occur"
