"""Weights of terms over an inverted index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from harness.encoders.hashing import Hashing
from harness.poolings.native import Native
from harness.retrievers.learned_sparse import LearnedSparse
from harness.sparse import packed
from harness.types import HarnessError, Inapplicable, Traits, Vectors
from tests.material import Encoding, evalset, small_set

TERMS = Hashing(gives="sparse")
PART = LearnedSparse(TERMS, Native())


@dataclass(frozen=True)
class Compared:
    """An encoder that is only asked what it is."""

    similarity: Any

    def traits(self) -> Traits:
        return Traits(self.similarity, "", 0, (), "sparse")


class Weighed:
    """A `VectorSource` of given weights, [n, V] and [q, V]."""

    def __init__(self, documents: Any, queries: Any) -> None:
        self.sides = {"document": documents, "query": queries}

    def vectors(self, encoder: Any, pooling: Any, role: Any, texts: Any) -> Vectors:
        rows, counts = packed(csr_array(np.asarray(self.sides[role], np.float32)))
        tokens = np.full(len(counts), 4, np.int32)
        return Vectors(rows, tokens, tokens, counts)


def searcher(documents: Any, queries: Any, part: LearnedSparse = PART, **more: Any) -> Any:
    names = more.pop("asking", [f"q{i}" for i in range(len(queries))])
    ids = {f"d{i:03}": "text" for i in range(len(documents))}
    return part.prepare(evalset(ids, dict.fromkeys(names, "text"), {}, **more), Weighed(documents, queries))


def drawn(n: int, share: float, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    return (draw.random((n, 300)) * (draw.random((n, 300)) < share)).astype(np.float32)


DOCUMENTS, QUERIES = drawn(150, 0.1, 1), drawn(12, 0.03, 2)
EXACT = QUERIES.astype(float) @ DOCUMENTS.T.astype(float)


def test_a_score_is_the_inner_product_and_only_who_shares_a_term_is_found() -> None:
    documents = [[2, 0, 0, 1], [0, 3, 0, 0], [0, 0, 5, 0.5]]
    ranking = searcher(documents, [[1, 0, 0, 4], [0, 0, 0, 0]]).rank(4)
    # First query: 2 * 1 + 1 * 4 and 0.5 * 4; the second document has neither of its terms.
    assert ranking.documents.tolist() == [[0, 2, -1, -1], [-1] * 4]
    assert ranking.scores[0].tolist() == [6, 2, -np.inf, -np.inf]
    assert ranking.complete.all()


def test_rankings_and_scores_are_those_of_the_dense_product() -> None:
    found = searcher(DOCUMENTS, QUERIES)
    ranking = found.rank(5)
    assert np.array_equal(ranking.documents, np.argsort(-EXACT, axis=1)[:, :5])
    np.testing.assert_allclose(ranking.scores, -np.sort(-EXACT, axis=1)[:, :5], atol=1e-8)
    deep = found.rank(150)
    assert np.array_equal((deep.documents >= 0).sum(axis=1), (EXACT > 0).sum(axis=1))
    everything = np.tile(np.arange(150, dtype=np.int32), (12, 1))
    np.testing.assert_allclose(found.score(everything), EXACT, atol=1e-8)


def test_cosine_is_the_product_of_unit_rows() -> None:
    found = searcher(DOCUMENTS, QUERIES, LearnedSparse(Compared("cosine"), Native()))
    norms = np.linalg.norm(QUERIES.astype(float), axis=1)[:, None] * np.linalg.norm(DOCUMENTS.astype(float), axis=1)
    everything = np.tile(np.arange(150, dtype=np.int32), (12, 1))
    np.testing.assert_allclose(found.score(everything), EXACT / norms, atol=1e-8)


def test_equal_documents_tie_and_rank_by_id_descending() -> None:
    copies = np.concatenate([DOCUMENTS[:40], DOCUMENTS[:40]])
    ranking = searcher(copies, QUERIES).rank(80)
    for row in ranking.documents.tolist():
        found = [d for d in row if d >= 0]
        assert [d for d in found if d >= 40] == found[0::2]
        assert [d - 40 for d in found[0::2]] == found[1::2]


def test_a_query_never_finds_itself_where_the_eval_set_says_so() -> None:
    found = searcher(DOCUMENTS, DOCUMENTS[7:8], asking=["d007"], exclude_self=True)
    assert 7 not in found.rank(150).documents
    assert 7 not in found.probe(0, 150, lambda stage: None)
    assert searcher(DOCUMENTS, DOCUMENTS[7:8], asking=["d007"]).rank(1).documents.tolist() == [[7]]


def test_a_probe_finds_what_rank_finds_and_says_when_it_has() -> None:
    found, stages = searcher(DOCUMENTS, QUERIES), list[str]()
    ranking = found.rank(10)
    for query in range(12):
        assert found.probe(query, 10, stages.append).tolist() == ranking.documents[query].tolist()
        assert np.array_equal(found.probe_score(query, ranking.documents[query], stages.append), ranking.scores[query])
    assert stages == ["search", "score"] * 12


def test_candidates_are_scored_as_in_the_ranking_and_a_missing_one_not_at_all() -> None:
    found = searcher(DOCUMENTS, QUERIES)
    ranking = found.rank(5)
    assert np.array_equal(found.score(ranking.documents), ranking.scores)
    assert found.score(np.full((12, 1), -1, np.int32)).tolist() == [[-np.inf]] * 12
    stranger = np.argmin(EXACT, axis=1).astype(np.int32)[:, None]
    assert np.array_equal(found.score(stranger)[:, 0] == 0, EXACT.min(axis=1) == 0)


def test_bytes_are_those_of_an_inverted_index() -> None:
    facts = searcher(DOCUMENTS, QUERIES).facts
    entries, terms = (
        int((DOCUMENTS > 0).sum()),
        1 + np.flatnonzero(np.concatenate([DOCUMENTS, QUERIES]).any(axis=0)).max(),
    )
    assert facts["index_bytes"] == facts["ram_bytes"] == entries * 8 + (terms + 1) * 8
    assert facts["bytes_per_doc"] == facts["index_bytes"] / 150
    assert facts["terms_per_doc"] == entries / 150
    assert facts["terms_per_query"] == (QUERIES > 0).sum() / 12


def test_what_the_models_limit_cuts_is_counted_and_said() -> None:
    found = LearnedSparse(Hashing(max_tokens=3, gives="sparse"), Native()).prepare(small_set(), Encoding())
    lengths = np.array([len(text.split()) for text in small_set().documents.texts])
    assert found.facts["documents_cut"] == (lengths > 3).mean()
    assert any("the model's limit of 3 tokens" in line for line in found.warnings)


@pytest.mark.parametrize(("gives", "said"), [("vector", "one vector a text"), ("vectors", "a vector for each token")])
def test_a_model_of_another_kind_is_sent_to_its_own_retriever(gives: Any, said: str) -> None:
    with pytest.raises(Inapplicable, match=f"hashing gives {said}.*retriever=native"):
        LearnedSparse(Hashing(gives=gives), Native()).prepare(small_set(), Encoding())


def test_an_inverted_index_knows_no_distance() -> None:
    with pytest.raises(Inapplicable, match="euclidean"):
        searcher(DOCUMENTS, QUERIES, LearnedSparse(Compared("euclidean"), Native()))


def test_documents_without_any_term_are_refused() -> None:
    with pytest.raises(HarnessError, match="no document has a term"):
        searcher(np.zeros((4, 9)), QUERIES[:, :9])


def test_weights_that_are_not_finite_are_refused() -> None:
    source = Weighed(DOCUMENTS, QUERIES)
    data = evalset({f"d{i}": "text" for i in range(150)}, {f"q{i}": "text" for i in range(12)}, {})

    class Broken:
        def vectors(self, *asked: Any) -> Vectors:
            vectors = source.vectors(*asked)
            vectors.rows[3, 70] = np.nan
            return vectors

    with pytest.raises(HarnessError, match="not finite"):
        PART.prepare(data, Broken())
