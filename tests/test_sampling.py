"""Smoke-test samples: which queries and documents stay, and that what stays scores as it should."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pytrec_eval

from harness.metrics.ndcg import Ndcg
from harness.metrics.recall import Recall
from harness.ranking import judge, own_documents
from harness.sampling import sampled
from harness.types import EvalSet, HarnessError, Note, Texts
from tests.material import evalset, ranking_of

# Six scored queries (q0 to q5), two that are not (q6 judged irrelevant, q7 unjudged), one judgement that dangles.
GRADES = {
    "q0": {"d00": 2, "d01": 0}, "q1": {"d02": 1, "gone": 1}, "q2": {"d03": 1, "d00": 1}, "q3": {"d04": 3},
    "q4": {"d05": 1, "d06": 0}, "q5": {"d07": 1}, "q6": {"d08": 0},
}  # fmt: skip
DOCUMENTS = {f"d{i:02}": f"text of document {i}" for i in range(20)}
QUERIES = {f"q{i}": f"text of query {i}" for i in range(8)}


def whole(**more: Any) -> EvalSet:
    return evalset(DOCUMENTS, QUERIES, GRADES, **more)


def by_hash(ids: Any, kind: str) -> list[str]:
    """The documented draw, written again."""
    return sorted(ids, key=lambda name: hashlib.sha256(f"20260101|{kind}|{name}".encode()).hexdigest())


def graded(found: EvalSet) -> dict[str, list[tuple[str, int]]]:
    """Query id -> the ids and grades it is judged with, read through the positions."""
    pairs: dict[str, list[tuple[str, int]]] = {}
    for query, document, grade in zip(*(column.tolist() for column in found.qrels), strict=True):
        name = found.documents.ids[document] if document >= 0 else "gone"
        pairs.setdefault(found.queries.ids[query], []).append((name, grade))
    return pairs


def note(found: EvalSet, code: str) -> Note:
    return next(n for n in found.notes if n.code == code)


# Queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_queries_are_drawn_by_hash_among_those_with_a_relevant_document(n: int) -> None:
    found = sampled(whole(), n, None)
    drawn = by_hash(["q0", "q1", "q2", "q3", "q4", "q5"], "query")[:n]
    assert found.queries.ids == tuple(sorted(drawn)), "file order stays"
    assert found.queries.texts == tuple(QUERIES[q] for q in sorted(drawn))
    assert found.documents is not None and found.documents.ids == tuple(DOCUMENTS)
    assert graded(found) == {q: list(GRADES[q].items()) for q in sorted(drawn)}
    assert found.sample == f"{n} of 6 queries"


def test_the_sample_depends_on_ids_not_on_the_order_of_the_files() -> None:
    turned = evalset(dict(reversed(DOCUMENTS.items())), dict(reversed(QUERIES.items())), dict(reversed(GRADES.items())))
    one, other = sampled(whole(), 3, 12), sampled(turned, 3, 12)
    assert one.queries.ids == other.queries.ids[::-1] and one.documents.ids == other.documents.ids[::-1]
    assert graded(one) == graded(other)


def test_a_larger_sample_holds_the_smaller_one() -> None:
    small, large = sampled(whole(), 2, None), sampled(whole(), 4, None)
    assert set(small.queries.ids) < set(large.queries.ids)
    fewer, more = sampled(whole(), None, 12), sampled(whole(), None, 15)
    assert set(fewer.documents.ids) < set(more.documents.ids)


# Documents -----------------------------------------------------------------------------------------------------


def test_every_judged_document_of_a_kept_query_stays_and_others_fill_up_by_hash() -> None:
    found = sampled(whole(), 3, 10)
    judged = {d for q in found.queries.ids for d in GRADES[q]} - {"gone"}
    others = by_hash(set(DOCUMENTS) - judged, "document")[: 10 - len(judged)]
    assert found.documents.ids == tuple(sorted(judged | set(others)))
    assert found.documents.texts == tuple(DOCUMENTS[d] for d in found.documents.ids)
    assert found.sample == "3 of 6 queries, 10 of 20 documents"


def test_documents_alone_can_be_limited_and_then_every_query_stays_unscored_ones_too() -> None:
    found = sampled(whole(), None, 12)
    assert found.queries == whole().queries and graded(found) == graded(whole())
    assert len(found.documents) == 12 and found.sample == "12 of 20 documents"


def test_a_judgement_for_a_document_that_the_corpus_lacks_stays_dangling() -> None:
    found = sampled(whole(), None, 9)
    assert ("gone", 1) in graded(found)["q1"] and int((found.qrels.document < 0).sum()) == 1


def test_more_judged_documents_than_asked_for_all_stay_and_a_note_says_so() -> None:
    found = sampled(whole(), None, 4)
    assert found.documents.ids == tuple(f"d{i:02}" for i in range(9)), "the nine that are judged"
    assert "limit_docs=4 keeps 9 documents" in note(found, "limit-docs").message
    assert "limit-docs" not in {n.code for n in sampled(whole(), None, 9).notes}


def test_a_corpus_that_is_judged_throughout_is_not_cut_and_says_so_without_a_mark() -> None:
    complete = evalset({"d00": "a", "d01": "b"}, {"q0": "x"}, {"q0": {"d00": 1, "d01": 0}})
    found = sampled(complete, None, 1)
    assert (found.documents, found.sample, found.sha256) == (complete.documents, "", complete.sha256)
    assert [n.code for n in found.notes] == ["limit-docs"]


def test_the_own_documents_of_kept_queries_stay_where_the_set_excludes_them() -> None:
    documents = DOCUMENTS | {q: f"text of {q}" for q in QUERIES}
    found = sampled(evalset(documents, QUERIES, GRADES, exclude_self=True), 2, 1)
    assert set(found.queries.ids) < set(found.documents.ids)
    own = own_documents(found)
    assert [found.documents.ids[i] for i in own] == list(found.queries.ids)
    without = sampled(evalset(documents, QUERIES, GRADES), 2, 1)
    assert not set(without.documents.ids) & set(QUERIES)


# Marks and identity --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("queries", "documents"), [(None, None), (6, None), (8, 20), (1000, 1000), (None, 20)])
def test_asking_for_all_there_is_changes_nothing(queries: int | None, documents: int | None) -> None:
    full = whole()
    assert sampled(full, queries, documents) is full and full.sample == ""


def test_a_sample_has_a_hash_of_its_own_that_follows_from_its_content() -> None:
    full, found = whole(), sampled(whole(), 3, 12)
    assert len({full.sha256, found.sha256, sampled(full, 3, None).sha256, sampled(full, None, 12).sha256}) == 4
    assert replace(found, sample="").sha256 == found.sha256 == sampled(whole(), 3, 12).sha256


def test_the_first_note_warns_of_scores_that_are_too_high_and_says_how_to_run_in_full() -> None:
    before = Note("format", "info", "", "read as beir")
    found = sampled(whole(notes=(before,)), 3, 12)
    first = found.notes[0]
    assert (first.code, first.level) == ("sub-sampled", "warning") and before in found.notes
    assert found.sample in first.message and "too high" in first.effect and "limit_queries" in first.fix


def test_what_the_manifest_says_of_the_set_stays() -> None:
    about = {"languages": ("en",), "weight": 2.0, "guard": True, "label_source": "clicks", "source": "here"}
    found = sampled(whole(**about), 2, 10)
    assert {key: getattr(found, key) for key in about} == about and found.name == "made"


@pytest.mark.parametrize("value", [0, -1, 1.0, 2.5, True, "10", float("nan")])
def test_a_limit_that_is_no_whole_number_of_at_least_one_is_one_line(value: Any) -> None:
    with pytest.raises(HarnessError, match=r"limit_queries=.*whole number of at least 1"):
        sampled(whole(), value, None)
    with pytest.raises(HarnessError, match=r"limit_docs=.*whole number of at least 1"):
        sampled(whole(), None, value)


def test_ids_that_are_no_valid_unicode_are_drawn_too() -> None:
    odd = evalset({"d\ud800": "a", "d1": "b", "d2": "c"}, {"q": "x"}, {"q": {"d\ud800": 1}})
    assert "d\ud800" in sampled(odd, None, 2).documents.ids


# Oracle --------------------------------------------------------------------------------------------------------


def _run(seed: int) -> dict[str, dict[str, float]]:
    """A full ranking of every document for every query, with ties."""
    draw = np.random.default_rng(seed)
    return {q: {d: float(s) for d, s in zip(DOCUMENTS, draw.integers(0, 9, 20), strict=True)} for q in QUERIES}


def _ours(found: EvalSet, run: dict[str, dict[str, float]]) -> dict[str, tuple[float, float]]:
    queries, documents = found.queries.ids, found.documents.ids
    left = {q: {d: run[q][d] for d in documents} for q in queries}
    judged = judge(ranking_of(left, queries, documents, 10), found.qrels)
    scores = (Ndcg(k=10).score(judged).tolist(), Recall(k=10).score(judged).tolist())
    return dict(zip([queries[i] for i in judged.query], zip(*scores, strict=True), strict=True))


@pytest.mark.parametrize(("queries", "documents"), [(2, 10), (4, 14), (None, 12), (5, None), (3, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_scores_on_a_sample_are_those_of_the_full_rankings_without_the_documents_that_left(
    queries: int | None, documents: int | None, seed: int
) -> None:
    """pytrec_eval over ids and the full judgements: it knows nothing of positions."""
    found, run = sampled(whole(), queries, documents), _run(seed)
    left = {q: {d: s for d, s in run[q].items() if d in found.documents.ids} for q in found.queries.ids}
    oracle = pytrec_eval.RelevanceEvaluator(GRADES, {"ndcg_cut.10", "recall.10"}).evaluate(left)
    scored = {q: (o["ndcg_cut_10"], o["recall_10"]) for q, o in oracle.items() if max(GRADES[q].values()) > 0}
    ours = _ours(found, run)
    assert ours.keys() == scored.keys()
    for query, expected in scored.items():
        assert ours[query] == pytest.approx(expected, abs=1e-12)


def test_a_sample_never_scores_lower_than_the_whole_on_the_same_rankings() -> None:
    run, full = _run(7), whole()
    cut = _ours(sampled(full, None, 10), run)
    assert all(cut[q][0] >= score[0] for q, score in _ours(full, run).items())
    assert sum(s[0] for s in cut.values()) > sum(s[0] for s in _ours(full, run).values())


def test_texts_and_ids_stay_together() -> None:
    found = sampled(whole(), 4, 12)
    for kept, all_ in ((found.documents, DOCUMENTS), (found.queries, QUERIES)):
        assert isinstance(kept, Texts) and all(all_[i] == t for i, t in zip(kept.ids, kept.texts, strict=True))
