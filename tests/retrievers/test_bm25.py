"""Search by words."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest

from harness.retrievers.bm25 import Bm25
from harness.types import Inapplicable, Ranking
from tests.material import Given, evalset

PLAIN = Bm25(stemmer="none", stopwords="none")
NOTHING = Given([], [])


def ranked(part: Bm25, documents: dict[str, str], query: str, k: int = 5, **more: Any) -> Ranking:
    return part.prepare(evalset(documents, {"q": query}, {"q": {}}, **more), NOTHING).rank(k)


def test_the_score_of_two_documents_is_lucenes_bm25() -> None:
    ranking = ranked(PLAIN, {"a": "red car red boat", "b": "blue car"}, "red car")
    k1, b, mean = 1.5, 0.75, 3.0

    def term(count: int, length: int, containing: int) -> float:
        idf = log(1 + (2 - containing + 0.5) / (containing + 0.5))
        return idf * count / (count + k1 * (1 - b + b * length / mean))

    assert ranking.documents.tolist() == [[0, 1, -1, -1, -1]]
    assert ranking.scores[0, 0] == pytest.approx(term(2, 4, 1) + term(1, 4, 2), rel=1e-6)
    assert ranking.scores[0, 1] == pytest.approx(term(1, 2, 2), rel=1e-6)


def test_a_word_asked_twice_counts_twice() -> None:
    once, twice = (ranked(PLAIN, {"a": "red", "b": "blue"}, q).scores[0, 0] for q in ("red", "red red"))
    assert twice == pytest.approx(2 * once)


@pytest.mark.parametrize("method", ["lucene", "robertson", "atire", "bm25l", "bm25+"])
def test_exactly_the_documents_that_share_a_word_are_results_in_every_variant(method: Any) -> None:
    documents = {"a": "red car", "b": "blue boat", "c": "red boat", "d": "red", "e": ""}
    ranking = ranked(Bm25(method=method, stemmer="none", stopwords="none"), documents, "red plane")
    assert sorted(ranking.documents[0].tolist()) == [-1, -1, 0, 2, 3]


@pytest.mark.parametrize("query", ["", "   ", "plane", "?!", "the of and"])
def test_a_query_without_a_known_word_has_no_result(query: str) -> None:
    ranking = ranked(Bm25(), {"a": "red car of the sea", "b": "blue car"}, query)
    assert ranking.documents.tolist() == [[-1] * 5]
    assert ranking.complete[0]


def test_words_are_matched_by_stem_and_without_regard_to_case() -> None:
    assert ranked(Bm25(), {"a": "Printers PRINTING", "b": "boat"}, "printed").documents[0, 0] == 0
    assert ranked(PLAIN, {"a": "printers", "b": "boat"}, "printed").documents[0, 0] == -1
    german = Bm25(language="german")
    assert (
        ranked(german, {"a": "die Häuser", "b": "das Boot"}, "die des Hauses").documents[0].tolist() == [0] + [-1] * 4
    )


def test_equal_documents_rank_by_id_descending() -> None:
    assert ranked(PLAIN, {"a": "red", "c": "red", "b": "red"}, "red", 2).documents.tolist() == [[1, 2]]


def test_the_query_is_not_its_own_result_where_the_set_says_so() -> None:
    documents = {"q": "red car", "b": "red"}
    assert ranked(PLAIN, documents, "red car", exclude_self=True).documents[0, :2].tolist() == [1, -1]
    assert ranked(PLAIN, documents, "red car", exclude_self=False).documents[0, :2].tolist() == [0, 1]


def test_documents_without_any_word_cannot_be_searched() -> None:
    with pytest.raises(Inapplicable, match="no word"):
        ranked(Bm25(), {"a": "", "b": "the of"}, "red")


def test_a_language_that_bm25_does_not_know_is_inapplicable_and_the_known_ones_are_named() -> None:
    with pytest.raises(Inapplicable, match="'klingon'.*english, french, german"):
        ranked(Bm25(language="klingon"), {"a": "x"}, "x")


def test_a_language_without_stop_words_works_where_they_are_switched_off() -> None:
    with pytest.raises(Inapplicable, match="stopwords=none"):
        ranked(Bm25(language="finnish"), {"a": "talossa", "b": "vene"}, "talot")
    assert (
        ranked(Bm25(language="finnish", stopwords="none"), {"a": "talossa", "b": "vene"}, "talot").documents[0, 0] == 0
    )
    assert (
        ranked(Bm25("klingon", stemmer="none", stopwords="none"), {"a": "qapla", "b": "x"}, "qapla").documents[0, 0]
        == 0
    )


def test_the_index_size_is_counted() -> None:
    searcher = PLAIN.prepare(evalset({"a": "red car", "b": "blue"}, {"q": "red"}, {"q": {"a": 1}}), NOTHING)
    assert searcher.facts["bytes_per_doc"] == searcher.facts["index_bytes"] / 2 > 10


def test_as_a_scorer_it_gives_its_own_scores_and_0_where_no_word_is_shared() -> None:
    data = evalset({"a": "red car red", "b": "blue", "c": "red"}, {"q": "red", "r": "boat"}, {})
    searcher = PLAIN.prepare(data, NOTHING)
    ranking = searcher.rank(2)
    scores = searcher.score(np.array([[0, 1, 2, -1], [2, -1, 1, 0]], dtype=np.int32))
    assert scores[0, [0, 2]].tolist() == [ranking.scores[0, ranking.documents[0].tolist().index(d)] for d in (0, 2)]
    assert scores[0, 1] == 0
    assert scores[0, 3] == -np.inf
    assert scores[1].tolist() == [0, -np.inf, 0, 0], "a query without a known word"


def test_a_probe_gives_the_documents_that_are_ranked() -> None:
    data = evalset({"a": "red car", "b": "blue", "q": "red"}, {"q": "red"}, {}, exclude_self=True)
    laps: list[str] = []
    assert PLAIN.prepare(data, NOTHING).probe(0, 2, laps.append).tolist() == [0]
    assert laps == ["search"]
