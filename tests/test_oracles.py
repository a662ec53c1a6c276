"""Our scores beside those of beir and mteb on the same vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.metrics.hit_rate import HitRate
from harness.metrics.map import Map
from harness.metrics.mrr import Mrr
from harness.metrics.ndcg import Ndcg
from harness.metrics.precision import Precision
from harness.metrics.recall import Recall
from harness.poolings.mean import Mean
from harness.quantizers.binary import Binary
from harness.quantizers.float32 import Float32
from harness.reductions.truncate import Truncate
from harness.retrievers.dense import Dense
from harness.tasktypes.retrieval import Retrieval
from harness.types import EvalSet
from tests.material import Encoding, evalset

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

CUTS = (1, 3, 5, 10, 100)
FAMILIES: dict[str, Any] = {
    "ndcg": Ndcg,
    "recall": Recall,
    "map": Map,
    "precision": Precision,
    "mrr": Mrr,
    "hit_rate": HitRate,
}
TASK = Retrieval(tuple(metric(k) for metric in FAMILIES.values() for k in CUTS))


def read(folder: Path) -> tuple[EvalSet, dict[str, dict[str, int]]]:
    def texts(name: str) -> dict[str, str]:
        rows = (json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines())
        return {row["_id"]: f"{row.get('title', '')} {row['text']}".strip() for row in rows}

    grades: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades.setdefault(query, {})[document] = int(grade)
    grades = {q: judged for q, judged in grades.items() if max(judged.values()) > 0}
    return evalset(texts("corpus.jsonl"), texts("queries.jsonl"), grades), grades


@pytest.fixture(
    scope="module", params=[("cranfield", Float32()), ("cacm", Float32()), ("cranfield", Binary())], ids=str
)
def both(request: pytest.FixtureRequest, shared: Path) -> Any:
    """Our evaluation, the judgements, and the same ranking as a run of ids and scores, each query's own id left out."""
    name, quantizer = request.param
    data, grades = read(shared / "retrieval" / name)
    searcher = Dense(Hashing(600), Mean(), Truncate(512), quantizer, Flat()).prepare(data, Encoding(256))
    ranking = searcher.rank(300)
    # The oracles read scores as 32-bit floats, so near ties are made true ties on both sides.
    coarse = np.round(ranking.scores, 5)

    class Coarse:
        facts: dict[str, float] = {}
        warnings: tuple[str, ...] = ()

        def rank(self, k: int) -> Any:
            from harness.ranking import best, id_order, stacked

            order = id_order(data.documents.ids)
            return stacked([best(d, s, order, k) for d, s in zip(ranking.documents, coarse, strict=True)])

        def probe(self, query: int, k: int) -> None: ...

    run = {
        q: {data.documents.ids[d]: float(s) for d, s in zip(ranking.documents[i], coarse[i], strict=True)}
        for i, q in enumerate(data.queries.ids) if q in grades
    }  # fmt: skip
    return TASK.evaluate(data, Coarse()), grades, run


def test_means_equal_those_of_beir(both: Any) -> None:
    evaluation = pytest.importorskip("beir.retrieval.evaluation").EvaluateRetrieval
    ours, grades, run = both
    names = {"ndcg": "NDCG", "map": "MAP", "recall": "Recall", "precision": "P"}
    for family, theirs in zip(
        names, evaluation.evaluate(grades, run, list(CUTS), ignore_identical_ids=False), strict=True
    ):
        for k in CUTS:
            mean = float(ours.per_query[f"{family}_at_{k}"].mean())
            assert mean == pytest.approx(theirs[f"{names[family]}@{k}"], abs=0.5000001e-5), (family, k)
    reciprocal = evaluation.evaluate_custom(grades, {q: _cut(found) for q, found in run.items()}, [10], "mrr")
    assert float(ours.per_query["mrr_at_10"].mean()) == pytest.approx(reciprocal["MRR@10"], abs=0.5000001e-5)


def test_scores_of_each_query_and_means_equal_those_of_mteb(both: Any) -> None:
    metrics = pytest.importorskip("mteb._evaluators.retrieval_metrics")
    ours, grades, run = both
    theirs = metrics.calculate_retrieval_scores(run, grades, list(CUTS))
    names = {"ndcg": "ndcg_cut", "map": "map_cut", "recall": "recall", "precision": "P", "hit_rate": "success"}
    assert set(ours.query_ids) == set(grades)
    for family, name in names.items():
        for k in CUTS:
            expected = [theirs.all_scores[q][f"{name}_{k}"] for q in ours.query_ids]
            np.testing.assert_allclose(ours.per_query[f"{family}_at_{k}"], expected, atol=1e-9, err_msg=f"{family} {k}")
    for k in CUTS:
        assert float(ours.per_query[f"ndcg_at_{k}"].mean()) == pytest.approx(theirs.ndcg[f"NDCG@{k}"], abs=0.5000001e-5)
        assert float(ours.per_query[f"mrr_at_{k}"].mean()) == pytest.approx(theirs.mrr[f"MRR@{k}"], abs=1e-9)


def test_the_ranking_was_worth_scoring_and_had_ties(both: Any) -> None:
    ours, _, run = both
    assert 0.02 < ours.per_query["ndcg_at_10"].mean() < 0.9
    assert any(len(set(found.values())) < len(found) for found in run.values())


def _cut(found: dict[str, float], k: int = 10) -> dict[str, float]:
    """The first k under the tie rule with scores that leave no tie: beir's own MRR takes ties in any order."""
    kept = sorted(found.items(), key=lambda item: (item[1], item[0]), reverse=True)[:k]
    return {document: float(-rank) for rank, (document, _) in enumerate(kept)}
