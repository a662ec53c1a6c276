"""Search by one vector a text."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from harness.codes import Decoded
from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.indexes.hnsw import Hnsw
from harness.indexes.ivf import Ivf
from harness.poolings.cls import Cls
from harness.poolings.max import Max
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.protocols import Encoder, Pooling
from harness.quantizers.binary import Binary
from harness.quantizers.float16 import Float16
from harness.quantizers.float32 import Float32
from harness.quantizers.int8 import Int8
from harness.reductions.pca import Pca
from harness.reductions.truncate import Truncate
from harness.retrievers.dense import Dense, DenseSearcher
from harness.types import EvalSet, HarnessError, Inapplicable, Role, Traits, Vectors
from tests.material import Encoding, Given, clustered, evalset, small_set


@dataclass(frozen=True)
class Claims(Hashing):
    """An encoder that says of itself what a test wants."""

    similarity: str = "cosine"
    pooling: str = "cls"

    def traits(self) -> Traits:
        return Traits(self.similarity, self.pooling, 5, ("a warning of its own",))


def numbered(documents: int, queries: int, **more: Any) -> EvalSet:
    return evalset({f"d{i:04}": "" for i in range(documents)}, {f"q{i}": "" for i in range(queries)}, {}, **more)


def dense(quantizer: Any = Float32(), pooling: Any = Native(), encoder: Any = Hashing(), **more: Any) -> Dense:  # noqa: B008
    reduction, index = more.pop("reduction", Truncate()), more.pop("index", Flat())
    return Dense(encoder, pooling, reduction, quantizer, index, **more)


def searcher(part: Dense, documents: Any, queries: Any, **more: Any) -> DenseSearcher:
    return part.prepare(numbered(len(documents), len(queries)), Given(documents, queries, **more))


DOCUMENTS, QUERIES = clustered(400, 64, 1), clustered(30, 64, 2)


def test_cosine_ranks_by_angle_and_dot_by_length_too() -> None:
    documents, queries = [[1, 0], [6, 6], [0, 3]], [[1.0, 0.1]]
    assert searcher(dense(similarity="cosine"), documents, queries).rank(3).documents.tolist() == [[0, 1, 2]]
    assert searcher(dense(similarity="dot"), documents, queries).rank(3).documents.tolist() == [[1, 0, 2]]
    cosine = searcher(dense(), documents, queries).rank(1).scores[0, 0]
    assert cosine == pytest.approx(1 / np.sqrt(1.01), abs=1e-6)


def test_a_zero_vector_is_ranked_last_by_cosine_and_breaks_nothing() -> None:
    assert searcher(dense(), [[0, 0], [1, 1]], [[1, 1]]).rank(2).documents.tolist() == [[1, 0]]


def test_a_model_that_gives_every_document_the_same_vector_is_refused() -> None:
    same = np.ones((3, 4), dtype=np.float32)
    for documents in (same, 0 * same):
        with pytest.raises(HarnessError, match="all 3 document vectors are equal"):
            searcher(dense(), documents, same[:1])
    assert searcher(dense(), same[:1], same[:1]).rank(1).documents.tolist() == [[0]]


def test_the_similarity_is_the_models_own_unless_named_and_a_change_is_said() -> None:
    documents, queries = [[1, 0], [6, 6]], [[1.0, 0.1]]
    own = searcher(dense(encoder=Claims(similarity="dot")), documents, queries)
    assert own.rank(1).documents.tolist() == [[1]]
    other = searcher(dense(encoder=Claims(similarity="dot"), similarity="cosine"), documents, queries)
    assert other.rank(1).documents.tolist() == [[0]]
    assert any("similarity cosine differs from the model's own (dot)" in w for w in other.warnings)
    assert not any("similarity" in w for w in own.warnings)


@pytest.mark.parametrize(("similarity", "order"), [("euclidean", 2), ("manhattan", 1)])
@pytest.mark.parametrize("rescore", [0, 4])
def test_distances_rank_as_computed_by_hand_and_score_as_their_negatives(
    similarity: Any, order: int, rescore: int
) -> None:
    documents, queries = DOCUMENTS * np.linspace(0.5, 2, 400, dtype=np.float32)[:, None], QUERIES[:5] * 2
    found = searcher(
        dense(Float16() if rescore else Float32(), similarity=similarity, rescore=rescore), documents, queries
    )
    apart = np.linalg.norm(queries[:, None].astype(float) - documents[None].astype(float), ord=order, axis=2)
    assert found.rank(10).documents.tolist() == np.argsort(apart, axis=1, kind="stable")[:, :10].tolist()
    np.testing.assert_allclose(found.rank(10).scores, -np.sort(apart, axis=1)[:, :10], atol=1e-6)
    assert any(f"similarity {similarity} differs from the model's own (cosine)" in w for w in found.warnings)


def test_one_and_the_same_model_gives_both_sides() -> None:
    with pytest.raises(HarnessError, match="documents have 64 dimensions and queries 32"):
        searcher(dense(), DOCUMENTS, QUERIES[:, :32])


def test_a_few_zero_vectors_are_said_and_many_are_an_error() -> None:
    documents = DOCUMENTS.copy()
    documents[:3] = 0
    assert any("3 of 400 document vectors are zero" in w for w in searcher(dense(), documents, QUERIES).warnings)
    documents[:201] = 0
    with pytest.raises(HarnessError, match="201 of 400 document vectors are zero"):
        searcher(dense(), documents, QUERIES)


@pytest.mark.parametrize("quantizer", [Float32(), Float16(), Int8(), Binary()])
@pytest.mark.parametrize("rescore", [0, 3])
def test_scores_of_candidates_are_those_they_rank_by(quantizer: Any, rescore: int) -> None:
    found = searcher(dense(quantizer, rescore=rescore), DOCUMENTS, QUERIES)
    ranking = found.rank(10)
    assert found.score(ranking.documents).tolist() == ranking.scores.tolist()
    assert found.score(np.full((30, 1), -1, np.int32)).tolist() == [[-np.inf]] * 30
    assert found.probe_score(4, ranking.documents[4], lambda _: None).tolist() == ranking.scores[4].tolist()


@pytest.mark.parametrize("quantizer", [Float32(), Float16(), Int8(), Binary()])
def test_a_probe_finds_what_the_ranking_has_and_says_its_stages(quantizer: Any) -> None:
    found = searcher(dense(quantizer, rescore=4), DOCUMENTS, QUERIES)
    stages: list[str] = []
    shared = [len(set(found.probe(q, 10, stages.append)) & set(found.rank(10).documents[q])) for q in range(30)]
    assert np.mean(shared) > 9
    assert stages[:2] == ["search", "rescore"]


def test_a_probe_never_gives_the_querys_own_document() -> None:
    data = evalset({"a": "", "b": "", "c": ""}, {"b": ""}, {}, exclude_self=True)
    found = dense().prepare(data, Given(np.eye(3), np.eye(3)[1:2] + 0.1))
    assert found.probe(0, 2, lambda _: None).tolist() in ([0, 2], [2, 0])


def test_rescoring_by_codes_stores_those_instead_of_floats_and_loses_little() -> None:
    by_floats = searcher(dense(Binary(), rescore=4), DOCUMENTS, QUERIES)
    by_codes = searcher(dense(Binary(), rescore=4, rescorer=Int8()), DOCUMENTS, QUERIES)
    assert by_floats.facts["rescoring_bytes"] == 400 * 64 * 4
    assert by_codes.facts["rescoring_bytes"] == 400 * 64
    pairs = zip(by_floats.rank(10).documents, by_codes.rank(10).documents, strict=True)
    assert np.mean([len(set(a) & set(b)) for a, b in pairs]) > 9.5


def test_an_index_that_can_miss_says_what_it_found_of_the_exact_first_ten() -> None:
    poor = dense(index=Ivf(lists=40, probes=1))
    found = poor.prepare(numbered(400, 30), Given(DOCUMENTS, QUERIES))
    exact = searcher(dense(), DOCUMENTS, QUERIES).rank(10).documents
    ranked = found.rank(10).documents
    shared = [len(set(a) & set(b)) for a, b in zip(exact, ranked, strict=True)]
    assert found.facts["index_recall_at_10"] == pytest.approx(sum(shared) / 300) and sum(shared) < 300
    assert found.facts["index_bytes"] > 400 * 64 * 4
    assert "index_recall_at_10" not in searcher(dense(), DOCUMENTS, QUERIES).facts


def test_the_first_ten_of_an_approximate_index_are_those_a_service_asks_for() -> None:
    part = dense(index=Hnsw(m=2, ef_construction=4, ef_search=1))
    found = part.prepare(numbered(400, 30), Given(DOCUMENTS, QUERIES))
    deep, served = found.rank(100), found.built.search(QUERIES, 10, found.excluded)
    assert np.array_equal(deep.documents[:, :10], served.documents)
    assert not np.array_equal(found.built.search(QUERIES, 100, found.excluded).documents[:, :10], served.documents)
    assert all((np.diff(row[np.isfinite(row)]) <= 0).all() for row in deep.scores)
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in deep.documents)


def test_a_reduction_is_fitted_on_the_named_set() -> None:
    part = dense(encoder=Hashing(16), reduction=Pca(4), fit_on="archive")
    data, archive = small_set(), evalset({f"a{i}": f"boat {i} engine" for i in range(30)}, {"q": ""}, {})
    elsewhere = part.prepare(data, Encoding(sets={"archive": archive})).rank(10)
    here = dense(encoder=Hashing(16), reduction=Pca(4)).prepare(data, Encoding()).rank(10)
    assert not np.array_equal(elsewhere.scores, here.scores)
    assert 0 < part.prepare(data, Encoding(sets={"archive": archive})).facts["variance_kept"] <= 1


def test_mean_pooling_on_a_cls_model_is_never_put_on_without_a_word() -> None:
    warned = searcher(dense(pooling=Mean(), encoder=Claims()), DOCUMENTS, QUERIES).warnings
    assert any("pooling mean overrides the model's own (cls)" in w for w in warned)
    for right in (Native(), Cls()):
        quiet = searcher(dense(pooling=right, encoder=Claims()), DOCUMENTS, QUERIES).warnings
        assert not any("pooling" in w for w in quiet)
    assert "a warning of its own" in quiet


def test_documents_cut_at_the_models_limit_are_counted_in_documents_and_tokens() -> None:
    found = searcher(dense(encoder=Claims()), DOCUMENTS[:4], QUERIES, tokens=[5, 5, 2, 3], full=[15, 10, 2, 3])
    assert found.facts["documents_cut"] == 0.5
    assert found.facts["tokens_cut"] == 0.5
    assert any(
        w.startswith("50.0% of documents") and "limit of 5 tokens; 50.0% of all tokens" in w for w in found.warnings
    )
    whole = searcher(dense(), DOCUMENTS, QUERIES)
    assert whole.facts["documents_cut"] == whole.facts["tokens_cut"] == 0
    assert whole.warnings == ()


@pytest.mark.parametrize(
    ("quantizer", "rescore", "a_document", "overhead"),
    [
        (Float32(), 0, 1536, 0), (Float16(), 0, 768, 0), (Int8(), 0, 384, 2 * 4 * 384), (Binary(), 0, 48, 0),
        (Binary(), 4, 48 + 1536, 0), (Int8(), 4, 384 + 1536, 2 * 4 * 384),
    ],
)  # fmt: skip
def test_bytes_are_those_stored_rescoring_copy_included(
    quantizer: Any, rescore: int, a_document: int, overhead: int
) -> None:
    facts = searcher(dense(quantizer, rescore=rescore), clustered(50, 384, 1), clustered(3, 384, 2)).facts
    assert facts["bytes_per_doc"] == a_document
    assert facts["index_bytes"] == 50 * a_document + overhead
    assert facts["ram_bytes"] + facts["rescoring_bytes"] == facts["index_bytes"]
    assert facts["rescoring_bytes"] == (50 * 1536 if rescore else 0)
    assert facts["dimensions"] == 384


def test_a_cut_dimension_is_what_is_stored() -> None:
    assert searcher(dense(Binary(), reduction=Truncate(20)), DOCUMENTS, QUERIES).facts["bytes_per_doc"] == 3


@pytest.mark.parametrize("quantizer", [Binary(), Int8(), Float16()])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_rescoring_a_shortlist_of_everything_is_the_float_ranking(quantizer: Any, similarity: Any) -> None:
    documents = DOCUMENTS * (1 + np.arange(400)[:, None] % 5).astype(np.float32)
    exact = searcher(dense(similarity=similarity), documents, QUERIES).rank(10)
    again = searcher(dense(quantizer, rescore=40, similarity=similarity), documents, QUERIES).rank(10)
    assert np.array_equal(again.documents, exact.documents)
    np.testing.assert_allclose(again.scores, exact.scores, atol=1e-9)


def test_rescoring_a_short_list_orders_it_by_float_scores_and_helps() -> None:
    exact, plain, rescored = (
        searcher(part, DOCUMENTS, QUERIES).rank(10).documents
        for part in (dense(), dense(Binary()), dense(Binary(), rescore=4))
    )
    shared = [np.mean([len(set(a) & set(b)) for a, b in zip(exact, other, strict=True)]) for other in (plain, rescored)]
    assert shared[1] > shared[0] + 1
    shortlist = searcher(dense(Binary()), DOCUMENTS, QUERIES).rank(40).documents
    assert all(set(row) <= set(pool) for row, pool in zip(rescored, shortlist, strict=True))
    scores = np.take_along_axis(QUERIES @ DOCUMENTS.T, rescored, axis=1)
    assert (np.diff(scores, axis=1) <= 1e-6).all()


def test_behind_the_shortlist_the_order_of_the_codes_goes_on_with_lower_scores() -> None:
    coded = searcher(dense(Binary()), DOCUMENTS, QUERIES).rank(60).documents
    rescored = searcher(dense(Binary(), rescore=4), DOCUMENTS, QUERIES).rank(60)
    assert np.array_equal(rescored.documents[:, 40:], coded[:, 40:])
    assert [set(row) for row in rescored.documents[:, :40].tolist()] == [set(row) for row in coded[:, :40].tolist()]
    assert (np.diff(rescored.scores, axis=1) <= 0).all()
    assert (rescored.scores[:, 39] > rescored.scores[:, 40]).all(), "no tie over the border of the shortlist"


def test_binary_compares_bits_with_bits() -> None:
    scores = searcher(dense(Binary()), DOCUMENTS, QUERIES).rank(3).scores
    signs = np.where(QUERIES >= 0, 1, -1) @ np.where(DOCUMENTS >= 0, 1, -1).T
    assert scores.tolist() == (-np.sort(-signs, axis=1)[:, :3]).astype(float).tolist()


def test_a_negative_rescore_is_inapplicable() -> None:
    with pytest.raises(Inapplicable, match="rescore=-1"):
        searcher(dense(rescore=-1), DOCUMENTS, QUERIES)


def test_what_is_fitted_is_fitted_on_documents_alone() -> None:
    few = searcher(dense(Int8()), DOCUMENTS, QUERIES)
    odd = searcher(dense(Int8()), DOCUMENTS, np.concatenate([QUERIES, 100 * QUERIES[:3] - 5]))
    assert np.array_equal(odd.rank(10).documents[:30], few.rank(10).documents)


class Handed(Given):
    """A source that remembers the matrix it last gave away."""

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:
        found = super().vectors(encoder, pooling, role, texts)
        self.last = found.rows if role == "document" else self.last
        return found


@pytest.mark.parametrize("quantizer", [Float32(), Float16(), Int8(), Int8(0.9), Binary()])
@pytest.mark.parametrize("dim", ["full", 40])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_no_second_matrix_of_floats_is_made(quantizer: Any, dim: Any, similarity: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("harness.ranking.BLOCK_ROWS", 1000)
    n = 40_000
    part, data = dense(quantizer, reduction=Truncate(dim), similarity=similarity), numbered(n, 2)
    source = Handed(np.tile(DOCUMENTS * 3, (n // len(DOCUMENTS), 1)), QUERIES[:2])
    tracemalloc.start()
    part.prepare(data, source).rank(10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.75 * source.last.nbytes, "the matrix given, half of it for codes, ids and a few blocks"


def test_full_precision_searches_the_very_matrix_that_the_source_gave_away() -> None:
    source = Handed(DOCUMENTS, QUERIES)
    found = dense(Float32(), rescore=2).prepare(numbered(400, 30), source)
    assert np.shares_memory(found.searched, source.last)
    assert np.shares_memory(found.sides.documents, source.last)


@pytest.mark.parametrize("quantizer", [Float16(), Int8(), Binary()])
def test_codes_too_large_to_hold_decoded_rank_alike_and_are_decoded_once_for_all_probes(
    quantizer: Any, monkeypatch: Any
) -> None:
    held = searcher(dense(quantizer, rescore=2), DOCUMENTS, QUERIES)
    monkeypatch.setattr("harness.retrievers.dense._HELD_TWICE", 0)
    large = searcher(dense(quantizer, rescore=2), DOCUMENTS, QUERIES)
    assert isinstance(large.searched, Decoded)
    assert all(np.array_equal(a, b) for a, b in zip(held.rank(50), large.rank(50), strict=True))
    large.probe(0, 5, print)
    decoded: list[int] = []
    monkeypatch.setattr(type(large.quantizer), "decode", lambda _, codes: decoded.append(len(codes)))
    large.probe(3, 5, print)
    assert decoded == []


@pytest.mark.parametrize("quantizer", [Float32(), Float16(), Int8(), Binary()])
@pytest.mark.parametrize("side", ["document", "query"])
def test_vectors_that_are_not_finite_are_refused_and_never_ranked(quantizer: Any, side: str) -> None:
    documents, queries = DOCUMENTS.copy(), QUERIES.copy()
    (documents if side == "document" else queries)[2, 5] = np.nan
    with pytest.raises(HarnessError, match="finite"):
        searcher(dense(quantizer), documents, queries).rank(5)


def test_documents_that_score_alike_rank_by_id_for_every_query() -> None:
    documents = np.ones((50, 8))
    documents[0] = -1  # one that is told apart, or the model would be refused
    ranking = searcher(dense(), documents, np.ones((4, 8))).rank(10)
    assert ranking.documents.tolist() == [list(range(49, 39, -1))] * 4
    assert not ranking.complete.any()


def test_a_text_is_found_by_its_own_words_end_to_end() -> None:
    texts = {"a": "reset the printer", "b": "change a password", "c": "printer is offline", "d": "vpn"}
    data = evalset(texts, {"q": "password change", "r": "printer offline"}, {"q": {"b": 1}})
    for quantizer in (Float32(), Int8(), Float16(), Binary()):
        ranking = dense(quantizer, Mean(), Hashing(256)).prepare(data, Encoding()).rank(1)
        assert ranking.documents[:, 0].tolist() == [1, 2]


def test_a_probe_searches_one_query_and_changes_nothing() -> None:
    found = searcher(dense(Int8(), Max(), rescore=2), DOCUMENTS, QUERIES)
    before = found.rank(5).documents.tolist()
    found.probe(3, 5, print)
    assert found.rank(5).documents.tolist() == before
