"""Lists around centroids."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from harness.indexes.flat import Flat
from harness.indexes.ivf import Ivf
from harness.types import Comparison, HarnessError, Inapplicable
from tests.indexes.oracle import OnDemand, corpus, names, none, same
from tests.material import clustered, overlap

faiss = pytest.importorskip("faiss")
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
DOCUMENTS, QUERIES, IDS = clustered(1200, 24, 1), clustered(40, 24, 2), names(1200, 3)


def test_two_far_groups_are_two_lists_and_one_probe_sees_one_of_them() -> None:
    rows = np.array([[0, 0], [0, 1], [1, 0], [50, 50], [50, 51]], np.float32)
    query = np.array([[1, 1]], np.float32)
    near = Ivf(lists=2, probes=1).build(rows, ["a", "b", "c", "d", "e"], "euclidean").search(query, 5, none(1))
    assert near.documents.tolist() == [[2, 1, 0, -1, -1]]
    assert np.allclose(near.scores, [[-1, -1, -(2**0.5), -np.inf, -np.inf]], rtol=0, atol=1e-7)
    both = Ivf(lists=2, probes=2).build(rows, ["a", "b", "c", "d", "e"], "euclidean").search(query, 5, none(1))
    assert both.documents.tolist() == [[2, 1, 0, 3, 4]]


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("kind", ["bits", "copies", "random"])
@pytest.mark.parametrize("k", [1, 10, 400, 703])
def test_with_all_lists_it_is_exact_search_ties_included(comparison: Comparison, kind: str, k: int) -> None:
    documents, ids = corpus(kind, 700, 8), names(700, 2)
    queries = np.concatenate([clustered(8, 8, 2), corpus("bits", 4, 8), np.zeros((1, 8), np.float32)])
    excluded = np.random.default_rng(1).integers(-1, 700, size=len(queries)).astype(np.int32)
    found = Ivf(lists=20, probes=20).build(documents, ids, comparison).search(queries, k, excluded)
    assert same(found, Flat().build(documents, ids, comparison).search(queries, k, excluded))


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_most_are_found_in_a_few_lists_and_more_in_more(comparison: Comparison) -> None:
    def found_by(part: Any) -> list[set[int]]:
        ranking = part.build(DOCUMENTS, IDS, comparison).search(QUERIES, 10, none(40))
        return [set(row) for row in ranking.documents.tolist()]

    exact = found_by(Flat())
    recalls = [overlap(exact, found_by(Ivf(60, probes))) for probes in (1, 15, 60)]
    assert recalls[0] < recalls[1] - 0.1
    assert recalls[1] > 0.9
    assert recalls[2] == 1


def test_lists_are_four_times_the_root_of_the_documents_unless_named() -> None:
    assert Ivf().build(DOCUMENTS, IDS, "dot").index.nlist == 139
    assert Ivf(7).build(DOCUMENTS, IDS, "dot").index.nlist == 7
    assert Ivf().build(DOCUMENTS[:5], IDS[:5], "dot").index.nlist == 5


def test_fewer_lists_than_probes_are_all_looked_into() -> None:
    found = Ivf(probes=8).build(DOCUMENTS[:3], IDS[:3], "dot").search(QUERIES[:4], 3, none(4))
    assert same(found, Flat().build(DOCUMENTS[:3], IDS[:3], "dot").search(QUERIES[:4], 3, none(4)))


def test_the_same_input_gives_the_same_lists_with_any_number_of_threads() -> None:
    before, lists = faiss.omp_get_max_threads(), []
    for threads in (1, 4, 4):
        faiss.omp_set_num_threads(threads)
        lists.append(faiss.serialize_index(Ivf(30).build(DOCUMENTS, IDS, "dot").index).tobytes())
    faiss.omp_set_num_threads(before)
    assert lists[0] == lists[1] == lists[2]


def test_an_excluded_document_is_never_found_and_leaves_no_hole() -> None:
    built = Ivf().build(DOCUMENTS, IDS, "dot")
    first = built.search(QUERIES, 11, none(40))
    without = built.search(QUERIES, 10, first.documents[:, 0])
    assert np.array_equal(without.documents, first.documents[:, 1:])


@pytest.mark.parametrize("exponent", [-100, 100])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_vectors_of_any_scale_are_found(comparison: Comparison, exponent: int) -> None:
    big, asked = np.ldexp(DOCUMENTS, exponent), np.ldexp(QUERIES, exponent)
    found = Ivf(9, 9).build(big, IDS, comparison).search(asked, 10, none(40))
    plain = Flat().build(DOCUMENTS, IDS, comparison).search(QUERIES, 10, none(40))
    assert np.array_equal(found.documents, plain.documents)


def test_centroids_are_trained_on_some_documents_and_the_rest_come_in_blocks(monkeypatch: Any) -> None:
    monkeypatch.setattr("harness.ranking.BLOCK_ROWS", 100)
    rows = OnDemand(DOCUMENTS)
    Ivf(lists=5).build(rows, IDS, "dot")
    asked = sorted(rows.asked)
    assert asked[-1] == 5 * 64
    assert asked[-2] == 100


def test_its_bytes_are_those_that_faiss_writes_beside_the_vectors() -> None:
    for lists in (1, 40):
        built = Ivf(lists).build(DOCUMENTS, IDS, "dot")
        beside = len(faiss.serialize_index(built.index)) - DOCUMENTS.nbytes
        assert built.overhead_bytes <= beside < built.overhead_bytes + 2000
        assert built.overhead_bytes >= lists * 24 * 4 + 8 * 1200


def test_one_document_is_a_list(capfd: Any) -> None:
    found = Ivf().build(DOCUMENTS[:1], IDS[:1], "dot").search(QUERIES[:3], 4, none(3))
    assert found.documents.tolist() == [[0, -1, -1, -1]] * 3
    assert capfd.readouterr() == ("", ""), "faiss says nothing to the terminal"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Ivf(probes=0), "ivf: probes=0 looks into no list"),
        (Ivf(lists=-1), "ivf: lists=-1"),
        (Ivf(lists=1201), "ivf: lists=1201 of 1200 documents"),
    ],
)
def test_a_parameter_that_makes_no_lists_is_refused(part: Ivf, said: str) -> None:
    with pytest.raises(Inapplicable, match=said):
        part.build(DOCUMENTS, IDS, "dot")


def test_values_that_are_not_finite_are_refused_on_both_sides() -> None:
    bad = np.array([[np.nan] * 24], np.float32)
    with pytest.raises(HarnessError, match="1 of 1 document vectors are not finite"):
        Ivf().build(bad, ["a"], "dot")
    with pytest.raises(HarnessError, match="1 of 1 query vectors are not finite"):
        Ivf().build(DOCUMENTS[:9], IDS[:9], "dot").search(bad, 2, none(1))
