"""Chance, BM25 and the best there is; holes, and labels that favour one engine."""

from __future__ import annotations

from itertools import permutations
from math import log2
from pathlib import Path

import numpy as np
import pytest

from harness import evidence
from harness.checks import engines
from harness.checks.engines import expected, reachable, with_queries
from harness.checks.study import Study, Unchecked
from harness.evalsets import load
from harness.retrievers.bm25 import Bm25
from harness.types import EvalSet, Note, Qrels, Texts, Unavailable
from tests.test_validate import made

WORDS = [f"word{i} word{i + 1} word{i + 2} filler{i % 3}" for i in range(30)]


def notes(evalset: EvalSet) -> dict[str, Note]:
    return {one.code: one for one in engines.engines(Study(evalset)) if isinstance(one, Note)}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "STATIC", "hashing")


def test_the_expected_score_is_the_mean_over_all_orders() -> None:
    study = Study(made(["a", "b", "c", "d"], ["x"], [(0, 0, 2), (0, 1, 1)]))
    grades, ideal = [2, 1, 0, 0], 2 + 1 / log2(3)
    scores = [sum(g / log2(i + 2) for i, g in enumerate(order)) / ideal for order in permutations(grades)]
    assert expected(study)["ndcg_at_10"] == pytest.approx(np.mean(scores), abs=1e-12)
    assert expected(study)["recall_at_10"] == 1.0


def test_the_expected_recall_is_the_share_of_the_corpus_that_is_seen() -> None:
    study = Study(made([f"w{i}" for i in range(40)], ["x"], [(0, 0, 1), (0, -1, 1)]))
    assert expected(study)["recall_at_10"] == pytest.approx(0.5 * 10 / 40)
    assert reachable(study)["recall_at_100"] == 0.5


def test_more_relevant_documents_than_ten_cap_recall_and_an_own_document_is_out_of_reach() -> None:
    twelve = [(0, i, 1) for i in range(12)]
    assert reachable(Study(made(WORDS, ["x"], twelve)))["recall_at_10"] == pytest.approx(10 / 12)
    own = made(["a", "b"], ["a"], [(0, 0, 1), (0, 1, 1)], exclude_self=True)
    own = EvalSet(**{**vars(own), "queries": Texts(("d0",), ("a",))})
    assert reachable(Study(own))["ndcg_at_10"] == pytest.approx(1 / (1 + 1 / log2(3)))
    assert expected(Study(own))["recall_at_10"] == 0.5


def test_the_range_names_what_bm25_itself_scores() -> None:
    evalset = made(WORDS, ["word3 word4", "word9"], [(0, 3, 1), (1, 20, 1)])
    assert notes(evalset)["reachable"].message.startswith("nDCG@10 ")
    top = Bm25().prepare(evalset, None).rank(10).documents  # type: ignore[arg-type]
    scores = [1 / log2(list(row).index(d) + 2) if d in row else 0.0 for row, d in zip(top, (3, 20), strict=True)]
    assert f" {np.mean(scores):.4f} BM25, 1.0000 best" in notes(evalset)["reachable"].message


def labelled_by_bm25(queries: int, depth: int) -> EvalSet:
    """The first `depth` results of BM25 judged, the first of them relevant."""
    asked = [f"word{i} word{i + 1}" for i in range(queries)]
    bare = made(WORDS, asked, [(i, i, 1) for i in range(queries)])
    top = Bm25().prepare(bare, None).rank(depth).documents.tolist()  # type: ignore[arg-type]
    return made(WORDS, asked, [(q, d, int(i == 0)) for q, row in enumerate(top) for i, d in enumerate(row) if d >= 0])


def test_labels_from_the_top_of_bm25_are_found_with_both_scores() -> None:
    note = notes(labelled_by_bm25(12, 10))["labels-from-one-engine"]
    assert note.level == "warning"
    assert "BM25 0.0%, a static model" in note.message
    assert "the labels favour BM25" in note.message
    assert "nDCG@10 with unjudged as wrong: BM25 1.0000 (1.0000 over judged documents alone)" in note.effect


@pytest.mark.parametrize(("irrelevant", "code", "level"), [(0, "few-judged", "warning"), (1, "holes", "info")])
def test_few_judged_of_both_engines_is_a_warning_unless_nothing_is_judged_irrelevant(
    irrelevant: int, code: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_APART", 1.0)  # vectors of hashes find too little to be compared
    judged = [pair for i in range(12) for pair in ((i, i, 1), (i, (i + 15) % 30, irrelevant))]
    note = notes(made(WORDS, [f"word{i} word{i + 1}" for i in range(12)], judged))[code]
    assert note.level == level and ("nothing is judged irrelevant" in note.message) == bool(irrelevant)


def test_a_declared_source_that_bm25_does_not_bear_out_is_a_warning() -> None:
    def declared(evalset: EvalSet) -> dict[str, Note]:
        return notes(EvalSet(**{**vars(evalset), "label_source": "bm25-top10"}))

    far = made(WORDS, [f"word{i} word{i + 1}" for i in range(12)], [(i, (i + 15) % 30, 1) for i in range(12)])
    note = declared(far)["label-source-contradicted"]
    assert note.level == "warning" and "of the relevant documents are among the first 10 of BM25" in note.message
    assert "label-source-contradicted" not in notes(far)
    assert "label-source-contradicted" not in declared(labelled_by_bm25(12, 10))


def test_fewer_than_ten_queries_tell_of_no_engine_and_full_labels_of_no_holes() -> None:
    assert "labels-from-one-engine" not in notes(labelled_by_bm25(9, 10))
    everything = [(q, d, int(q == d)) for q in range(12) for d in range(30)]
    note = notes(made(WORDS, [f"word{i} word{i + 1}" for i in range(12)], everything))["holes"]
    assert note.message == "unjudged in the first 10: BM25 0.0%, a static model 0.0%"


def test_without_the_static_model_it_is_said_and_the_rest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise Unavailable("wordllama is not installed")

    monkeypatch.setattr(engines, "_static", absent)
    found = list(engines.engines(Study(made(WORDS, ["word1"], [(0, 1, 1)]))))
    assert [one.code for one in found if isinstance(one, Note)] == ["reachable"]
    assert Unchecked("labels from one engine: wordllama is not installed") in found


def test_a_large_corpus_and_one_without_words_are_said_to_be_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    (without,) = engines.engines(Study(made(["", "the"], ["x"], [(0, 0, 1)])))
    assert isinstance(without, Unchecked) and "BM25 finds no word" in without.what
    monkeypatch.setattr(engines, "MOST_RANKED", 1)
    (large,) = engines.engines(Study(made(["a", "b"], ["x"], [(0, 0, 1)])))
    assert isinstance(large, Unchecked) and "more than 1 documents" in large.what


def test_many_queries_are_ranked_in_an_even_sample_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_WORK", 1)
    monkeypatch.setattr(engines, "_FEWEST", 10)
    evalset = made(WORDS, [f"word{i}" for i in range(25)], [(i, i, 1) for i in range(25)])
    part, said = engines.ranked_part(Study(evalset))
    assert said == " (9 of 25 scored queries)"
    assert part.queries.ids[:2] == ("q0", "q3")
    assert part.qrels.document.tolist()[:2] == [0, 3]


def test_some_queries_of_a_set_keep_their_judgements() -> None:
    evalset = made(["a", "b"], ["x", "y", "z"], [(0, 0, 1), (2, 1, 2), (1, 0, 1)])
    part = with_queries(evalset, [2, 0], ["p", "q", "r"])
    assert part.queries == Texts(("q2", "q0"), ("r", "p"))
    assert [column.tolist() for column in part.qrels] == [[1, 0], [0, 1], [1, 2]]


@pytest.mark.parametrize(("languages", "expected_part"), [
    ((), Bm25()), (("de-AT", "en"), Bm25(language="german")), (("ja",), Bm25(stemmer="none", stopwords="none")),
])  # fmt: skip
def test_bm25_reads_the_first_language_that_it_knows(languages: tuple[str, ...], expected_part: Bm25) -> None:
    evalset = made(["a"], ["x"], [(0, 0, 1)])
    assert engines.bm25(EvalSet(**{**vars(evalset), "languages": languages})) == expected_part


def test_the_decision_knows_the_finding_by_its_name() -> None:
    assert engines.WITHIN == evidence.WITHIN


@pytest.mark.real
def test_cranfield_cut_to_bm25s_results_favours_bm25(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "STATIC", "wordllama")
    whole = load({"path": str(shared / "retrieval" / "cranfield"), "languages": ["en"]}, Path("m.yaml"))
    assert "few-judged" in notes(whole)
    top = Bm25().prepare(whole, None).rank(10).documents  # type: ignore[arg-type]
    query, document, grade = whole.qrels
    kept = np.array([d in top[q] for q, d in zip(query, document, strict=True)])
    cut = EvalSet(**{**vars(whole), "qrels": Qrels(query[kept], document[kept], grade[kept])})
    assert "favour BM25" in notes(cut)["labels-from-one-engine"].message
    within = notes(cut)["labels-within-one-engine"]
    assert within.message == "every relevant document is among the first 10 of BM25, 2.7 a query"
    assert within.effect.startswith("Recall@10 is 1.0000 for BM25 and 0.6")
    assert "labels-within-one-engine" not in notes(whole)
