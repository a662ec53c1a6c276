"""Exact search by distance, and by any comparison at the ends of what float32 holds."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from harness.indexes import flat
from harness.indexes.flat import Flat
from harness.types import Comparison, HarnessError, Ranking
from tests.indexes.oracle import OnDemand, by_lexsort, corpus, names, none, same
from tests.material import clustered

COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
DISTANCES: tuple[Comparison, ...] = ("euclidean", "manhattan")


@pytest.mark.parametrize(
    ("comparison", "documents", "scores"),
    [
        ("dot", [3, 2, 1, 0, -1], [23.0, 15.0, 13.5, 0.0, -np.inf]),
        ("euclidean", [2, 0, 1, 3, -1], [-(5**0.5), -(10**0.5), -3.5, -5.0, -np.inf]),
        ("manhattan", [2, 1, 0, 3, -1], [-3.0, -3.5, -4.0, -7.0, -np.inf]),
    ],
)
def test_each_comparison_is_what_one_finds_by_hand(comparison: Comparison, documents: Any, scores: Any) -> None:
    rows, query = np.array([[0, 0], [3, 4.5], [5, 0], [6, 5]], np.float32), np.array([[3, 1]], np.float32)
    found = Flat().build(rows, ["a", "b", "c", "d"], comparison).search(query, 5, none(1))
    assert found.documents.tolist() == [documents]
    assert np.allclose(found.scores, [scores], rtol=0, atol=1e-8)
    assert found.complete.tolist() == [True]


@pytest.mark.parametrize("comparison", DISTANCES)
def test_equal_distances_rank_by_id_descending_and_the_tie_at_the_cut_is_reported(comparison: Comparison) -> None:
    rows = np.array([[1, 0], [-1, 0], [0, 1], [0, 3]], np.float32)
    index = Flat().build(rows, ["b", "d", "c", "a"], comparison)
    found = index.search(np.zeros((1, 2), np.float32), 2, none(1))
    assert found.documents.tolist() == [[1, 2]]
    assert not found.complete[0]
    assert index.search(np.zeros((1, 2), np.float32), 3, none(1)).complete[0]
    assert index.search(np.zeros((1, 2), np.float32), 2, np.array([1], np.int32)).documents.tolist() == [[2, 0]]


@pytest.mark.parametrize("comparison", DISTANCES)
@pytest.mark.parametrize("kind", ["bits", "copies", "worst first", "random"])
@pytest.mark.parametrize(("n", "dim"), [(1, 5), (2, 1), (400, 8), (803, 33)])
@pytest.mark.parametrize(("block", "rows"), [(16_000_000, 8192), (3000, 97)])
def test_distances_equal_float64_and_lexsort(
    comparison: Comparison, kind: str, n: int, dim: int, block: int, rows: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(flat, "BLOCK_ROWS", rows)
    monkeypatch.setattr(flat, "_CACHED_SCORES", 0)
    documents, ids = corpus(kind, n, dim), names(n, 3)
    documents[n // 2] = 0
    queries = np.concatenate(
        [clustered(6, dim, 2), np.zeros((1, dim), np.float32), corpus("bits", 4, dim), 300 * clustered(3, dim, 4)]
    )
    excluded = np.random.default_rng(9).integers(-1, n, size=len(queries)).astype(np.int32)
    for k in (1, 10, 100, n + 3):
        wanted = by_lexsort(documents, ids, queries, k, excluded, comparison)
        for held in (documents, OnDemand(documents)):
            found = Flat(block).build(held, ids, comparison).search(queries, k, excluded)
            assert np.array_equal(found.documents, wanted.documents)
            assert np.array_equal(found.complete, wanted.complete)
            assert np.allclose(found.scores, wanted.scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize("comparison", DISTANCES)
def test_distances_closer_than_float32_can_tell_are_ranked_exactly(comparison: Comparison) -> None:
    draw = np.random.default_rng(1)
    documents = (clustered(1, 300, 1) + 3e-6 * draw.normal(size=(400, 300))).astype(np.float32)
    queries, ids = clustered(12, 300, 2), names(400, 3)
    found = Flat().build(documents, ids, comparison).search(queries, 5, none(12))
    assert np.array_equal(found.documents, by_lexsort(documents, ids, queries, 5, none(12), comparison).documents)


@pytest.mark.parametrize("comparison", DISTANCES)
def test_documents_far_from_the_origin_are_told_apart(comparison: Comparison) -> None:
    documents, ids = clustered(300, 20, 1) + np.float32(500), names(300, 2)
    queries = clustered(8, 20, 2) + np.float32(500)
    found = Flat().build(documents, ids, comparison).search(queries, 10, none(8))
    assert np.array_equal(found.documents, by_lexsort(documents, ids, queries, 10, none(8), comparison).documents)


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("exponent", [-120, -60, -20, 20, 60, 124])
def test_the_scale_of_all_vectors_changes_no_rank(comparison: Comparison, exponent: int) -> None:
    rows = np.random.default_rng(3).integers(70, size=200)  # copies too
    documents, queries, ids = clustered(70, 16, 1)[rows], clustered(9, 16, 2), names(200, 4)
    plain = Flat().build(documents, ids, comparison).search(queries, 60, none(9))
    big, asked = np.ldexp(documents, exponent), np.ldexp(queries, exponent)
    scaled = Flat().build(big, ids, comparison).search(asked, 60, none(9))
    assert np.array_equal(scaled.documents, plain.documents)
    assert np.array_equal(scaled.complete, plain.complete)
    power = 2 * exponent if comparison == "dot" else exponent
    assert np.allclose(np.ldexp(scaled.scores, -power), plain.scores, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("comparison", DISTANCES)
@pytest.mark.parametrize("factor", [1e12, 1e30, 3e38])
@pytest.mark.parametrize("k", [5, 50])
def test_from_afar_all_documents_are_equally_near(comparison: Comparison, factor: float, k: int) -> None:
    documents, ids = clustered(50, 6, 1), names(50, 4)
    queries = np.zeros((2, 6), np.float32)
    queries[0] = factor
    found = Flat().build(documents, ids, comparison).search(queries, k, none(2))
    assert [ids[i] for i in found.documents[0]] == sorted(ids, reverse=True)[:k]
    assert np.allclose(found.scores[0], -factor * (6 if comparison == "manhattan" else 6**0.5), rtol=1e-6)
    near = by_lexsort(documents, ids, queries[1:], k, none(1), comparison)
    assert np.array_equal(found.documents[1], near.documents[0])


@pytest.mark.parametrize("comparison", DISTANCES)
def test_from_less_far_they_tie_where_a_rounded_distance_cannot_tell_them_apart(comparison: Comparison) -> None:
    documents, ids = clustered(300, 6, 1), names(300, 4)
    queries = clustered(4, 6, 2) * np.float32(1e7)
    wanted = by_lexsort(documents, ids, queries, 9, none(4), comparison)
    found = Flat().build(documents, ids, comparison).search(queries, 9, none(4))
    assert np.array_equal(found.documents, wanted.documents)
    assert np.array_equal(found.complete, wanted.complete)
    assert len(np.unique(wanted.scores)) > 4, "some are told apart"
    assert (np.diff(wanted.scores) == 0).any(), "some tie"


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_zero_vectors_alone_are_all_equally_near_and_nothing_is_minus_zero(comparison: Comparison) -> None:
    found: Ranking = (
        Flat()
        .build(np.zeros((3, 2), np.float32), ["a", "b", "c"], comparison)
        .search(np.zeros((1, 2), np.float32), 4, none(1))
    )
    assert found.documents.tolist() == [[2, 1, 0, -1]]
    assert str(found.scores[0].tolist()) == "[0.0, 0.0, 0.0, -inf]"


@pytest.mark.parametrize("comparison", DISTANCES)
def test_the_block_changes_no_byte_of_a_ranking_by_distance(comparison: Comparison) -> None:
    documents, ids, queries = corpus("copies", 300, 9), names(300, 1), clustered(20, 9, 5)
    whole = Flat().build(documents, ids, comparison).search(queries, 25, none(20))
    for block in (1, 130, 5000):
        assert same(Flat(block).build(documents, ids, comparison).search(queries, 25, none(20)), whole)


@pytest.mark.parametrize("comparison", DISTANCES)
def test_values_that_are_not_finite_are_refused(comparison: Comparison) -> None:
    good, bad = np.ones((3, 2), np.float32), np.array([[1, 1], [np.inf, 0], [0, 0]], np.float32)
    with pytest.raises(HarnessError, match="1 of 3 document vectors are not finite"):
        Flat().build(bad, ["a", "b", "c"], comparison)
    with pytest.raises(HarnessError, match="1 of 3 query vectors are not finite"):
        Flat().build(good, ["a", "b", "c"], comparison).search(bad, 2, none(3))
