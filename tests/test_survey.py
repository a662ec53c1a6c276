"""Which texts are drawn, which of their pairs belong together, and what colours tell apart."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from harness.survey import fewer, grouped, pairs_of, surveyed
from harness.types import NO_QRELS, EvalSet, Qrels, Texts


def texts(prefix: str, count: int) -> Texts:
    return Texts(tuple(f"{prefix}{i}" for i in range(count)), tuple(f"{prefix} text {i}" for i in range(count)))


def searched(documents: int = 300, queries: int = 40, second: int = 100, **more: Any) -> EvalSet:
    """Query i is answered by documents i and i + second."""
    asked = np.repeat(np.arange(queries), 2)
    answers = asked + np.tile([0, second], queries)
    qrels = Qrels(*(a.astype(np.int32) for a in (asked, answers, np.ones(2 * queries))))
    return EvalSet("set", "retrieval", texts("d", documents), texts("q", queries), qrels, **more)


def plain(kind: str, documents: int, queries: int, **targets: Any) -> EvalSet:
    held = {name: np.asarray(values) for name, values in targets.items()}
    return EvalSet("set", kind, texts("d", documents), texts("q", queries), NO_QRELS, targets=held)


def test_a_sample_has_its_queries_answers_and_blindly_drawn_documents() -> None:
    evalset = searched()
    sample = surveyed(evalset, 60, 20)
    assert len(sample.queries) == 20
    assert 60 - 5 <= len(sample.documents) <= 60
    answered = np.isin(sample.queries, sample.documents) & np.isin(sample.queries + 100, sample.documents)
    once = np.isin(sample.queries, sample.documents) | np.isin(sample.queries + 100, sample.documents)
    assert once.all(), "the first answer of every query comes before the second of any"
    assert 10 <= answered.sum() < 20
    assert sample.blind.sum() == 30
    assert surveyed(evalset, 400, 200).blind.all(), "all of a small corpus is drawn"


def test_the_order_of_files_has_no_part_in_the_draw() -> None:
    evalset = searched()
    turn = np.random.default_rng(0).permutation(300)
    moved = Texts(*(tuple(column[i] for i in turn) for column in (evalset.documents.ids, evalset.documents.texts)))
    qrels = evalset.qrels._replace(document=np.argsort(turn)[evalset.qrels.document].astype(np.int32))
    other = dataclasses.replace(evalset, documents=moved, qrels=qrels)
    one, two = surveyed(evalset, 60, 20), surveyed(other, 60, 20)
    assert one.queries.tolist() == two.queries.tolist()
    partners = {evalset.documents.ids[i] for i in one.documents[one.blind]}
    assert partners == {moved.ids[i] for i in two.documents[two.blind]}


def test_a_query_is_compared_with_its_answers_and_with_what_was_drawn_blindly() -> None:
    evalset = searched()
    sample = surveyed(evalset, 60, 20)
    pairs = pairs_of(evalset, sample)
    offset = len(sample.documents)
    related = {(sample.queries[q - offset], sample.documents[d]) for q, d in pairs.related}
    assert all(d in (q, q + 100) for q, d in related)
    met = [(sample.queries[q - offset], sample.documents[d]) for q, d in pairs.random]
    assert not any(d in (q, q + 100) for q, d in met)
    assert sample.blind[pairs.random[:, 1]].all()
    assert len(pairs.documents) == 30 * 29 / 2
    assert sample.blind[pairs.documents].all()


def test_unknown_and_unanswered_queries_and_lacking_documents_are_no_pairs() -> None:
    qrels = Qrels(*(np.array(a, dtype=np.int32) for a in ([0, 1, 2], [0, -1, 2], [1, 1, 0])))
    evalset = dataclasses.replace(searched(5, 4), qrels=qrels)
    sample = surveyed(evalset, 10, 10)
    assert sample.queries.tolist() == [0]
    assert pairs_of(evalset, sample).related.tolist() == [[5, 0]]


def test_a_query_is_never_held_against_itself_where_the_set_says_so() -> None:
    evalset = dataclasses.replace(searched(6, 2, exclude_self=True), queries=Texts(("d3", "d4"), ("a", "b")))
    evalset = dataclasses.replace(
        evalset, qrels=Qrels(*(np.array(a, dtype=np.int32) for a in ([0, 1], [0, 1], [1, 1])))
    )
    met = pairs_of(evalset, surveyed(evalset, 10, 10)).random.tolist()
    assert [6, 3] not in met
    assert [7, 4] not in met
    assert len(met) == 2 * 6 - 2 - 2


@pytest.mark.parametrize(
    ("evalset", "related"),
    [
        (plain("sts", 4, 4, score=[0.0, 5.0, 1.0, 4.0]), [[5, 1], [7, 3]]),
        (plain("pair_classification", 3, 3, label=[0, 1, 0]), [[4, 1]]),
        (plain("bitext", 3, 3, gold=[2, 0, 1]), [[3, 2], [4, 0], [5, 1]]),
        (
            plain("summarization", 3, 2, text=[0, 1], document_text=[0, 0, 1], score=[1.0, 2.0]),
            [[3, 0], [3, 1], [4, 2]],
        ),
        (plain("clustering", 5, 0, label=[[0], [0], [1], [-1], [-1]]), [[0, 1]]),
        (plain("classification", 3, 2, document_label=[0, 1, 1], label=[0, 1]), [[0, 3], [1, 2], [1, 4], [2, 4]]),
    ],
    ids=lambda value: value.type if isinstance(value, EvalSet) else "",
)
def test_what_belongs_together_in_each_type(evalset: EvalSet, related: list[list[int]]) -> None:
    pairs = pairs_of(evalset, surveyed(evalset, 10, 10))
    assert pairs.related.tolist() == related
    apart = {tuple(p) for p in pairs.random.tolist()}
    assert apart
    assert apart.isdisjoint(map(tuple, related))


def test_one_pair_of_texts_has_nothing_to_be_held_against() -> None:
    evalset = plain("pair_classification", 1, 1, label=[1])
    pairs = pairs_of(evalset, surveyed(evalset, 10, 10))
    assert [len(p) for p in pairs] == [1, 0, 0]


def test_colours_tell_sides_scores_or_classes_apart() -> None:
    by_side = searched(102, 2)
    names, groups = grouped(by_side, surveyed(by_side, 200, 10))
    assert [names[g] for g in groups] == ["documents"] * 102 + ["queries"] * 2
    sts = plain("sts", 3, 3, score=[0.0, 2.0, 3.0])
    names, groups = grouped(sts, surveyed(sts, 10, 10))
    assert names == ["score 0 to 1", "score 1 to 2", "score 2 to 3"]
    assert groups.tolist() == [0, 2, 2] * 2
    topics = plain("clustering", 3, 0, label=[[4], [-1], [4]])
    names, groups = grouped(topics, surveyed(topics, 10, 10))
    assert [names[g] for g in groups] == ["class 4", "no class", "class 4"]


def test_beyond_eight_groups_the_rarer_are_other() -> None:
    names, groups = fewer([f"n{i}" for i in range(11) for _ in range(20 - i)])
    assert names == [*(f"n{i}" for i in range(8)), "other"]
    assert np.bincount(groups).tolist() == [*range(20, 12, -1), 12 + 11 + 10]
