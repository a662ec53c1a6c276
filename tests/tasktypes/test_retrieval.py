"""Scoring a ranked corpus, with what must not go wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.metrics.condensed_ndcg import CondensedNdcg
from harness.metrics.judged import JudgedShare
from harness.metrics.map import Map
from harness.metrics.mrr import Mrr
from harness.metrics.ndcg import Ndcg
from harness.metrics.recall import Recall
from harness.poolings.native import Native
from harness.quantizers.binary import Binary
from harness.quantizers.float32 import Float32
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.tasktypes.retrieval import Retrieval
from harness.types import EvalSet, HarnessError, Ranking, Texts
from tests.material import Encoding, Given, Run, clustered, evalset, ranking_of

ALL = Retrieval((Ndcg(10), Mrr(10), Recall(10), Recall(100), Map(100), JudgedShare(10), CondensedNdcg(10)))


class Fixed:
    """A searcher whose scores are given."""

    facts: Mapping[str, float] = {"bytes_per_doc": 7.0}
    warnings: tuple[str, ...] = ("of the searcher",)

    def __init__(self, run: Run, data: EvalSet) -> None:
        self.run, self.data = run, data

    def rank(self, k: int) -> Ranking:
        return ranking_of(self.run, self.data.queries.ids, self.data.documents.ids, k)

    def probe(self, query: int, k: int) -> None:
        raise AssertionError("scoring never times")


DOCUMENTS = {f"d{i}": f"text {i}" for i in range(8)}


def scored(run: Run, grades: Any, queries: Any = None, task: Retrieval = ALL) -> dict[str, Any]:
    data = evalset(DOCUMENTS, queries or dict.fromkeys(grades, ""), grades)
    found = task.evaluate(data, Fixed(run, data))
    return {"ids": found.query_ids, "facts": found.facts} | {k: v.tolist() for k, v in found.per_query.items()}


def constant(data: EvalSet) -> Any:
    """A searcher to which every document is equally near every query."""
    part = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())
    return part.prepare(data, Given(np.eye(len(data.documents), 99), np.eye(99)[-len(data.queries) :]))


def test_a_judged_query_without_a_result_scores_zero_and_stays_in_the_mean() -> None:
    found = scored({"q1": {"d1": 1.0}}, {"q1": {"d1": 1}, "q2": {"d2": 1}})
    assert found["ids"] == ("q1", "q2")
    assert found["ndcg_at_10"] == found["mrr_at_10"] == found["map_at_100"] == [1.0, 0.0]
    assert found["facts"]["queries"] == 2
    assert found["facts"]["queries_without_result"] == 1


def test_a_query_without_a_relevant_document_is_left_out_and_counted() -> None:
    found = scored(
        {"q1": {"d1": 1.0}, "q2": {"d1": 1.0}, "q3": {}},
        {"q1": {"d1": 1}, "q2": {"d1": 0}},
        dict.fromkeys(("q1", "q2", "q3"), ""),
    )
    assert found["ids"] == ("q1",)
    assert found["facts"]["queries_left_out"] == 2


def test_no_relevant_document_at_all_is_an_error_and_not_a_score() -> None:
    with pytest.raises(HarnessError, match="made: no query has a relevant document"):
        scored({"q1": {"d1": 1.0}}, {"q1": {"d1": 0}})


def test_a_single_query_and_a_single_document_are_scored() -> None:
    data = evalset({"d": "red car"}, {"q": "red"}, {"q": {"d": 2}})
    for part in (Bm25(), Dense(Hashing(), Native(), Truncate(), Binary(), Flat())):
        found = ALL.evaluate(data, part.prepare(data, Encoding()))
        assert {key: values.tolist() for key, values in found.per_query.items()} == {m.key: [1.0] for m in ALL.metrics}


def test_a_constant_scorer_gets_what_the_order_of_ids_gives_and_no_perfect_score() -> None:
    queries = {f"q{i}": "" for i in range(3)}
    documents = {f"d{i:02}": "" for i in range(40)}
    data = evalset(documents, queries, {"q0": {"d39": 1}, "q1": {"d36": 1}, "q2": {"d00": 1}})
    found = ALL.evaluate(data, constant(data))
    assert found.per_query["mrr_at_10"].tolist() == [1.0, 1 / 4, 0.0]
    assert found.facts["tie_lowest"] == 0.0
    assert found.facts["tie_highest"] == 1.0
    assert found.facts["tied_queries"] == 3


def test_ties_score_alike_whatever_the_order_of_documents_the_block_and_the_metrics_asked_for() -> None:
    documents = {f"d{i:02}": "" for i in range(60)}
    queries = {f"q{i}": "" for i in range(12)}
    draw = np.random.default_rng(1)
    grades = {q: {f"d{draw.integers(60):02}": int(draw.integers(1, 4)) for _ in range(6)} for q in queries}
    data, rows, asked = evalset(documents, queries, grades), clustered(60, 16, 1), clustered(12, 16, 2)

    def run(metrics: Any, mixed: Any, block: int) -> dict[str, list[float]]:
        position = np.argsort(mixed)
        shuffled = replace(
            data, documents=Texts(tuple(data.documents.ids[i] for i in mixed), ("",) * 60),
            qrels=data.qrels._replace(document=position[data.qrels.document].astype(np.int32)),
        )  # fmt: skip
        part = Dense(Hashing(), Native(), Truncate(6), Binary(), Flat(block))
        found = Retrieval(metrics).evaluate(shuffled, part.prepare(shuffled, Given(rows[mixed], asked)))
        return {key: values.tolist() for key, values in found.per_query.items()}

    whole = run(ALL.metrics, np.arange(60), 10**6)
    for seed, block in ((1, 1), (2, 60), (3, 130)):
        assert run(ALL.metrics, np.random.default_rng(seed).permutation(60), block) == whole
    for metric in ALL.metrics:
        assert run((metric,), np.arange(60), 10**6) == {metric.key: whole[metric.key]}


@pytest.mark.parametrize(("exclude", "first"), [(True, 2), (False, 0)])
def test_a_query_that_is_a_document_is_dropped_only_where_the_set_says_so_and_before_the_cut(
    exclude: bool, first: int
) -> None:
    documents = {"same": "red car", "b": "red", "c": "red car wheel"}
    data = evalset(
        documents, {"same": "red car", "q": "red car"}, {"same": {"c": 1}, "q": {"same": 1}}, exclude_self=exclude
    )
    for part in (Bm25(stemmer="none"), Dense(Hashing(256), Native(), Truncate(), Float32(), Flat())):
        found = Retrieval((Mrr(1),)).evaluate(data, part.prepare(data, Encoding()))
        assert found.top[0, 0] == first
        assert found.per_query["mrr_at_1"].tolist() == [float(exclude), 1.0]  # another query still finds it
        assert (0 in found.top[0]) is not exclude


def test_a_document_that_the_corpus_lacks_stays_in_the_denominator() -> None:
    found = scored({"q": {"d1": 1.0}}, {"q": {"d1": 1, "gone": 1}})
    assert found["recall_at_10"] == [0.5]
    assert found["map_at_100"] == [0.5]


def test_the_first_metric_is_the_main_one_and_searcher_facts_and_warnings_pass_through() -> None:
    data = evalset(DOCUMENTS, {"q": ""}, {"q": {"d1": 1}})
    found = Retrieval((Mrr(3), Ndcg(5))).evaluate(data, Fixed({"q": {"d0": 2.0, "d1": 1.0}}, data))
    assert found.main == "mrr_at_3"
    assert list(found.per_query) == ["mrr_at_3", "ndcg_at_5"]
    assert found.facts["bytes_per_doc"] == 7
    assert found.facts["documents"] == 8
    assert found.warnings == ("of the searcher",)
    assert found.top.tolist() == [[0, 1] + [-1] * 8]


def test_tie_bounds_hold_the_score_and_widen_nothing_without_ties() -> None:
    found = scored({"q": {"d0": 2.0, "d1": 1.0}}, {"q": {"d1": 1}})
    assert found["facts"]["tie_lowest"] == found["facts"]["tie_highest"] == found["ndcg_at_10"][0]
    assert found["facts"]["tied_queries"] == 0


@pytest.mark.parametrize("k", [0, -1])
def test_a_cut_below_one_is_refused(k: int) -> None:
    with pytest.raises(HarnessError, match=f"k={k}"):
        scored({"q": {"d1": 1.0}}, {"q": {"d1": 1}}, task=Retrieval((Ndcg(k),)))
