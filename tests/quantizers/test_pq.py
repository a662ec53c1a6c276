"""Product quantization, plain and after a rotation; faiss used directly is the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.quantizers.opq import Opq
from harness.quantizers.pq import Pq
from harness.types import Inapplicable
from tests.material import clustered, overlap, top

faiss = pytest.importorskip("faiss")
DOCUMENTS, QUERIES = clustered(700, 32, 1), clustered(40, 32, 2)
BOTH = pytest.mark.parametrize("part", [Pq, Opq])


def overlap_of(part: Any) -> float:
    fitted = part.fit(DOCUMENTS)
    return overlap(top(DOCUMENTS, QUERIES), top(fitted.decode(fitted.encode(DOCUMENTS)), QUERIES))


@pytest.mark.parametrize(("m", "nbits", "code_bytes"), [(8, 8, 8), (4, 5, 3), (16, 4, 8), (2, 6, 2), (1, 1, 1)])
def test_codes_and_decoded_vectors_equal_those_of_faiss(m: int, nbits: int, code_bytes: int) -> None:
    index = faiss.IndexPQ(32, m, nbits)
    index.train(DOCUMENTS)
    fitted = Pq(m, nbits).fit(DOCUMENTS)
    codes = fitted.encode(DOCUMENTS)
    theirs = index.sa_encode(DOCUMENTS)
    assert codes.shape == (700, code_bytes)
    assert np.array_equal(codes, theirs)
    assert np.array_equal(fitted.decode(codes), index.sa_decode(theirs))
    assert fitted.overhead_bytes == 2**nbits * 32 * 4


def test_the_product_with_decoded_documents_is_the_asymmetric_one_of_faiss() -> None:
    fitted = Pq(8, 6).fit(DOCUMENTS)
    decoded = fitted.decode(fitted.encode(DOCUMENTS))
    scores, found = fitted.deployed(DOCUMENTS, "dot").search(fitted.query(QUERIES), 10)  # type: ignore[union-attr]
    np.testing.assert_allclose(scores, np.take_along_axis(QUERIES @ decoded.T, found, axis=1), rtol=1e-5)
    assert fitted.query(QUERIES).tobytes() == QUERIES.tobytes()


@pytest.mark.parametrize(("m", "nbits"), [(4, 8), (8, 3), (1, 5)])
def test_rotation_codes_and_decoded_vectors_equal_those_of_faiss(m: int, nbits: int) -> None:
    rotation, pq = faiss.OPQMatrix(32, m), faiss.ProductQuantizer(32, m, nbits)
    rotation.pq = pq
    index = faiss.IndexPreTransform(rotation, faiss.IndexPQ(32, m, nbits))
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    index.train(DOCUMENTS)
    faiss.omp_set_num_threads(threads)
    fitted = Opq(m, nbits).fit(DOCUMENTS)
    codes, theirs = fitted.encode(DOCUMENTS), index.sa_encode(DOCUMENTS)
    assert np.array_equal(codes, theirs)
    np.testing.assert_allclose(fitted.decode(codes), index.sa_decode(theirs), atol=1e-6)
    assert fitted.overhead_bytes == 2**nbits * 32 * 4 + 32 * 32 * 4


@BOTH
def test_more_pieces_keep_more_and_a_rotation_loses_less(part: Any) -> None:
    kept = [overlap_of(part(m, 4)) for m in (2, 8, 16)]
    assert kept == sorted(kept)
    assert kept[2] > kept[0] + 0.2


def test_a_rotation_makes_the_error_smaller() -> None:
    errors = []
    for part in (Pq(8, 4), Opq(8, 4)):
        fitted = part.fit(DOCUMENTS)
        errors.append(float(((fitted.decode(fitted.encode(DOCUMENTS)) - DOCUMENTS) ** 2).sum()))
    assert errors[1] < 0.9 * errors[0]


@BOTH
@pytest.mark.parametrize("m", [1, 8])
def test_neither_runs_nor_threads_nor_chunks_change_a_code(part: Any, m: int) -> None:
    threads, found = faiss.omp_get_max_threads(), []
    for some in (1, 2, 3):
        faiss.omp_set_num_threads(some)
        fitted = part(m, 5).fit(DOCUMENTS)
        assert faiss.omp_get_max_threads() == some, "the number of threads is given back"
        found.append(fitted.encode(DOCUMENTS).tobytes() + fitted.decode(fitted.encode(QUERIES)).tobytes())
        pieces = [fitted.encode(DOCUMENTS[i : i + 9]) for i in range(0, 700, 9)]
        assert np.concatenate(pieces).tobytes() == fitted.encode(DOCUMENTS).tobytes()
    faiss.omp_set_num_threads(threads)
    assert len(set(found)) == 1


@BOTH
@pytest.mark.parametrize(
    ("m", "nbits", "n", "reason"),
    [
        (5, 4, 700, "m=5 does not divide 32 dimensions; use quantization.m=2, 4, 8"),
        (48, 4, 700, "m=48 does not divide 32 dimensions; use quantization.m=8, 16, 32"),
        (-1, 4, 700, "m=-1 does not divide"),
        (8, 0, 700, "nbits=0 is not between 1 and 12"),
        (8, 13, 700, "nbits=13 is not between 1 and 12"),
        (8, 8, 255, "255 documents are too few to train 256 centroids; use quantization.nbits=7"),
    ],
)
def test_what_faiss_would_trip_over_does_not_apply(part: Any, m: int, nbits: int, n: int, reason: str) -> None:
    with pytest.raises(Inapplicable, match=reason):
        part(m, nbits).fit(DOCUMENTS[:n])


@BOTH
def test_as_many_documents_as_centroids_are_enough_and_nothing_is_said_on_stderr(
    part: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    fitted = part(4, 6).fit(DOCUMENTS[:64])
    np.testing.assert_allclose(fitted.decode(fitted.encode(DOCUMENTS[:64])), DOCUMENTS[:64], atol=1e-5)
    assert capfd.readouterr() == ("", "")


def test_without_a_number_of_pieces_there_is_one_for_every_8_dimensions() -> None:
    width = DOCUMENTS.shape[1]
    assert Pq(0, 4).fit(DOCUMENTS).encode(DOCUMENTS[:1]).shape[1] == -(-(width // 8) * 4 // 8)
    with pytest.raises(Inapplicable, match="m=3 does not divide 28 dimensions"):
        Pq().fit(DOCUMENTS[:, :28].copy())


def test_a_rotation_needs_as_many_documents_as_dimensions() -> None:
    with pytest.raises(Inapplicable, match="31 documents cannot fix a rotation of 32 dimensions"):
        Opq(8, 4).fit(DOCUMENTS[:31])
    Opq(8, 4).fit(DOCUMENTS[:32])


@BOTH
def test_centroids_of_a_few_documents_come_with_a_warning(part: Any) -> None:
    assert "with fewer than 624 they all but copy the corpus" in part(8, 4).fit(DOCUMENTS[:623]).warning
    assert part(8, 4).fit(DOCUMENTS[:624]).warning == ""
