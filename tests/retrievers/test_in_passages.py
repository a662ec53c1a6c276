"""Documents by their passages."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from harness.chunkings.tokens import Tokens
from harness.chunkings.words import Words
from harness.encoders.hashing import Hashing
from harness.indexes.flat import Flat
from harness.poolings.native import Native
from harness.protocols import Encoder, Need, Passages
from harness.quantizers.float32 import Float32
from harness.reductions.truncate import Truncate
from harness.retrievers.bm25 import Bm25
from harness.retrievers.dense import Dense
from harness.retrievers.hybrid import Hybrid
from harness.retrievers.in_passages import InPassages
from harness.types import EvalSet, HarnessError, Inapplicable, Texts
from tests.material import WORDS, Encoding, evalset

DENSE = Dense(Hashing(), Native(), Truncate(), Float32(), Flat())
PLAIN = Bm25(stemmer="none", stopwords="none")


@dataclass(frozen=True)
class Lines:
    """One passage a line."""

    def cut(self, texts: Sequence[str], encoder: Encoder | None) -> Passages:
        lines = [(line, i) for i, text in enumerate(texts) for line in text.split("/")]
        return Passages(tuple(line for line, _ in lines), np.array([i for _, i in lines], dtype=np.int32))


def long_set(**more: Any) -> EvalSet:
    """25 documents of 1 to 40 words and 6 queries."""
    draw = np.random.default_rng(3)
    texts = {f"d{i:02}": " ".join(draw.choice(WORDS, size=draw.integers(1, 41))) for i in range(25)}
    return evalset(texts, {f"q{i}": " ".join(draw.choice(WORDS, size=2)) for i in range(6)}, {}, **more)


def passage_scores(part: Any, chunking: Any, data: EvalSet) -> list[list[list[float]]]:
    """By brute force: for each query and document the scores of its passages that are results."""
    passages = chunking.cut(data.documents.texts, Hashing())
    names = tuple(f"p{i:04}" for i in range(len(passages.texts)))
    cut = dataclasses.replace(data, documents=Texts(names, passages.texts))
    ranking = part.prepare(cut, Encoding()).rank(len(names))
    found: list[list[list[float]]] = [[[] for _ in data.documents.ids] for _ in data.queries.ids]
    for row, documents, scores in zip(found, ranking.documents, ranking.scores, strict=True):
        for passage, score in zip(documents, scores, strict=True):
            if passage >= 0:
                row[passages.owner[passage]].append(float(score))
    return found


@pytest.mark.parametrize("part", [PLAIN, DENSE])
@pytest.mark.parametrize("chunking", [Words(3, 1), Words(8, 0), Words(100, 0)])
@pytest.mark.parametrize("k", [1, 4, 25])
def test_the_best_passage_ranks_as_if_all_had_been_looked_at(part: Any, chunking: Any, k: int) -> None:
    data = long_set()
    ranking = InPassages(part, chunking).prepare(data, Encoding()).rank(k)
    for documents, scores, own in zip(
        ranking.documents, ranking.scores, passage_scores(part, chunking, data), strict=True
    ):
        best = sorted(((max(s), data.documents.ids[i], i) for i, s in enumerate(own) if s), reverse=True)[:k]
        assert documents[: len(best)].tolist() == [i for _, _, i in best]
        assert scores[: len(best)].tolist() == pytest.approx([s for s, _, _ in best], abs=1e-6)
        assert (documents[len(best) :] == -1).all()


@pytest.mark.parametrize(("aggregate", "top"), [("max", 1), ("mean", 1), ("top", 1), ("top", 2), ("top", 99)])
def test_passages_are_aggregated_by_their_definition(aggregate: Any, top: int) -> None:
    data, chunking = long_set(), Words(4, 0)
    searcher = InPassages(DENSE, chunking, aggregate, top).prepare(data, Encoding())
    ranking = searcher.rank(25)
    how = {"max": max, "mean": np.mean, "top": lambda s: np.mean(sorted(s)[-top:])}[aggregate]
    for documents, scores, own in zip(
        ranking.documents, ranking.scores, passage_scores(DENSE, chunking, data), strict=True
    ):
        assert scores.tolist() == pytest.approx([how(own[i]) for i in documents], abs=1e-6)
        assert (np.diff(scores) <= 0).all()
    assert np.array_equal(searcher.score(ranking.documents), ranking.scores)


def test_two_documents_by_hand() -> None:
    data = evalset({"a": "red/boat", "b": "red car/red", "c": "boat"}, {"q": "red"}, {})
    one, two, nothing = (
        PLAIN.prepare(evalset(dict(zip("vwxyz", ["red", "boat", "red car", "red", "boat"], strict=True)),
                              {"q": "red"}, {}), Encoding()).score(np.array([[0, 2, 1]], dtype=np.int32))[0]
    )  # fmt: skip
    assert one > two > nothing == 0
    ranked = InPassages(PLAIN, Lines()).prepare(data, Encoding()).rank(3)
    assert ranked.documents.tolist() == [[1, 0, -1]], "equal best passages: by id descending"
    assert ranked.scores[0, :2].tolist() == [one, one]
    mean = InPassages(PLAIN, Lines(), "mean").prepare(data, Encoding()).rank(3)
    assert mean.documents.tolist() == [[1, 0, -1]]
    assert mean.scores[0, :2].tolist() == pytest.approx([(one + two) / 2, one / 2], abs=1e-9)
    scores = InPassages(PLAIN, Lines(), "top", 1).prepare(data, Encoding()).score(np.array([[2, -1, 0]], np.int32))
    assert scores.tolist() == [[0, -np.inf, one]]


def test_a_document_of_many_good_passages_hides_no_other() -> None:
    many = "/".join(["red car"] * 200)
    data = evalset({"a": many, "b": "red car/boat", "c": "red", "d": "blue"}, {"q": "red car"}, {})
    ranking = InPassages(PLAIN, Lines()).prepare(data, Encoding()).rank(3)
    assert sorted(ranking.documents[0].tolist()) == [0, 1, 2]


def test_a_tie_with_a_document_that_is_cut_off_is_said() -> None:
    documents = dict.fromkeys("abcdef", "red/blue") | {"g": "red boat"}
    searcher = InPassages(PLAIN, Lines()).prepare(evalset(documents, {"q": "red"}, {}), Encoding())
    assert searcher.rank(2).complete.tolist() == [False]
    assert searcher.rank(2).documents.tolist() == [[5, 4]]
    assert searcher.rank(6).complete.tolist() == [True], "g has a lower score"
    assert searcher.rank(7).complete.tolist() == [True]


def test_behind_the_depth_the_order_of_the_best_passage_goes_on() -> None:
    data = long_set()
    bests = InPassages(DENSE, Words(4, 0)).prepare(data, Encoding()).rank(25).documents
    ranking = InPassages(DENSE, Words(4, 0), "mean", depth=6).prepare(data, Encoding()).rank(25)
    assert np.array_equal(ranking.documents[:, 6:], bests[:, 6:])
    assert [set(row) for row in ranking.documents[:, :6].tolist()] == [set(row) for row in bests[:, :6].tolist()]
    assert (np.diff(ranking.scores, axis=1) <= 0).all()


@pytest.mark.parametrize("aggregate", ["max", "mean"])
def test_the_querys_own_document_is_left_out_with_all_its_passages(aggregate: Any) -> None:
    documents = {"q": "red car/red car/red car/red car", "b": "red", "c": "car", "r": "boat"}
    data = evalset(documents, {"q": "red car", "r": "boat"}, {}, exclude_self=True)
    searcher = InPassages(PLAIN, Lines(), aggregate).prepare(data, Encoding())
    ranking = searcher.rank(2)
    assert ranking.documents.tolist() == [[2, 1], [-1, -1]]
    assert 0 not in searcher.probe(0, 4, lambda _: None)


def test_bytes_are_those_of_a_documents_passages() -> None:
    data, chunking = long_set(), Words(4, 0)
    cut = len(chunking.cut(data.documents.texts, None).texts)
    for aggregate in ("max", "mean"):
        facts = InPassages(DENSE, chunking, aggregate).prepare(data, Encoding()).facts
        assert facts["passages"] == cut > 25
        assert facts["passages_per_doc"] == cut / 25
        assert facts["index_bytes"] == cut * 64 * 4
        assert facts["bytes_per_doc"] == pytest.approx(cut * 64 * 4 / 25)
        assert facts["dimensions"] == 64


def test_what_the_model_still_cuts_is_counted_in_passages() -> None:
    data = evalset({"a": "one two three four five six", "b": "one"}, {"q": "one"}, {})
    part = dataclasses.replace(DENSE, encoder=Hashing(max_tokens=2))
    searcher = InPassages(part, Words(3, 0)).prepare(data, Encoding())
    assert searcher.facts["documents_cut"] == pytest.approx(2 / 3)
    assert searcher.warnings[0].startswith("dense over passages: 66.7% of documents")
    assert InPassages(part, Words(2, 0)).prepare(data, Encoding()).facts["documents_cut"] == 0


def test_needs_say_that_documents_are_encoded_in_passages() -> None:
    assert InPassages(DENSE, Words(9, 1)).needs() == (Need(DENSE.encoder, DENSE.pooling, Words(9, 1)),)
    assert InPassages(PLAIN, Words()).needs() == ()


def test_the_chunking_gets_the_inner_retrievers_encoder() -> None:
    data = long_set()
    assert InPassages(Hybrid((PLAIN, DENSE)), Tokens(4, 0)).prepare(data, Encoding()).rank(3).documents.min() >= 0
    with pytest.raises(Inapplicable, match="chunking=words"):
        InPassages(PLAIN, Tokens()).prepare(data, Encoding())


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (InPassages(PLAIN, Words(), depth=0), "in_passages depth=0"),
        (InPassages(PLAIN, Words(), "top", 0), "in_passages top=0"),
        (InPassages(InPassages(DENSE, Words()), Words()), "not cut again"),
    ],
)
def test_what_makes_no_sense_is_refused(part: InPassages, message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        part.prepare(long_set(), Encoding())


def test_a_chunking_that_loses_a_document_is_refused() -> None:
    @dataclass(frozen=True)
    class Losing:
        def cut(self, texts: Sequence[str], encoder: Encoder | None) -> Passages:
            return Passages(("red", "blue"), np.array([0, 2], dtype=np.int32))

    with pytest.raises(HarnessError, match="a document without a passage"):
        InPassages(PLAIN, Losing()).prepare(evalset(dict.fromkeys("abc", "red"), {"q": "red"}, {}), Encoding())


def test_a_probe_laps_the_search_and_the_gathering() -> None:
    laps: list[str] = []
    InPassages(DENSE, Words(4, 0)).prepare(long_set(), Encoding()).probe(0, 5, laps.append)
    assert laps == ["dense: search", "passages"]
    laps.clear()
    InPassages(DENSE, Words(4, 0), "mean").prepare(long_set(), Encoding()).probe(0, 5, laps.append)
    assert laps == ["dense: search", "passages", "dense: score", "aggregate"]
