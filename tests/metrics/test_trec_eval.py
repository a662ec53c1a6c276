"""trec_eval's own inputs and printed outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.metrics.hit_rate import HitRate
from harness.metrics.map import Map
from harness.metrics.mrr import Mrr
from harness.metrics.ndcg import Ndcg
from harness.metrics.precision import Precision
from harness.metrics.recall import Recall
from harness.ranking import judge
from tests.material import qrels_of, ranking_of

CUTS = (5, 10, 15, 20, 30, 100, 200, 500, 1000)
MEASURES: dict[str, Any] = {
    **{f"{name}_{k}": metric(k) for k in CUTS for name, metric in
       (("P", Precision), ("recall", Recall), ("map_cut", Map), ("ndcg_cut", Ndcg))},
    **{f"success_{k}": HitRate(k) for k in (1, 5, 10)},
    "map": Map(1000), "ndcg": Ndcg(1000), "recip_rank": Mrr(1000),
}  # fmt: skip


def scores(folder: Path, run_file: str, judgements: str) -> tuple[list[str], dict[str, np.ndarray]]:
    grades: dict[str, dict[str, int]] = {}
    for line in (folder / judgements).read_text().splitlines():
        query, _, document, grade = line.split()
        grades.setdefault(query, {})[document] = int(grade)
    run: dict[str, dict[str, float]] = {}
    for line in (folder / run_file).read_text().splitlines():
        query, _, document, _, score = line.split()[:5]
        run.setdefault(query, {})[document] = float(score)
    queries, documents = list(grades), sorted({d for found in run.values() for d in found})  # the rest dangles
    seen = judge(ranking_of(run, queries, documents, 1000), qrels_of(grades, queries, documents))
    return [queries[i] for i in seen.query], {name: metric.score(seen) for name, metric in MEASURES.items()}


def printed(file: Path) -> dict[tuple[str, str], str]:
    """(measure, query or "all") -> the number as trec_eval printed it."""
    lines = (line.split() for line in file.read_text().splitlines())
    return {(words[0], words[1]): words[2] for words in lines if len(words) == 3}


@pytest.mark.real
@pytest.mark.parametrize(
    ("run", "output"),
    [("results.test", "out.test.aq"), ("results.trunc", "out.test.aqc"), ("results.test", "out.test.a")],
)
def test_every_printed_number_is_ours(shared: Path, run: str, output: str) -> None:
    folder = shared / "trec_eval"
    queries, ours = scores(folder, run, "qrels.test")
    expected = printed(folder / output)
    compared = 0
    for name, per_query in ours.items():
        assert f"{per_query.mean():.4f}" == expected[name, "all"], name
        for query, score in zip(queries, per_query, strict=True):
            if (name, query) in expected:
                assert f"{score:.4f}" == expected[name, query], (name, query)
                compared += 1
    assert compared == (0 if output.endswith("a") else len(ours) * sum(("map", q) in expected for q in queries))
    assert len(queries) == int(expected["num_q", "all"])


@pytest.mark.real
def test_a_query_that_the_run_lacks_counts_as_zero(shared: Path) -> None:
    queries, ours = scores(shared / "trec_eval", "results.trunc", "qrels.test")
    present = {line.split()[0] for line in (shared / "trec_eval" / "results.trunc").read_text().splitlines()}
    missing = [i for i, q in enumerate(queries) if q not in present]
    assert missing
    assert all(per_query[i] == 0 for per_query in ours.values() for i in missing)


@pytest.mark.real
def test_negative_grades_are_judged_and_gain_nothing(shared: Path) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    folder = shared / "trec_eval"
    with (folder / "qrels.rel_level").open() as file:
        grades = pytrec_eval.parse_qrel(file)
    with (folder / "results.test").open() as file:
        run = pytrec_eval.parse_run(file)
    theirs = pytrec_eval.RelevanceEvaluator(grades, {"ndcg_cut.10,100", "map_cut.100", "recall.100", "P.10"}).evaluate(
        run
    )
    queries, ours = scores(folder, "results.test", "qrels.rel_level")
    for name in ("ndcg_cut_10", "ndcg_cut_100", "map_cut_100", "recall_100", "P_10"):
        np.testing.assert_allclose(ours[name], [theirs[q][name] for q in queries], atol=1e-9, err_msg=name)
