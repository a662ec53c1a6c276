"""Queries with their own candidates: two ways to write them, and what is wrong with either."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.sampling import sampled
from harness.types import EvalSet, HarnessError, Qrels
from tests.layouts.making import found, made, read, write


def row(query: str, positive: list[str], negative: list[str]) -> dict[str, Any]:
    return {"query": query, "positive": positive, "negative": negative}


ROWS = [row("q one", ["zebra"], ["apple", "mango"]), row("q two", ["apple", "pear"], ["zebra"])]


def listed(evalset: EvalSet) -> dict[str, dict[str, int]]:
    """Query text -> candidate text -> grade, read through the positions."""
    grades = {(q, d): g for q, d, g in zip(*(column.tolist() for column in evalset.qrels), strict=True)}
    rows = evalset.targets["candidates"].tolist()
    return {
        evalset.queries.texts[i]: {evalset.documents.texts[c]: grades[i, c] for c in candidates if c >= 0}
        for i, candidates in enumerate(rows)
    }


@pytest.mark.parametrize("extension", [".jsonl", ".csv", ".parquet"])
def test_lists_give_each_query_its_candidates_from_one_corpus(tmp_path: Path, extension: str) -> None:
    evalset = read("reranking", write(tmp_path / f"t{extension}", ROWS))
    assert listed(evalset) == {
        "q one": {"zebra": 1, "apple": 0, "mango": 0}, "q two": {"apple": 1, "pear": 1, "zebra": 0},
    }  # fmt: skip
    assert evalset.documents.texts == ("apple", "mango", "pear", "zebra") and evalset.scored == 2
    assert evalset.targets["candidates"].dtype == np.int32 and evalset.searched


def test_rows_of_query_document_score_are_the_same_set(tmp_path: Path) -> None:
    pairs = [("q one", "apple", 0), ("q two", "zebra", 0), ("q one", "zebra", 1), ("q two", "pear", 1),
             ("q one", "mango", 0), ("q two", "apple", 1)]  # fmt: skip
    flat = made("reranking", tmp_path, [{"query": q, "document": d, "score": s} for q, d, s in pairs])
    assert flat.sha256 == made("reranking", tmp_path, ROWS).sha256
    graded = made("reranking", tmp_path, [{"query": "q", "document": d, "score": s} for d, s in (("a", 3), ("b", -1))])
    assert listed(graded) == {"q": {"a": 3, "b": -1}}


def test_neither_position_nor_id_depends_on_the_order_in_which_candidates_are_written(tmp_path: Path) -> None:
    turned = [row(r["query"], r["positive"][::-1], r["negative"][::-1]) for r in ROWS]
    assert made("reranking", tmp_path, turned).sha256 == made("reranking", tmp_path, ROWS).sha256
    rows = made("reranking", tmp_path, ROWS).targets["candidates"]
    assert all(list(r[r >= 0]) == sorted(r[r >= 0]) for r in rows)


def test_shorter_lists_end_with_minus_one(tmp_path: Path) -> None:
    evalset = made("reranking", tmp_path, [ROWS[0], row("q", ["pear"], ["fig"])])
    assert evalset.targets["candidates"][1, 2] == -1 and listed(evalset)["q"] == {"pear": 1, "fig": 0}


def test_a_candidate_both_right_and_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"test\.jsonl:2 has the candidate 'a' both with grade 1 and 0"):
        made("reranking", tmp_path, [ROWS[0], row("q", ["a"], ["b", "a"])])
    rows = [{"query": "q", "document": "a", "score": s} for s in (1, 0)]
    with pytest.raises(HarnessError, match=r"test\.jsonl:2 has the candidate 'a'"):
        made("reranking", tmp_path, rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([row("q", [], ["a"]), row("r", ["b"], [])], "no query has both right and wrong candidates"),
        ([{"query": "q", "positive": ["a"]}], "has no field .negative."),
        ([row("q", ["a"], "b")], "no list of texts in .negative."),
        ([row("q", ["a"], [3])], "no list of texts in .negative."),
        ([{"query": "q", "document": "a", "score": 0.5}], "has the grade 0.5"),
        ([{"query": "q", "text": "a", "score": 1}], "has no field .document."),
    ],
)
def test_what_cannot_be_ordered_is_one_line(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        made("reranking", tmp_path, rows)


def test_queries_with_only_right_or_only_wrong_candidates_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [row("all wrong", [], ["a"]), *ROWS, row("all right", ["b"], []), row("nothing", [], [])]
    evalset = made("reranking", tmp_path, rows)
    assert evalset.queries.texts == ("q one", "q two") and evalset.queries.ids == ("query-2", "query-3")
    assert evalset.documents.texts == made("reranking", tmp_path / "b", ROWS).documents.texts
    notes = found(evalset)
    assert notes["queries-without-relevant"].count == 2 and notes["queries-without-wrong"].count == 1
    assert notes["queries-without-relevant"].effect == "left out: scores are means over 2 of 5 queries"
    assert notes["queries-without-wrong"].place.endswith("test.jsonl:4")


def test_a_candidate_that_comes_twice_is_merged_and_counted(tmp_path: Path) -> None:
    evalset = made("reranking", tmp_path, [row("q", ["a"], ["b", "b", "c", "b"])])
    assert listed(evalset) == {"q": {"a": 1, "b": 0, "c": 0}}
    assert found(evalset)["duplicate-candidates"].count == 2


@pytest.mark.parametrize("rows", [ROWS, [row("q", ["a", "b"], ["c", "d", "e"]), row("r", ["a"], ["b"])]])
def test_chance_is_the_mean_over_all_orders(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    note = found(made("reranking", tmp_path, rows))["chance"]
    means = []
    for one in rows:
        right = [1] * len(one["positive"]) + [0] * len(one["negative"])
        scores = []
        for order in permutations(right):
            hits = np.cumsum(order)
            scores.append(np.mean([hits[i] / (i + 1) for i, hit in enumerate(order) if hit]))
        means.append(np.mean(scores))
    assert note.effect == f"a random order has MAP {np.mean(means):.3f}"


def test_a_clean_set_has_nothing_but_counts(tmp_path: Path) -> None:
    assert set(found(made("reranking", tmp_path, ROWS))) == {"chance", "judgements", "power"}


def test_twins_in_another_spelling_disagreements_and_empty_candidates_are_counted(tmp_path: Path) -> None:
    rows = [row("q", ["The  answer"], ["the answer", ""]), row("same", ["a"], ["b"]), row("same", ["b"], ["c"])]
    notes = found(made("reranking", tmp_path, rows))
    assert notes["candidate-twins"].count == 1 and notes["candidate-twins"].effect.startswith("33.3%")
    assert (
        notes["contradicting-queries"].count == 2 and '"query-2", "query-3"' in notes["contradicting-queries"].message
    )
    assert notes["empty-documents"].count == 1 and "small-corpus" not in notes


def test_wikiqa_is_read_whole(shared: Path) -> None:
    evalset = read("reranking", shared / "other" / "reranking" / "wikiqa")
    assert (evalset.scored, len(evalset.queries)) == (237, 237)
    assert found(evalset)["duplicate-candidates"].count == 1


# Samples -------------------------------------------------------------------------------------------------------


def many() -> list[dict[str, Any]]:
    return [row(f"q{i}", [f"right {i}"], [f"wrong {i}", f"wrong {i + 1}"]) for i in range(12)]


def test_a_sample_keeps_each_query_with_its_own_candidates(tmp_path: Path) -> None:
    whole = made("reranking", tmp_path, many())
    for few in (sampled(whole, 4, 1), sampled(whole, 4, None), sampled(whole, None, 20)):
        assert listed(few) == {query: listed(whole)[query] for query in few.queries.texts}
    assert len(sampled(whole, 4, 1).documents) < len(sampled(whole, 4, None).documents) == len(whole.documents)


def test_candidates_that_nobody_judged_stay_too(tmp_path: Path) -> None:
    whole = made("reranking", tmp_path, many())
    judged = whole.qrels.grade > 0
    bare = replace(whole, qrels=Qrels(*(column[judged] for column in whole.qrels)))
    few = sampled(bare, 3, 1)
    for query, candidates in zip(few.queries.texts, few.targets["candidates"], strict=True):
        assert {few.documents.texts[c] for c in candidates} == set(listed(whole)[query])
