"""The first documents, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from harness.parts import build, describe
from harness.protocols import OpenReranker, Reranker
from harness.rerankers.word_overlap import WordOverlap
from harness.retrievers.bm25 import Bm25
from harness.retrievers.hybrid import Hybrid
from harness.retrievers.rerank import Rerank
from harness.types import Floats, HarnessError
from tests.material import Encoding, Listed, evalset, small_set

DOCUMENTS = {"a": "boat", "b": "red", "c": "red car", "d": "red car fast", "e": "car"}
DATA = evalset(DOCUMENTS, {"q": "red car", "r": "boat"}, {"q": {"c": 1}})
FIRST = Listed({"q": {"a": 9, "b": 8, "c": 7, "e": 3, "d": 3}, "r": {"b": 5}}, {"index_bytes": 4}, ("slow",))


@dataclass(frozen=True)
class Saying:
    """A reranker that gives every pair one score."""

    value: float

    def content(self) -> Mapping[str, str]:
        return {}

    def limit(self) -> int:
        return 0

    def rerank(self, device: str) -> OpenReranker:
        return self

    def score(self, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        return np.full(len(queries), self.value, dtype=np.float32)


class Counting(Encoding):
    """A source that counts the pairs of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def pairs(self, reranker: Reranker, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        self.calls.append(len(queries))
        return super().pairs(reranker, queries, documents)


def test_the_first_documents_are_ordered_by_the_reranker_and_those_behind_stay() -> None:
    ranking = Rerank(FIRST, WordOverlap(), 3).prepare(DATA, Encoding()).rank(5)
    assert [DATA.documents.ids[i] for i in ranking.documents[0]] == ["c", "b", "a", "e", "d"]
    assert ranking.scores[0].tolist() == [1, 0.5, 0, -1, -1], "a tie behind the depth stays one"
    assert ranking.documents[1].tolist() == [1, -1, -1, -1, -1]
    assert ranking.scores[1].tolist() == [0] + [-np.inf] * 4


def test_ties_of_the_reranker_go_by_id_descending_and_are_said_at_the_cut() -> None:
    searcher = Rerank(FIRST, WordOverlap(), 5).prepare(DATA, Encoding())
    ranking = searcher.rank(1)
    assert ranking.documents.tolist() == [[3], [1]], "c and d hold both words"
    assert ranking.complete.tolist() == [False, True]
    assert searcher.rank(2).complete.tolist() == [True, True]
    behind = Rerank(FIRST, WordOverlap(), 3).prepare(DATA, Encoding()).rank(4)
    assert behind.complete.tolist() == [False, True], "d and e tie behind the depth"


def test_a_depth_beyond_all_documents_is_the_rerankers_own_ranking() -> None:
    data = small_set()
    everything = Listed({q: dict.fromkeys(data.documents.ids, 0.0) for q in data.queries.ids})
    searcher = Rerank(everything, WordOverlap(), 99).prepare(data, Encoding())
    ranking = searcher.rank(40)
    wanted = searcher.score(ranking.documents)
    assert np.array_equal(ranking.scores, wanted)
    assert (np.diff(wanted, axis=1) <= 0).all()


def test_all_pairs_of_all_queries_are_asked_for_at_once_and_counted() -> None:
    source = Counting()
    searcher = Rerank(FIRST, WordOverlap(), 3).prepare(DATA, source)
    assert source.calls == []
    searcher.rank(5)
    assert source.calls == [3 + 1]
    assert searcher.facts == {"index_bytes": 4, "pairs_per_query": 2}
    assert searcher.warnings == ("material: slow",)


def test_nothing_found_is_nothing_to_rerank() -> None:
    source = Counting()
    assert (Rerank(Listed({}), WordOverlap()).prepare(DATA, source).rank(2).documents == -1).all()
    assert source.calls == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_an_error(value: float) -> None:
    with pytest.raises(HarnessError, match="4 of 4 scores of the reranker are not finite.*dtype=float32"):
        Rerank(FIRST, Saying(value), 3).prepare(DATA, Encoding()).rank(5)


def test_a_reranker_that_tells_no_pairs_apart_is_said() -> None:
    searcher = Rerank(FIRST, Saying(2.0), 3).prepare(DATA, Encoding())
    searcher.rank(5)
    assert any("every pair got the same score" in w for w in searcher.warnings)


@pytest.mark.parametrize("depth", [0, -3])
def test_a_depth_below_1_is_refused(depth: int) -> None:
    with pytest.raises(HarnessError, match=f"rerank depth={depth}: expected a whole number of at least 1"):
        Rerank(FIRST, WordOverlap(), depth).prepare(DATA, Encoding())


def test_a_probe_times_both_stages_and_finds_what_is_ranked() -> None:
    searcher = Rerank(Hybrid((Bm25(), Bm25(k1=0.9))), WordOverlap(), 7).prepare(small_set(), Encoding())
    ranked = searcher.rank(5).documents
    laps: list[str] = []
    assert [searcher.probe(i, 5, laps.append).tolist() for i in range(9)] == ranked.tolist()
    assert laps[:4] == ["hybrid: bm25 1: search", "hybrid: bm25 2: search", "hybrid: fuse", "word_overlap: score"]
    assert searcher.probe(0, 9, laps.append).tolist() == searcher.rank(9).documents[0].tolist()


def test_it_is_built_from_nested_nodes_and_a_retriever_is_no_reranker() -> None:
    part = Rerank(Hybrid((Bm25(), Rerank(Bm25(), WordOverlap()))), WordOverlap(), 20)
    node: dict[str, Any] = json.loads(json.dumps(describe(part)))
    assert build(node) == part
    with pytest.raises(HarnessError, match=r"Rerank.reranker"):
        build({**node, "reranker": describe(Bm25())})
