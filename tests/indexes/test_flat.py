"""Exact search and its tie rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.indexes import flat
from harness.indexes.flat import Flat
from harness.types import HarnessError, Ranking
from tests.indexes.oracle import OnDemand, by_lexsort, corpus, names, none, same
from tests.material import clustered, unit


def by_force(documents: Any, ids: list[str], queries: Any, k: int, excluded: Any) -> list[list[int]]:
    """Float64 products, then Python's sort: score descending, id descending."""
    found = []
    for query, barred in zip(queries, excluded, strict=True):
        scores = np.round(documents.astype(np.float64) @ query.astype(np.float64), 9)
        rows = sorted((i for i in range(len(ids)) if i != barred), key=lambda i: (scores[i], ids[i]), reverse=True)
        found.append((rows + [-1] * k)[:k])
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [1, 3, 10, 200])
@pytest.mark.parametrize("block", [1, 50, 130, 10**7])
def test_it_equals_brute_force_with_many_ties_whatever_the_block(seed: int, k: int, block: int) -> None:
    draw = np.random.default_rng(seed)
    kinds = draw.integers(-1, 2, size=(9, 4)).astype(np.float32)
    documents = kinds[draw.integers(9, size=61)] if seed % 2 else clustered(12, 4, seed)[draw.integers(12, size=61)]
    queries = draw.integers(-1, 2, size=(7, 4)).astype(np.float32)
    excluded = np.array([-1, 0, 60, 5, -1, 17, 3], np.int32)
    ids = names(61, seed)
    ranking = Flat(block).build(documents, ids, "dot").search(queries, k, excluded)
    assert ranking.documents.tolist() == by_force(documents, ids, queries, k, excluded)
    assert ranking.documents.shape == (7, k)
    assert np.array_equal(ranking.documents == -1, np.isneginf(ranking.scores))


@pytest.mark.parametrize("kind", ["bits", "copies", "worst first", "random"])
@pytest.mark.parametrize(("n", "dim"), [(1, 5), (2, 1), (700, 8), (1503, 33)])
@pytest.mark.parametrize(("block", "rows"), [(16_000_000, 64), (16_000_000, 8192), (3000, 500), (9000, 97)])
def test_it_equals_float64_and_lexsort_bit_for_bit(
    kind: str, n: int, dim: int, block: int, rows: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(flat, "BLOCK_ROWS", rows)
    monkeypatch.setattr(flat, "_CACHED_SCORES", 0)
    documents, ids = corpus(kind, n, dim), names(n, 3)
    documents[n // 2] = 0
    queries = np.concatenate([clustered(12, dim, 2), np.zeros((1, dim), np.float32), corpus("bits", 6, dim)])
    excluded = np.random.default_rng(9).integers(-1, n, size=len(queries)).astype(np.int32)
    for some in (slice(None), slice(4, 5)):
        for k in (1, 10, 100, n + 3):
            wanted = by_lexsort(documents, ids, queries[some], k, excluded[some], "dot")
            for held in (documents, OnDemand(documents)):
                found = Flat(block).build(held, ids, "dot").search(queries[some], k, excluded[some])
                assert same(found, wanted)


def test_rows_on_demand_are_made_once_a_search_and_a_block_at_a_time(monkeypatch: Any) -> None:
    monkeypatch.setattr(flat, "BLOCK_ROWS", 100)
    documents = OnDemand(clustered(1050, 8, 1))
    index = Flat().build(documents, names(1050, 1), "dot")
    documents.asked.clear()
    index.search(clustered(30, 8, 2), 5, none(30))
    assert documents.asked[:11] == [100] * 10 + [50]
    assert max(documents.asked[11:]) < 50, "after that only candidates, to be scored again"


def test_equal_scores_rank_by_id_descending_and_the_tie_at_the_cut_is_reported() -> None:
    documents = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    ids = ["b", "d", "a", "c"]
    queries = np.array([[1, 0]], np.float32)
    assert Flat().build(documents, ids, "dot").search(queries, 2, none(1)).documents.tolist() == [[1, 3]]
    complete = {
        k: bool(Flat().build(documents, ids, "dot").search(queries, k, none(1)).complete[0]) for k in range(1, 6)
    }
    assert complete == {1: False, 2: False, 3: True, 4: True, 5: True}


def test_ids_are_ordered_by_code_point_as_text() -> None:
    ids = ["10", "9", "Z", "a", "é", "𝄞", "￿"]
    ranking = Flat().build(np.ones((7, 2), np.float32), ids, "dot").search(np.ones((1, 2), np.float32), 7, none(1))
    assert [ids[i] for i in ranking.documents[0]] == sorted(ids, key=lambda i: i.encode(), reverse=True)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 3e3])
def test_copies_of_a_document_tie_at_any_scale_and_place(scale: float) -> None:
    draw = np.random.default_rng(4)
    texts = (clustered(30, 97, 3) * scale).astype(np.float32)
    rows = draw.integers(30, size=211)
    ids = names(211, 5)
    queries = (clustered(10, 97, 6) * scale).astype(np.float32)
    ranking = Flat().build(texts[rows], ids, "dot").search(queries, 60, none(10))
    for found in ranking.documents:
        for a, b in zip(found[:-1], found[1:], strict=True):
            assert rows[a] != rows[b] or ids[a] > ids[b]


def test_scores_closer_than_a_float32_product_can_tell_are_ranked_exactly() -> None:
    draw = np.random.default_rng(1)
    documents = (unit(draw.normal(size=(1, 300))) + 2e-8 * draw.normal(size=(400, 300))).astype(np.float32)
    queries, ids = clustered(12, 300, 2), names(400, 3)
    ranking = Flat().build(documents, ids, "dot").search(queries, 5, none(12))
    assert ranking.documents.tolist() == by_force(documents, ids, queries, 5, none(12))


def test_a_document_that_is_excluded_leaves_no_hole() -> None:
    documents = unit([[1, 0], [0.9, 0.1], [0.5, 0.5]])
    index = Flat().build(documents, ["a", "b", "c"], "dot")
    queries = np.array([[1, 0], [1, 0]], np.float32)
    assert index.search(queries, 2, np.array([0, -1], np.int32)).documents.tolist() == [[1, 2], [0, 1]]
    assert index.search(queries, 3, np.array([0, -1], np.int32)).documents.tolist() == [[1, 2, -1], [0, 1, 2]]


def test_the_order_of_the_documents_changes_nothing() -> None:
    documents, ids, queries = np.repeat(clustered(20, 8, 1), 3, axis=0), names(60, 2), clustered(9, 8, 2)
    first = Flat().build(documents, ids, "dot").search(queries, 15, none(9))
    for seed in range(3):
        mixed = np.random.default_rng(seed).permutation(60)
        again = Flat(97).build(documents[mixed], [ids[i] for i in mixed], "dot").search(queries, 15, none(9))
        assert np.array_equal(mixed[again.documents], first.documents)
        assert np.array_equal(again.scores, first.scores)


def test_it_finds_what_faiss_finds() -> None:
    faiss = pytest.importorskip("faiss")
    documents, queries = clustered(1500, 48, 1), clustered(50, 48, 2)
    index = faiss.IndexFlatIP(48)
    index.add(documents)
    scores, found = index.search(queries, 20)
    ranking = Flat().build(documents, [str(i) for i in range(1500)], "dot").search(queries, 20, none(50))
    np.testing.assert_allclose(ranking.scores, scores, atol=2e-6)
    assert (ranking.documents == found).mean() > 0.999


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused_on_both_sides(value: float) -> None:
    good, bad = np.ones((3, 2), np.float32), np.ones((3, 2), np.float32)
    bad[1, 0] = value
    with pytest.raises(HarnessError, match="1 of 3 document vectors are not finite .*row 1"):
        Flat().build(bad, ["a", "b", "c"], "dot")
    with pytest.raises(HarnessError, match="1 of 3 query vectors are not finite"):
        Flat().build(good, ["a", "b", "c"], "dot").search(bad, 2, none(3))


def test_a_zero_vector_scores_zero_and_is_ranked() -> None:
    ranking: Ranking = (
        Flat()
        .build(np.zeros((3, 2), np.float32), ["a", "b", "c"], "dot")
        .search(np.zeros((1, 2), np.float32), 5, none(1))
    )
    assert ranking.documents.tolist() == [[2, 1, 0, -1, -1]]
    assert ranking.scores[0, :3].tolist() == [0, 0, 0]
