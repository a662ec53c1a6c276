"""The tie rule, judgements seen by rank, and the bounds that other orders of ties give."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from harness.metrics.condensed_ndcg import CondensedNdcg
from harness.metrics.hit_rate import HitRate
from harness.metrics.judged import JudgedShare
from harness.metrics.map import Map
from harness.metrics.mrr import Mrr
from harness.metrics.ndcg import Ndcg
from harness.metrics.precision import Precision
from harness.metrics.recall import Recall
from harness.ranking import (
    BLOCK_ROWS,
    best,
    blocks,
    check_finite,
    check_varied,
    id_order,
    judge,
    own_documents,
    settled,
    stacked,
    tie_bounds,
)
from harness.types import HarnessError, Qrels, Ranking
from tests.material import evalset, qrels_of, ranking_of

METRICS = [Ndcg(3), Ndcg(5), Mrr(3), Map(4), Precision(2), Recall(3), HitRate(2), CondensedNdcg(3), JudgedShare(3)]
IDS = [f"d{i}" for i in range(7)]


def test_blocks_cover_every_row_once_in_order() -> None:
    for n in (0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 5 * BLOCK_ROWS):
        covered = np.concatenate([np.arange(n)[:0], *(np.arange(n)[block] for block in blocks(n))])
        assert covered.tolist() == list(range(n))


def test_rows_that_are_not_finite_are_counted_over_all_blocks() -> None:
    rows = np.ones((2 * BLOCK_ROWS + 5, 3), np.float32)
    rows[[BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 4], 1] = np.nan, np.inf
    with pytest.raises(HarnessError, match=f"2 of {len(rows)} document .*first: row {BLOCK_ROWS + 1}\\)"):
        check_finite(rows, "document")


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e30])
def test_rows_that_are_equal_but_for_rounding_are_refused(size: float) -> None:
    rng = np.random.default_rng(0)
    row = rng.normal(size=(1, 64)) * size
    rows = (row * (1 + rng.uniform(-1e-6, 1e-6, size=(BLOCK_ROWS + 5, 64)))).astype(np.float32)
    assert len(np.unique(rows[:, 0])) > 1
    with pytest.raises(HarnessError, match=f"all {len(rows)} document vectors are equal"):
        check_varied(rows, "document")
    rows[-1] += np.float32(1e-3 * size)
    check_varied(rows, "document")
    check_varied(rows[:1], "document")
    with pytest.raises(HarnessError, match="all 3 query vectors are equal"):
        check_varied(np.zeros((3, 4), np.float32), "query")


def test_near_copies_around_one_other_document_are_varied() -> None:
    rows = np.ones((50, 8), np.float32) + np.random.default_rng(1).uniform(0, 1e-6, size=(50, 8)).astype(np.float32)
    for place in (0, 25, 49):
        check_varied(np.insert(rows, place, np.eye(8, dtype=np.float32)[0], axis=0), "document")


def test_ids_are_placed_as_text_in_code_point_order() -> None:
    assert id_order(["b", "a", "10", "9", "é"]).tolist() == [3, 2, 0, 1, 4]


def test_the_best_are_by_score_then_by_id_descending_padded_to_k() -> None:
    order = id_order(["a", "b", "c", "d"])
    ranking = best(np.array([0, 2, 3]), np.array([1.0, 5.0, 1.0]), order, 5)
    assert ranking.documents.tolist() == [2, 3, 0, -1, -1]
    assert ranking.scores.tolist() == [5, 1, 1, -np.inf, -np.inf]
    assert ranking.complete
    assert not best(np.array([0, 2, 3]), np.array([1.0, 5.0, 1.0]), order, 2).complete
    assert best(np.array([0, 2, 3]), np.array([1.0, 5.0, 1.0]), order, 1).complete


def test_no_candidates_are_an_empty_ranking() -> None:
    ranking = best(np.array([], int), np.array([], float), id_order(["a"]), 2)
    assert ranking.documents.tolist() == [-1, -1]
    assert ranking.complete


def test_rankings_of_single_queries_are_stacked_in_order() -> None:
    one = best(np.array([0]), np.array([1.0]), id_order(["a"]), 2)
    both = stacked([one, one])
    assert both.documents.shape == both.scores.shape == (2, 2)
    assert both.complete.tolist() == [True, True]


def test_scores_that_differ_by_rounding_alone_tie_at_any_magnitude() -> None:
    for scale in (0.5, 1.0, 1e3, 1e8):
        a, b, c = settled(np.array([scale / 3, scale / 3 * (1 + 3e-16), scale / 3 * (1 + 1e-7)]), scale)
        assert a == b != c


def test_a_query_excludes_its_own_document_only_where_the_set_says_so() -> None:
    documents, queries = {"a": "x", "b": "y"}, {"b": "y", "q": "z"}
    grades = {"q": {"a": 1}}
    assert own_documents(evalset(documents, queries, grades, exclude_self=True)).tolist() == [1, -1]
    assert own_documents(evalset(documents, queries, grades, exclude_self=False)).tolist() == [-1, -1]


def test_judgements_are_seen_by_rank_and_dangling_ones_stay_in_the_ideal() -> None:
    queries = ["q0", "none", "q2"]
    grades = {"q2": {"d1": 2, "d0": -3, "gone": 3, "d5": 0}, "none": {"d1": 0}, "q0": {"d2": 1}}
    run = {"q0": {"d1": 2.0, "d2": 1.0}, "q2": {"d0": 4.0, "d5": 3.0, "d1": 2.0, "d6": 1.0}}
    seen = judge(ranking_of(run, queries, IDS, 5), qrels_of(grades, queries, IDS))
    assert seen.query.tolist() == [0, 2]
    assert seen.grades.tolist() == [[-1, 1, -1, -1, -1], [0, 0, 2, -1, -1]]
    assert seen.found.tolist() == [[True, True, False, False, False], [True, True, True, True, False]]
    assert seen.ideal.tolist() == [[1, 0], [3, 2]]


def test_judgements_without_a_single_known_document_score_zero() -> None:
    seen = judge(ranking_of({"q": {"d1": 1.0}}, ["q"], IDS, 3), qrels_of({"q": {"gone": 1}}, ["q"], IDS))
    assert [m.score(seen)[0] for m in (Ndcg(3), Recall(3), Mrr(3), Map(3))] == [0, 0, 0, 0]


def test_no_relevant_document_at_all_leaves_no_query() -> None:
    seen = judge(ranking_of({"q": {"d1": 1.0}}, ["q"], IDS, 3), qrels_of({"q": {"d1": 0}}, ["q"], IDS))
    assert len(seen.query) == len(seen.grades) == len(seen.ideal) == 0


def orders(row: dict[str, float]) -> list[list[str]]:
    """Every order of a query's documents in which scores do not increase."""
    return [list(p) for p in permutations(row) if all(row[a] >= row[b] for a, b in zip(p[:-1], p[1:], strict=True))]


def every_score(metric: Any, row: dict[str, float], grades: dict[str, int], k: int) -> list[float]:
    qrels = qrels_of({"q": grades}, ["q"], IDS)
    scores = []
    for order in orders(row):
        run = {"q": {d: float(-i) for i, d in enumerate(order)}}
        scores.append(float(metric.score(judge(ranking_of(run, ["q"], IDS, k), qrels))[0]))
    return scores


def drawn(seed: int) -> tuple[dict[str, float], dict[str, int]]:
    draw = np.random.default_rng(seed)
    row = {d: float(draw.integers(3)) for d in IDS[: draw.integers(2, 7)]}
    return row, {str(d): int(draw.integers(-1, 4)) for d in draw.choice(IDS, 4, replace=False)} | {"gone": 1}


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.key)
@pytest.mark.parametrize("seed", range(12))
def test_bounds_of_a_complete_ranking_are_those_of_every_order_of_its_ties(metric: Any, seed: int) -> None:
    row, grades = drawn(seed)
    ranking = ranking_of({"q": row}, ["q"], IDS, 10)
    low, high = tie_bounds(metric, ranking, judge(ranking, qrels_of({"q": grades}, ["q"], IDS)))
    scores = every_score(metric, row, grades, 10)
    assert low[0] == pytest.approx(min(scores), abs=1e-12)
    assert high[0] == pytest.approx(max(scores), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.key)
@pytest.mark.parametrize("seed", range(12))
def test_bounds_hold_every_order_where_the_tie_runs_on_beyond_the_cut(metric: Any, seed: int) -> None:
    row, grades = drawn(seed)
    ranking = ranking_of({"q": row}, ["q"], IDS, 3)
    seen = judge(ranking, qrels_of({"q": grades}, ["q"], IDS))
    before = seen.grades.copy()
    low, high = tie_bounds(metric, ranking, seen)
    scores = every_score(metric, row, grades, 3)
    assert low[0] <= min(scores) + 1e-12
    assert high[0] >= max(scores) - 1e-12
    assert np.array_equal(seen.grades, before)


def test_bounds_are_the_score_itself_where_nothing_ties() -> None:
    ranking = ranking_of({"q": {"d0": 3.0, "d1": 2.0, "d2": 1.0}}, ["q"], IDS, 3)
    seen = judge(ranking, qrels_of({"q": {"d1": 1}}, ["q"], IDS))
    low, high = tie_bounds(Mrr(3), ranking, seen)
    assert low.tolist() == high.tolist() == [0.5]


def test_a_tie_beyond_the_metrics_own_cut_does_not_widen_its_bounds() -> None:
    ranking: Ranking = ranking_of({"q": {"d0": 3.0, "d1": 1.0, "d2": 1.0, "d3": 1.0}}, ["q"], IDS, 3)
    assert not ranking.complete[0]
    seen = judge(ranking, qrels_of({"q": {"d0": 1, "d1": 1}}, ["q"], IDS))
    low, high = tie_bounds(Ndcg(1), ranking, seen)
    assert low.tolist() == high.tolist() == [1.0]


@pytest.mark.parametrize("seed", range(20))
def test_a_judged_ranking_holds_the_grade_of_each_document_and_nothing_else(seed):
    generator = np.random.default_rng(seed)
    queries, documents = int(generator.integers(1, 30)), int(generator.choice([3, 50, 2**20]))
    deep = min(int(generator.integers(1, 40)), documents)
    found = np.stack([generator.choice(documents, deep, replace=False) for _ in range(queries)]).astype(np.int32)
    found[generator.random(found.shape) < 0.1] = -1
    pairs = {(int(q), int(d)) for q in range(queries) for d in generator.choice(documents, 3)}
    pairs |= {(q, int(d)) for q in range(queries) for d in found[q, ::4] if d >= 0}
    grades = {pair: int(generator.integers(-1, 4)) for pair in sorted(pairs)} | {(0, -1): 2}
    qrels = Qrels(
        *(np.asarray(column, dtype=np.int32) for column in zip(*((*p, g) for p, g in grades.items()), strict=True))
    )
    judged = judge(Ranking(found, np.zeros(found.shape), np.ones(queries, dtype=bool)), qrels)
    for row, query in enumerate(judged.query):
        wanted = [max(grades[query, d], 0) if d >= 0 and (query, d) in grades else -1 for d in found[query]]
        assert judged.grades[row].tolist() == wanted


def test_a_query_whose_relevant_documents_are_all_missing_is_judged_against_nothing():
    qrels = Qrels(*(np.asarray(column, dtype=np.int32) for column in ([0], [-1], [1])))
    judged = judge(Ranking(np.asarray([[2, 0]], dtype=np.int32), np.zeros((1, 2)), np.ones(1, dtype=bool)), qrels)
    assert judged.grades.tolist() == [[-1, -1]] and judged.ideal.tolist() == [[1]]
