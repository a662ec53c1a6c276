"""Small eval sets, rankings and vectors that tests are built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.protocols import Encoder, Lap, Need, OpenReranker, Pooling, Reranker, VectorSource
from harness.ranking import best, id_order, stacked
from harness.types import NO_QRELS, Doubles, EvalSet, Floats, Ints, Judged, Qrels, Ranking, Role, Texts, Vectors

Grades = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Mapping[str, float]]


def evalset(documents: Mapping[str, str], queries: Mapping[str, str], grades: Grades, **more: Any) -> EvalSet:
    """An eval set from id -> text and query id -> document id -> grade; unknown documents dangle (-1)."""
    sides = Texts(tuple(documents), tuple(documents.values())), Texts(tuple(queries), tuple(queries.values()))
    return EvalSet("made", "retrieval", *sides, qrels_of(grades, list(queries), list(documents)), **more)


def qrels_of(grades: Grades, queries: Sequence[str], documents: Sequence[str]) -> Qrels:
    row, column = ({name: i for i, name in enumerate(names)} for names in (queries, documents))
    table = [(row[q], column.get(d, -1), g) for q, judged in grades.items() for d, g in judged.items()]
    return Qrels(*np.array(table, dtype=np.int32).reshape(-1, 3).T.copy())


def ranking_of(run: Run, queries: Sequence[str], documents: Sequence[str], k: int) -> Ranking:
    """The k best of each query of a run under the tie rule; a query that the run lacks has no result."""
    order, column = id_order(documents), {name: i for i, name in enumerate(documents)}
    rows = []
    for query in queries:
        found = run.get(query, {})
        rows.append(best(np.array([column[d] for d in found], int), np.array(list(found.values()), float), order, k))
    return stacked(rows)


def judged(grades: Sequence[Sequence[int]], ideal: Sequence[Sequence[int]]) -> Judged:
    """Judged rankings from the grades by rank (-1 unjudged) and the positive grades there are."""
    rows = np.array(grades, dtype=np.int32)
    return Judged(
        np.arange(len(rows), dtype=np.int32), rows, np.ones(rows.shape, bool), np.array(ideal, dtype=np.int32)
    )


WORDS = ["red", "green", "blue", "fast", "slow", "car", "boat", "train", "engine", "wheel"]


def small_set(**more: Any) -> EvalSet:
    """40 documents and 9 queries of the same ten words, with many ties."""
    draw = np.random.default_rng(5)
    texts = {f"d{i:02}": " ".join(draw.choice(WORDS, size=draw.integers(1, 6))) for i in range(40)}
    queries = {f"q{i}": " ".join(draw.choice(WORDS, size=2)) for i in range(9)}
    return evalset(texts, queries, {q: {"d03": 2, "d11": 1, "d20": 0} for q in queries}, **more)


def small_pairs() -> EvalSet:
    """30 pairs of short texts of ten words, and scores from 0 to 5 that follow the words they share."""
    draw = np.random.default_rng(6)
    first, second = ([" ".join(draw.choice(WORDS, size=4)) for _ in range(30)] for _ in range(2))
    shared = [len(set(a.split()) & set(b.split())) for a, b in zip(first, second, strict=True)]
    ids = tuple(f"pair-{i}" for i in range(30))
    targets = {"score": np.minimum(5.0, np.array(shared) + draw.random(30))}
    return EvalSet("pairs", "sts", Texts(ids, tuple(second)), Texts(ids, tuple(first)), NO_QRELS, targets=targets)


def unit(vectors: Any) -> Floats:
    rows = np.asarray(vectors, dtype=np.float32)
    result: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return result


def clustered(n: int, dim: int, seed: int, spread: float = 0.55) -> Floats:
    """Unit vectors around shared topics and a common mean, as encoders give them: anisotropic, not uniform."""
    draw = np.random.default_rng(seed)
    topics = np.random.default_rng(7).normal(size=(24, dim))
    scales = 0.4 + np.random.default_rng(8).random(dim)
    rows = topics[draw.integers(24, size=n)] + spread * draw.normal(size=(n, dim)) + 0.5
    return unit(rows * scales)


def top(documents: Floats, queries: Floats, k: int = 10) -> list[set[int]]:
    """The k nearest documents of each query by float64 inner product."""
    scores = queries.astype(np.float64) @ documents.astype(np.float64).T
    return [set(row) for row in np.argsort(-scores, axis=1, kind="stable")[:, :k].tolist()]


def overlap(a: Sequence[set[int]], b: Sequence[set[int]]) -> float:
    return float(np.mean([len(x & y) / len(x) for x, y in zip(a, b, strict=True)]))


class Given:
    """A `VectorSource` that answers with given vectors; tokens are given apart where a text was cut."""

    def __init__(self, documents: Any, queries: Any, tokens: Sequence[int] = (), full: Sequence[int] = ()) -> None:
        self.sides = {"document": np.asarray(documents, np.float32), "query": np.asarray(queries, np.float32)}
        self.tokens, self.full = list(tokens), list(full)

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:
        rows = self.sides[role]
        assert len(rows) == len(texts)
        own = role == "document" and self.tokens
        tokens, full = (self.tokens, self.full) if own else ([1] * len(rows), [1] * len(rows))
        return Vectors(rows.copy(), np.array(tokens, np.int32), np.array(full, np.int32))


class Encoding:
    """A `VectorSource` that encodes on each call, in batches of a size; `sets` are other eval sets by name."""

    def __init__(self, batch_size: int = 32, sets: Mapping[str, EvalSet] | None = None) -> None:
        self.batch_size = batch_size
        self.sets = sets or {}

    def vectors(self, encoder: Encoder, pooling: Pooling, role: Role, texts: Sequence[str]) -> Vectors:
        encoded = encoder.open("cpu").encode(texts, role, [pooling], self.batch_size)
        return Vectors(encoded.vectors[0], encoded.tokens, encoded.full_tokens, encoded.counts)

    def pairs(self, reranker: Reranker, queries: Sequence[str], documents: Sequence[str]) -> Floats:
        return self.reranking(reranker).score(queries, documents)

    def reranking(self, reranker: Reranker) -> OpenReranker:
        return reranker.rerank("cpu")

    def evalset(self, name: str) -> EvalSet:
        return self.sets[name]


@dataclass(frozen=True)
class Listed:
    """A retriever that finds what it is told, and scores whatever it is not told with 0."""

    run: Run
    facts: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def needs(self) -> Sequence[Need]:
        return ()

    def prepare(self, evalset: EvalSet, source: VectorSource) -> ListedSearcher:
        return ListedSearcher(self, evalset)


class ListedSearcher:
    def __init__(self, part: Listed, evalset: EvalSet) -> None:
        self.run, self.facts, self.warnings = part.run, part.facts, part.warnings
        self.queries, self.documents = evalset.queries.ids, evalset.documents.ids

    def rank(self, k: int) -> Ranking:
        return ranking_of(self.run, self.queries, self.documents, k)

    def score(self, candidates: Ints) -> Doubles:
        told = [[self.run.get(q, {}).get(d, 0.0) for d in self.documents] for q in self.queries]
        scores = np.take_along_axis(np.array(told), np.maximum(candidates, 0), axis=1)
        return np.where(candidates >= 0, scores, -np.inf)

    def probe(self, query: int, k: int, lap: Lap) -> Ints:
        found = self.rank(k).documents[query]
        lap("look")
        return found[found >= 0]

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        scores = self.score(np.tile(documents, (len(self.queries), 1)))[query]
        lap("score")
        return scores
