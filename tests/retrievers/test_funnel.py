"""One retriever's shortlist, ranked by another."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.poolings.native import Native
from harness.quantizers.float32 import Float32
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.retrievers.funnel import Funnel
from harness.retrievers.hybrid import Hybrid
from harness.types import HarnessError, Inapplicable
from tests.material import Encoding, Given, Listed, clustered, evalset, small_set

DATA = evalset(dict.fromkeys("abcde", ""), {"q": "what"}, {})
FIRST = Listed({"q": {"a": 5, "b": 4, "c": 3, "d": 2, "e": 1}})
SECOND = Listed({"q": {"a": 10, "b": 30, "c": 20, "d": 99, "e": 98}})


def short(dim: int) -> Dense:
    return Dense(Hashing(), Native(), Truncate(dim), Float32(), Flat())


def test_the_shortlist_gets_the_seconds_scores_and_the_rest_stays_below() -> None:
    ranking = Funnel(FIRST, SECOND, 3).prepare(DATA, Encoding()).rank(5)
    assert ranking.documents.tolist() == [[1, 2, 0, 3, 4]]
    assert ranking.scores.tolist() == [[30, 20, 10, 9, 8]]
    assert Funnel(FIRST, SECOND, 3).prepare(DATA, Encoding()).rank(2).documents.tolist() == [[1, 2]]


def test_a_shortlist_of_everything_is_the_seconds_ranking() -> None:
    data, source = evalset({f"d{i}": "" for i in range(200)}, {f"q{i}": "" for i in range(20)}, {}), Given
    vectors = clustered(200, 32, 1), clustered(20, 32, 2)
    full = Dense(Hashing(32), Native(), Truncate(), Float32(), Flat())
    exact = full.prepare(data, source(*vectors)).rank(10)
    funnel = Funnel(Dense(Hashing(32), Native(), Truncate(4), Float32(), Flat()), full, 200)
    again = funnel.prepare(data, source(*vectors)).rank(10)
    assert np.array_equal(again.documents, exact.documents)
    np.testing.assert_allclose(again.scores, exact.scores, atol=1e-6)


def test_a_longer_shortlist_comes_nearer_to_the_full_vectors() -> None:
    data = evalset({f"d{i:03}": "" for i in range(400)}, {f"q{i}": "" for i in range(30)}, {})
    vectors = clustered(400, 64, 1), clustered(30, 64, 2)
    full = Dense(Hashing(64), Native(), Truncate(), Float32(), Flat())
    exact = full.prepare(data, Given(*vectors)).rank(10).documents

    def shared(depth: int) -> float:
        funnel = Funnel(Dense(Hashing(64), Native(), Truncate(6), Float32(), Flat()), full, depth)
        found = funnel.prepare(data, Given(*vectors)).rank(10).documents
        return float(np.mean([len(set(a) & set(b)) for a, b in zip(exact, found, strict=True)]))

    assert shared(10) < shared(40) < shared(400) == 10


def test_the_vectors_of_both_stages_are_stored() -> None:
    facts = Funnel(short(4), short(16), 9).prepare(small_set(), Encoding()).facts
    assert facts["bytes_per_doc"] == (4 + 16) * 4
    assert facts["index_bytes"] == 40 * (4 + 16) * 4
    assert "dimensions" not in facts, "there are two"


def test_the_second_stage_must_score_documents() -> None:
    searcher = Funnel(Bm25(), Hybrid((Bm25(), short(8)))).prepare(small_set(), Encoding())
    with pytest.raises(Inapplicable, match="not second"):
        searcher.rank(3)


def test_a_depth_below_1_is_refused() -> None:
    with pytest.raises(HarnessError, match="funnel depth=0"):
        Funnel(FIRST, SECOND, 0).prepare(DATA, Encoding())


def test_a_probe_times_both_stages_and_finds_what_is_ranked() -> None:
    searcher = Funnel(short(4), short(16), 9).prepare(small_set(), Encoding())
    laps: list[str] = []
    found = [searcher.probe(i, 5, laps.append).tolist() for i in range(9)]
    assert [len(set(row)) for row in found] == [5] * 9
    assert laps[:2] == ["dense 1: search", "dense 2: score"]
    told = Funnel(FIRST, SECOND, 3).prepare(DATA, Encoding())
    assert told.probe(0, 4, laps.append).tolist() == [1, 2, 0, 3]
