"""The graph of near neighbours."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from harness.indexes.flat import Flat
from harness.indexes.hnsw import Hnsw
from harness.types import Comparison, HarnessError, Inapplicable
from tests.indexes.oracle import OnDemand, exact_scores, names, none, same
from tests.material import clustered, overlap

faiss = pytest.importorskip("faiss")
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
DOCUMENTS, QUERIES, IDS = clustered(1200, 24, 1), clustered(40, 24, 2), names(1200, 3)


def found_by(part: Any, comparison: Comparison, k: int = 10) -> list[set[int]]:
    ranking = part.build(DOCUMENTS, IDS, comparison).search(QUERIES, k, none(len(QUERIES)))
    return [set(row) for row in ranking.documents.tolist()]


def test_in_a_graph_of_four_documents_each_is_found_by_hand() -> None:
    rows, query = np.array([[0, 0], [3, 4.5], [5, 0], [6, 5]], np.float32), np.array([[3, 1]], np.float32)
    orders = {"dot": [3, 2, 1, 0], "euclidean": [2, 0, 1, 3], "manhattan": [2, 1, 0, 3]}
    for comparison in COMPARISONS:
        found = Hnsw().build(rows, ["a", "b", "c", "d"], comparison).search(query, 5, none(1))
        assert found.documents.tolist() == [[*orders[comparison], -1]]
        assert found.scores[0, -1] == -np.inf


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_nearly_everything_is_found_and_scored_as_exact_search_scores_it(comparison: Comparison) -> None:
    exact = Flat().build(DOCUMENTS, IDS, comparison).search(QUERIES, 10, none(40))
    found = Hnsw().build(DOCUMENTS, IDS, comparison).search(QUERIES, 10, none(40))
    hit = found.documents == exact.documents
    assert hit.mean() > 0.97
    assert np.array_equal(found.scores[hit], exact.scores[hit])
    for query, documents, scores in zip(QUERIES, found.documents, found.scores, strict=True):
        assert np.allclose(scores, exact_scores(query, DOCUMENTS, comparison)[documents], rtol=0, atol=2e-8)


def test_more_documents_in_hand_miss_fewer() -> None:
    exact = found_by(Flat(), "dot")
    recalls = [overlap(exact, found_by(Hnsw(3, 5, ef), "dot")) for ef in (1, 30, 1000)]
    assert recalls[0] < recalls[1] - 0.02 < recalls[2]


def test_as_many_as_are_asked_for_are_kept_in_hand_and_found() -> None:
    few = Hnsw(ef_search=1).build(DOCUMENTS, IDS, "dot").search(QUERIES, 50, none(40))
    assert (few.documents >= 0).all()
    assert same(few, Hnsw(ef_search=52).build(DOCUMENTS, IDS, "dot").search(QUERIES, 50, none(40)))


def test_the_same_input_gives_the_same_graph_with_any_number_of_threads() -> None:
    before, graphs = faiss.omp_get_max_threads(), []
    for threads in (1, 4, 4):
        faiss.omp_set_num_threads(threads)
        graphs.append(faiss.serialize_index(Hnsw(8, 40).build(DOCUMENTS, IDS, "dot").index).tobytes())
    faiss.omp_set_num_threads(before)
    assert graphs[0] == graphs[1] == graphs[2]


def test_an_excluded_document_is_never_found_and_leaves_no_hole() -> None:
    built = Hnsw().build(DOCUMENTS, IDS, "dot")
    first = built.search(QUERIES, 11, none(40))
    without = built.search(QUERIES, 10, first.documents[:, 0])
    assert np.array_equal(without.documents, first.documents[:, 1:])


def test_copies_rank_by_id_descending() -> None:
    rows = np.repeat(clustered(40, 8, 1), 3, axis=0)
    ids = names(120, 6)
    found = Hnsw().build(rows, ids, "euclidean").search(clustered(5, 8, 2), 9, none(5)).documents
    for row in found:
        for a, b in zip(row[:-1], row[1:], strict=True):
            assert a // 3 != b // 3 or ids[a] > ids[b]


def test_rows_on_demand_and_rows_in_memory_are_one_graph() -> None:
    rows = OnDemand(DOCUMENTS)
    found = Hnsw(8, 40).build(rows, IDS, "dot").search(QUERIES, 10, none(40))
    assert same(found, Hnsw(8, 40).build(DOCUMENTS, IDS, "dot").search(QUERIES, 10, none(40)))


@pytest.mark.parametrize("exponent", [-100, 100])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_vectors_of_any_scale_are_found(comparison: Comparison, exponent: int) -> None:
    big, asked = np.ldexp(DOCUMENTS[:200], exponent), np.ldexp(QUERIES, exponent)
    found = Hnsw().build(big, IDS[:200], comparison).search(asked, 10, none(40))
    plain = Flat().build(DOCUMENTS[:200], IDS[:200], comparison).search(QUERIES, 10, none(40))
    assert (found.documents == plain.documents).mean() > 0.98


def test_its_bytes_are_those_that_faiss_writes_beside_the_vectors() -> None:
    for m in (2, 16):
        built = Hnsw(m, 20).build(DOCUMENTS, IDS, "dot")
        beside = len(faiss.serialize_index(built.index)) - DOCUMENTS.nbytes
        assert built.overhead_bytes <= beside < built.overhead_bytes + 2000
        assert built.overhead_bytes > 2 * m * 4 * len(DOCUMENTS)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_documents_are_a_graph(n: int) -> None:
    found = Hnsw().build(DOCUMENTS[:n], IDS[:n], "dot").search(QUERIES[:3], 4, none(3))
    assert ((found.documents >= 0).sum(axis=1) == n).all()
    assert found.complete.all()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Hnsw(1), "hnsw: m=1 links nothing"),
        (Hnsw(ef_construction=0), "hnsw: ef_construction=0 keeps nothing"),
        (Hnsw(ef_search=-3), "hnsw: ef_search=-3 keeps nothing"),
    ],
)
def test_a_parameter_that_makes_no_graph_is_refused(part: Hnsw, said: str) -> None:
    with pytest.raises(Inapplicable, match=said):
        part.build(DOCUMENTS, IDS, "dot")


def test_values_that_are_not_finite_are_refused_on_both_sides() -> None:
    bad = np.array([[np.nan] * 24], np.float32)
    with pytest.raises(HarnessError, match="1 of 1 document vectors are not finite"):
        Hnsw().build(bad, ["a"], "dot")
    with pytest.raises(HarnessError, match="1 of 1 query vectors are not finite"):
        Hnsw().build(DOCUMENTS[:9], IDS[:9], "dot").search(bad, 2, none(1))
