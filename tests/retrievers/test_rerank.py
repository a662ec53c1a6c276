"""The first documents, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from harness.parts import build, describe, name_of
from harness.protocols import OpenReranker, Reranker
from harness.rerankers.word_overlap import WordOverlap
from harness.retrievers.bm25 import Bm25
from harness.retrievers.funnel import Funnel
from harness.retrievers.hybrid import Hybrid
from harness.retrievers.rerank import Rerank
from harness.types import Floats, HarnessError, Inapplicable, Ints
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


@dataclass(frozen=True)
class Measured(WordOverlap):
    """A reranker that counts words, with a limit; `seen` holds the pairs of each count."""

    tokens: int = 3
    replaced: tuple[str, ...] = ()
    known: bool = True
    seen: list[list[tuple[str, str]]] = field(default_factory=list)

    def limit(self) -> int:
        return self.tokens

    def pair_tokens(self, queries: Sequence[str], documents: Sequence[str]) -> Ints:
        if not self.known:
            raise Inapplicable("no tokenizer")
        pairs = list(zip(queries, documents, strict=True))
        self.seen.append(pairs)
        return np.array([len(f"{q} {d}".split()) for q, d in pairs], dtype=np.int32)

    def overridden(self) -> Sequence[str]:
        return self.replaced


NAME = name_of(Measured())


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


def test_pairs_and_tokens_that_the_reranker_cuts_are_counted_and_said() -> None:
    part = Measured(3, ("max_tokens=3 overrides the reranker's own limit of 9",))
    searcher = Rerank(FIRST, part, 5).prepare(DATA, Encoding())
    replaced = f"{NAME}: max_tokens=3 overrides the reranker's own limit of 9"
    assert searcher.warnings == ("material: slow", replaced)
    for _ in range(2):
        searcher.rank(5)
        assert searcher.facts["pairs_cut"] == 2 / 6, "`red car` with c (4 words) and d (5 words)"
        assert searcher.facts["pair_tokens_cut"] == 3 / (3 + 3 + 4 + 5 + 3 + 2)
        assert searcher.warnings == (
            "material: slow",
            replaced,
            f"{NAME}: 33.3% of pairs are longer than the reranker's limit of 3 tokens; 15.0% of all tokens were cut",
        )


def test_pairs_that_fit_are_a_fact_and_no_warning() -> None:
    searcher = Rerank(FIRST, Measured(5), 5).prepare(DATA, Encoding())
    searcher.rank(5)
    assert searcher.facts["pairs_cut"] == searcher.facts["pair_tokens_cut"] == 0
    assert searcher.warnings == ("material: slow",)


@pytest.mark.parametrize("reranker", [Measured(0), Measured(3, known=False), WordOverlap(), Saying(1.0)])
def test_a_reranker_without_a_limit_or_a_count_says_nothing(reranker: Reranker) -> None:
    searcher = Rerank(FIRST, reranker, 5).prepare(DATA, Encoding())
    searcher.rank(5)
    assert set(searcher.facts) == {"index_bytes", "pairs_per_query"}
    assert not any("cut" in w or "overrides" in w for w in searcher.warnings)


def test_of_many_pairs_an_even_sample_is_counted_that_reaches_every_rank_and_is_called_one() -> None:
    queries = {f"q{i:03}": f"name{i}" for i in range(256)}  # depth 4: even steps would see one rank alone
    ranks = {f"d{j}": "a b" if j else "a b c" for j in range(4)}
    listed = Listed({q: {d: -j for j, d in enumerate(ranks)} for q in queries})
    data, part = evalset(ranks, queries, {"q000": {"d0": 1}}), Measured(3)
    searcher = Rerank(listed, part, 4).prepare(data, Encoding())
    searcher.rank(4)
    (seen,) = part.seen
    assert [q for q, _ in seen] == list(queries.values()), "one pair from each stretch of four"
    long = [d for _, d in seen].count("a b c")
    assert 40 < long < 90
    assert searcher.facts["pairs_cut"] == long / 256
    assert searcher.warnings[-1].endswith("tokens were cut (in a sample of 256 of 1024 pairs)")
    searcher.rank(4)
    assert part.seen[1] == seen


def test_what_is_cut_in_an_inner_reranking_is_known_outside() -> None:
    data = small_set()
    for part in (Funnel(Bm25(), Rerank(Bm25(), Measured(3)), 9), Hybrid((Bm25(), Rerank(Bm25(), Measured(3), 100)))):
        searcher = part.prepare(data, Encoding())
        searcher.rank(9)
        assert 0 < searcher.facts["pairs_cut"] < 1
        assert any(f"{NAME}: " in w and "pairs are longer" in w for w in searcher.warnings)
    twice = Rerank(Rerank(Bm25(), Measured(3), 9), Measured(5), 9).prepare(data, Encoding())
    twice.rank(9)
    assert twice.facts["pairs_cut"] == max(stage.facts["pairs_cut"] for stage in twice.stages) > 0


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
