"""MaxSim over every document."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness.retrievers.late_interaction as late_interaction
import harness.tokenrows as tokenrows
from harness.encoders.hashing import Hashing
from harness.poolings.mean import Mean
from harness.poolings.native import Native
from harness.retrievers.late_interaction import LateInteraction
from harness.types import HarnessError, Inapplicable, Vectors
from tests.material import Encoding, evalset, small_set, unit

WORDS = Hashing(24, gives="vectors")
PART = LateInteraction(WORDS, Native())


class Tokens:
    """A `VectorSource` of given token vectors, a list of [t, d] for each side."""

    def __init__(self, documents: Any, queries: Any) -> None:
        self.sides = {"document": documents, "query": queries}

    def vectors(self, encoder: Any, pooling: Any, role: Any, texts: Any) -> Vectors:
        side = [np.asarray(rows, np.float32) for rows in self.sides[role]]
        counts = np.array([len(rows) for rows in side], np.int32)
        return Vectors(np.concatenate(side), counts, counts + (role == "document"), counts)


def searcher(documents: Any, queries: Any, part: LateInteraction = PART, ids: Any = None, **more: Any) -> Any:
    ids = ids or [f"d{i}" for i in range(len(documents))]
    names = more.pop("asking", [f"q{i}" for i in range(len(queries))])
    data = evalset(dict.fromkeys(ids, "text"), dict.fromkeys(names, "text"), {}, **more)
    return part.prepare(data, Tokens(documents, queries))


def drawn(n: int, most: int, seed: int) -> list[Any]:
    draw = np.random.default_rng(seed)
    return [unit(draw.normal(size=(draw.integers(1, most), 16))) for _ in range(n)]


DOCUMENTS, QUERIES = drawn(120, 30, 1), drawn(15, 9, 2)
EXACT = np.array([[(q.astype(float) @ d.T.astype(float)).max(axis=1).sum() for d in DOCUMENTS] for q in QUERIES])


def test_each_token_of_the_query_meets_its_best_token_of_the_document() -> None:
    query = [[1, 0], [0, 1]]
    documents = [[[1, 0], [0.6, 0.8]], [[0, 1]], [[-1, 0], [0, -1], [0.5, -2]]]
    ranking = searcher(documents, [query]).rank(4)
    # First: 1 + 0.8. Second: 0 + 1. Third: 0.5 + 0, the token (-1, 0) being nearer to (0, 1) than the others.
    assert ranking.documents.tolist() == [[0, 1, 2, -1]]
    assert ranking.scores[0, :3] == pytest.approx([1.8, 1.0, 0.5])


def test_rankings_and_scores_are_those_of_a_plain_loop_in_float64() -> None:
    found = searcher(DOCUMENTS, QUERIES)
    ranking = found.rank(10)
    assert np.array_equal(ranking.documents, np.argsort(-EXACT, axis=1)[:, :10])
    np.testing.assert_allclose(ranking.scores, -np.sort(-EXACT, axis=1)[:, :10], atol=1e-8)
    everything = found.score(np.tile(np.arange(120, dtype=np.int32), (15, 1)))
    np.testing.assert_allclose(everything, EXACT, atol=1e-8)


@pytest.mark.real
def test_scores_are_those_of_sentence_transformers() -> None:
    from sentence_transformers.util import maxsim

    theirs = maxsim(QUERIES, DOCUMENTS).numpy()
    everything = np.tile(np.arange(120, dtype=np.int32), (15, 1))
    np.testing.assert_allclose(searcher(DOCUMENTS, QUERIES).score(everything), theirs, atol=1e-5)


def test_nothing_depends_on_how_much_is_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = searcher(DOCUMENTS, QUERIES).rank(7)
    for name, module in (("_PRODUCTS", tokenrows), ("_QUERY_TOKENS", late_interaction), ("_HELD", late_interaction),
                         ("_DOCUMENTS", late_interaction), ("_EXACT_TOKENS", late_interaction)):  # fmt: skip
        monkeypatch.setattr(module, name, 11)
        after = searcher(DOCUMENTS, QUERIES).rank(7)
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)), name


def test_documents_with_the_same_tokens_tie_in_any_order_and_rank_by_id_descending() -> None:
    same = DOCUMENTS[0][np.argsort(DOCUMENTS[0][:, 0])]
    ranking = searcher([DOCUMENTS[0], *DOCUMENTS[5:60], same, same], QUERIES, ids=[f"d{i:02}" for i in range(58)]).rank(
        58
    )
    for row, scores in zip(ranking.documents.tolist(), ranking.scores, strict=True):
        first = row.index(57)
        assert row[first : first + 3] == [57, 56, 0]
        assert len(set(scores[first : first + 3])) == 1


def test_a_query_never_finds_itself_where_the_eval_set_says_so() -> None:
    found = searcher(DOCUMENTS[:9], [DOCUMENTS[3]], asking=["d3"], exclude_self=True)
    assert 3 not in found.rank(9).documents
    assert (found.rank(9).documents >= 0).sum() == 8
    assert 3 not in found.probe(0, 9, lambda stage: None) and len(found.probe(0, 9, lambda stage: None)) == 8
    assert searcher(DOCUMENTS[:9], [DOCUMENTS[3]], asking=["d3"]).rank(9).documents[0, 0] == 3


def test_a_probe_finds_what_rank_finds_and_says_when_it_has() -> None:
    found, stages = searcher(DOCUMENTS, QUERIES), list[str]()
    ranking = found.rank(10)
    for query in range(15):
        assert found.probe(query, 10, stages.append).tolist() == ranking.documents[query].tolist()
        scores = found.probe_score(query, ranking.documents[query], stages.append)
        np.testing.assert_allclose(scores, ranking.scores[query], atol=1e-5)
    assert stages == ["search", "score"] * 15


def test_candidates_are_scored_as_in_the_ranking_and_a_missing_one_not_at_all() -> None:
    found = searcher(DOCUMENTS, QUERIES)
    ranking = found.rank(5)
    assert np.array_equal(found.score(ranking.documents), ranking.scores)
    gaps = ranking.documents.copy()
    gaps[:, 2] = -1
    assert np.all(found.score(gaps)[:, 2] == -np.inf)


def test_half_precision_halves_the_bytes_and_hardly_moves_a_score() -> None:
    full, half = (
        searcher(DOCUMENTS, QUERIES, LateInteraction(WORDS, Native(), dtype)) for dtype in ("float32", "float16")
    )
    rows, offsets = sum(map(len, DOCUMENTS)), 121 * 8
    assert full.facts["index_bytes"] == full.facts["ram_bytes"] == rows * 16 * 4 + offsets
    assert half.facts["index_bytes"] == rows * 16 * 2 + offsets
    assert half.facts["bytes_per_doc"] == half.facts["index_bytes"] / 120
    assert (full.facts["dimensions"], full.facts["tokens_per_doc"]) == (16, rows / 120)
    everything = np.tile(np.arange(120, dtype=np.int32), (15, 1))
    apart = np.abs(full.score(everything) - half.score(everything)).max()
    assert 1e-6 < apart < 1e-2


def test_what_the_models_limit_cuts_is_counted_and_said() -> None:
    found = LateInteraction(Hashing(24, max_tokens=3, gives="vectors"), Native()).prepare(small_set(), Encoding())
    lengths = np.array([len(text.split()) for text in small_set().documents.texts])
    assert found.facts["documents_cut"] == (lengths > 3).mean()
    assert found.facts["tokens_cut"] == pytest.approx(1 - np.minimum(lengths, 3).sum() / lengths.sum())
    assert any("the model's limit of 3 tokens" in line for line in found.warnings)


@pytest.mark.parametrize(("gives", "said"), [("vector", "one vector a text"), ("sparse", "weights of terms")])
def test_a_model_of_another_kind_is_sent_to_its_own_retriever(gives: Any, said: str) -> None:
    part = LateInteraction(Hashing(gives=gives), Native())
    with pytest.raises(Inapplicable, match=f"hashing gives {said}.*retriever=native"):
        part.prepare(small_set(), Encoding())


def test_token_vectors_cannot_be_pooled() -> None:
    with pytest.raises(Inapplicable, match="pooling=native"):
        LateInteraction(WORDS, Mean()).prepare(small_set(), Encoding())


def test_the_need_is_one_forward_pass() -> None:
    assert [(n.encoder, n.pooling, n.chunking) for n in PART.needs()] == [(WORDS, Native(), None)]


@pytest.mark.parametrize(("token", "said"), [
    ([np.nan, 0], "not finite"), ([np.inf, 1], "not finite"), ([1e20, 1e20], "too long for float32"),
])  # fmt: skip
def test_vectors_that_no_comparison_can_bear_are_refused(token: Any, said: str) -> None:
    for documents, queries in (([[token], [[1, 0]]], [[token]]), ([[[1, 0]], [token]], [[token]])):
        with pytest.raises(HarnessError, match=said):
            searcher(documents, queries)


def test_half_precision_that_overflows_is_refused() -> None:
    with pytest.raises(HarnessError, match="not finite"):
        searcher([[[1e6, 0]], [[1, 0]]], [[[1, 0]]], LateInteraction(WORDS, Native(), "float16"))


def test_a_text_without_a_token_vector_is_refused() -> None:
    with pytest.raises(HarnessError, match="1 of 2 texts have no token vector"):
        searcher([[[1, 0]], np.zeros((0, 2))], [[[1, 0]]])


def test_sides_of_other_widths_are_refused() -> None:
    with pytest.raises(HarnessError, match="dimensions"):
        searcher([[[1, 0]]], [[[1, 0, 0]]])
