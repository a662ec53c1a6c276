"""Metrics by hand, and against pytrec_eval on random rankings."""

from __future__ import annotations

from math import log2
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
from harness.ranking import judge
from tests.material import judged, qrels_of, ranking_of

# Ranks 1..5: unjudged, grade 2, judged not relevant, grade 1, unjudged. Relevant in all: grades 3, 2, 1, 1.
ONE = judged([[-1, 2, 0, 1, -1]], [[3, 2, 1, 1]])
IDEAL = 3 + 2 / log2(3) + 1 / 2 + 1 / log2(5)


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        (Ndcg(5), (2 / log2(3) + 1 / log2(5)) / IDEAL),
        (Ndcg(3), (2 / log2(3)) / (3 + 2 / log2(3) + 1 / 2)),
        (Ndcg(1), 0),
        (CondensedNdcg(5), (2 + 1 / 2) / IDEAL),
        (CondensedNdcg(1), 2 / 3),
        (CondensedNdcg(5, depth=3), 2 / IDEAL),
        (Recall(5), 2 / 4),
        (Recall(2), 1 / 4),
        (Precision(5), 2 / 5),
        (Precision(10), 2 / 10),
        (Mrr(5), 1 / 2),
        (Mrr(1), 0),
        (Map(5), (1 / 2 + 2 / 4) / 4),
        (Map(3), (1 / 2) / 4),
        (HitRate(1), 0),
        (HitRate(2), 1),
        (JudgedShare(5), 3 / 5),
        (JudgedShare(1), 0),
    ],
)
def test_a_worked_example(metric: Any, score: float) -> None:
    assert metric.score(ONE) == pytest.approx([score], abs=1e-12)


def test_a_perfect_ranking_scores_exactly_one_whatever_the_width() -> None:
    grades = [3, 3, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, -1]
    seen = judged([grades], [grades[:9]])
    assert [m.score(seen)[0] for m in (Ndcg(3), Ndcg(9), Ndcg(13), Ndcg(100), Map(13), Mrr(1))] == [1.0] * 6


def test_gains_are_linear_not_exponential() -> None:
    assert Ndcg(2).score(judged([[1, 3]], [[3, 1]]))[0] == pytest.approx((1 + 3 / log2(3)) / (3 + 1 / log2(3)))


def test_the_share_judged_is_unknown_where_nothing_was_found() -> None:
    seen = judged([[-1, -1]], [[1]])._replace(found=np.zeros((1, 2), bool))
    assert np.isnan(JudgedShare(2).score(seen)[0])
    assert Ndcg(2).score(seen)[0] == Precision(2).score(seen)[0] == 0


def test_the_share_judged_counts_only_documents_that_are_there() -> None:
    seen = judged([[1, 0, -1, -1]], [[1]])._replace(found=np.array([[True, True, True, False]]))
    assert JudgedShare(4).score(seen)[0] == pytest.approx(2 / 3)


ORACLES = [
    (Ndcg, "ndcg_cut"), (Recall, "recall"), (Map, "map_cut"), (Precision, "P"), (HitRate, "success"),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_scores_equal_pytrec_eval_on_random_rankings(seed: int) -> None:
    """Ties, missing queries, unjudged and missing documents, grades from -2 to 3, short results."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    draw = np.random.default_rng(seed)
    documents = [f"{'dD9ü'[i % 4]}{i}" for i in draw.permutation(50)]
    queries = [f"q{i}" for i in range(30)]
    pool = [*documents, "gone-1", "gone-2"]
    grades = {
        q: {str(d): int(draw.integers(-2, 4)) for d in draw.choice(pool, draw.integers(1, 30), replace=False)}
        for q in queries[:-2]
    }
    sizes = draw.integers(1, 50, size=30)
    run = {
        q: {str(d): float(draw.integers(draw.integers(1, 30))) for d in draw.choice(documents, n, replace=False)}
        for q, n in zip(queries, sizes, strict=True)
        if draw.random() < 0.9
    }
    seen = judge(ranking_of(run, queries, documents, 100), qrels_of(grades, queries, documents))
    scored = [queries[i] for i in seen.query]
    assert scored == [q for q in queries if any(g > 0 for g in grades.get(q, {}).values())]
    grades = {q: grades[q] for q in scored}  # pytrec_eval crashes where all grades of a query are negative
    for k in (1, 3, 5, 10, 100):
        measures = {f"{name}.{k}" for _, name in ORACLES}
        theirs = pytrec_eval.RelevanceEvaluator(grades, measures).evaluate(run)
        for metric, name in ORACLES:
            expected = [theirs.get(q, {}).get(f"{name}_{k}", 0.0) for q in scored]
            np.testing.assert_allclose(metric(k).score(seen), expected, atol=1e-9, rtol=0, err_msg=f"{name}_{k}")
        cut = {q: dict(sorted(found.items(), key=lambda i: (i[1], i[0]), reverse=True)[:k]) for q, found in run.items()}
        theirs = pytrec_eval.RelevanceEvaluator(grades, {"recip_rank"}).evaluate(cut)
        expected = [theirs.get(q, {}).get("recip_rank", 0.0) for q in scored]
        np.testing.assert_allclose(Mrr(k).score(seen), expected, atol=1e-9, rtol=0)
