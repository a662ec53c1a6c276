"""One template for all queries, with what BM25 scores without it."""

from __future__ import annotations

from math import log2

from harness.checks.study import Study
from harness.checks.texts import one_template
from harness.types import Note
from tests.test_validate import made

WORDS = [f"apple{i} pear{i}" for i in range(20)]


def found(queries: list[str]) -> list[Note]:
    evalset = made(WORDS, queries, [(i, i, 1) for i in range(len(queries))])
    return [one for one in one_template(Study(evalset)) if isinstance(one, Note)]


def test_queries_that_start_alike_are_counted_with_the_whole_of_what_they_share() -> None:
    (note,) = found([f"What is the meaning of apple{i}" for i in range(12)])
    assert note.message == '12 of 12 scored queries start with "what is the meaning of"'
    assert note.effect.startswith("100.0% of the queries differ in the rest alone; BM25 has nDCG@10 1.0000, and 1.0000")
    assert (note.level, note.place) == ("warning", 'query "q0"')


def test_queries_that_end_alike_are_found_from_their_end() -> None:
    (note,) = found([f"apple{i} in our help centre" for i in range(12)])
    assert note.message == '12 of 12 scored queries end with "in our help centre"'


def test_the_template_is_what_at_least_half_of_the_queries_share() -> None:
    half = [f"tell me about apple{i}" for i in range(6)]
    others = [f"pear{i}" for i in range(6, 13)]
    assert found(half + others) == []
    (note,) = found(half + others[:6])
    assert note.count == 6


def test_two_shared_words_or_nine_queries_are_no_template() -> None:
    assert found([f"about the apple{i}" for i in range(12)]) == []
    assert found([f"tell me about apple{i}" for i in range(9)]) == []


def test_the_effect_is_what_bm25_scores_without_the_words_that_mislead_it() -> None:
    documents = [f"apple{i}" for i in range(12)] + ["please help me"] * 3
    evalset = made(documents, [f"please help me apple{i} please help me apple{i}" for i in range(12)],
                   [(i, i, 1) for i in range(12)])  # fmt: skip
    (note,) = one_template(Study(evalset))
    assert isinstance(note, Note)
    # Three documents hold nothing but the template and come first: 1 / log2(4 + 1).
    assert note.effect.endswith(f"BM25 has nDCG@10 {1 / log2(5):.4f}, and 1.0000 without these words")
