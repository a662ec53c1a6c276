"""Exact search."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol

import numpy as np

from harness.corpus import Corpus
from harness.halved import HalfProducts, furthest, hardware_has_bfloat16
from harness.protocols import Rows
from harness.ranking import BLOCK_ROWS, blocks, stacked
from harness.shortlist import Shortlist
from harness.types import Comparison, Floats, Ints, Ranking

_ROUNDING = 4e-6  # over the error of a float32 product of unit vectors: whatever may reach the k is scored again
_SETTLING = 1e-8  # the coarsest step of a settled score, over the largest score there can be
_LAST_BIT = 2.0**-23
_SHARED = 64  # queries that are worth a thread
_MANY_SCORES = 2**26  # of a search that is worth measuring how far rounding moves documents
_CACHED_SCORES = 2**22  # for a few queries over documents in memory: one product, without a step's fixed cost


@dataclass(frozen=True)
class Flat:
    """Every document compared with every query: blocked float32 arithmetic, candidates rescored in float64.

    Many inner products are taken in bfloat16 where the hardware has it, with a margin that no rounding exceeds.

    Scores are rounded (to 1e-9 for unit vectors) and ties rank by document id descending, as trec_eval does, so
    neither `block` (the number of scores held at once) nor the order of documents changes a ranking. Inner products
    and euclidean distances come from a matrix product, manhattan ones from faiss, which takes about ten times as long.
    """

    block: int = 16_000_000
    exact: ClassVar[bool] = True

    def build(self, documents: Rows, ids: Sequence[str], comparison: Comparison) -> BuiltFlat:
        """Index over float32 [n, d] documents; HarnessError if a value is not finite."""
        return BuiltFlat(Corpus(documents, ids, comparison), self.block)


class BuiltFlat:
    """The corpus, asked for some thousands of documents at a time."""

    overhead_bytes = 0

    def __init__(self, corpus: Corpus, block: int) -> None:
        self.corpus = corpus
        self.block = block
        self.halves = _halves(corpus) if corpus.comparison == "euclidean" else None
        self.moved: float | None = None  # by rounding to bfloat16, at most; measured where it is wanted

    def search(self, queries: Floats, k: int, excluded: Ints) -> Ranking:
        """The k best documents for each of float32 [q, d] queries (see `BuiltIndex`); float64 scores."""
        some = max(1, self.block // max(min(BLOCK_ROWS, len(self.corpus)), min(k, len(self.corpus))))
        parts = [self._ranked(queries[i : i + some], k, excluded[i : i + some]) for i in range(0, len(queries), some)]
        return stacked([ranking for part in parts for ranking in part])

    def _ranked(self, queries: Floats, k: int, excluded: Ints) -> list[Ranking]:
        """Rankings of queries that share each pass over the documents: fewer where ties leave too much to hold."""
        found = self._candidates(self._scan(queries), k, excluded)
        if found is not None:
            return self._settled(queries, found, k)
        half = len(queries) // 2
        halves = slice(None, half), slice(half, None)
        return [ranking for some in halves for ranking in self._ranked(queries[some], k, excluded[some])]

    def _settled(self, queries: Floats, found: list[Ints], k: int) -> list[Ranking]:
        """Exact scores of the candidates and the order they make, shared out over threads where there are many."""
        rank = partial(self.corpus.rank, k=k)
        if len(queries) < _SHARED:
            return list(map(rank, queries, found))
        import faiss

        share = -(-len(queries) // faiss.omp_get_max_threads())
        shares = [slice(start, start + share) for start in range(0, len(queries), share)]
        with ThreadPoolExecutor(len(shares)) as threads:
            parts = list(threads.map(lambda some: list(map(rank, queries[some], found[some])), shares))
        return [ranking for part in parts for ranking in part]

    def _scan(self, queries: Floats) -> _Scan:
        directed = self.corpus.directed(queries)
        if self.corpus.comparison == "dot":
            return self._halved(directed) or _Products(directed, self.corpus.reach)
        if self.halves is not None:
            return _Distances(directed, self.corpus.reach, self.halves)
        return _Sums(directed, self.corpus.reach)

    def _halved(self, queries: Floats) -> _Scan | None:
        """Products in bfloat16, where there are many and the hardware multiplies it."""
        documents = self.corpus.scaled
        many = len(queries) >= _SHARED and len(queries) * len(documents) >= _MANY_SCORES
        if not (many and isinstance(documents, np.ndarray) and hardware_has_bfloat16("cpu")):
            return None
        if self.moved is None:
            self.moved = furthest(documents)
        halved = HalfProducts(queries, self.corpus.reach, self.moved)
        return halved if halved.holds(queries, documents) else None

    def _candidates(self, scan: _Scan, k: int, excluded: Ints) -> list[Ints] | None:
        queries, documents = len(excluded), self.corpus.scaled
        shortlist = Shortlist(scan.margin, min(k, len(documents)), self.block // 2, scan.share)
        step = self._step(queries)
        room = np.empty(queries * step, dtype=np.float32)
        for start in range(0, len(documents), step):
            some = documents[start : start + step]
            scores = room[: queries * len(some)].reshape(queries, -1)
            scan.fill(scores, some, start)
            barred = np.flatnonzero((excluded >= start) & (excluded < start + len(some)))
            scores[barred, excluded[barred] - start] = -np.inf
            shortlist.add(scores, start)
            if shortlist.size > self.block and queries > 1:
                return None
        return shortlist.candidates()

    def _step(self, queries: int) -> int:
        """Documents at a time: what has to be made first comes in small blocks, what is there fills a cache."""
        held = _CACHED_SCORES // queries if isinstance(self.corpus.scaled, np.ndarray) else 0
        return min(max(BLOCK_ROWS, held), max(1, self.block // queries), len(self.corpus))


class _Scan(Protocol):
    """float32 scores of some queries, of the order that the exact ones have but for `margin` and `share`.

    See `Shortlist`.
    """

    margin: Floats
    share: float

    def fill(self, scores: Floats, documents: Floats, start: int, /) -> None:
        """float32 [q, b] `scores` of the b documents from position `start` on."""
        ...


class _Products:
    """q.d of queries of length 1 with documents no longer than `reach`."""

    share = 0.0

    def __init__(self, queries: Floats, reach: float) -> None:
        self.queries = queries
        self.margin: Floats = np.full(len(queries), _ROUNDING * reach, dtype=np.float32)

    def fill(self, scores: Floats, documents: Floats, _: int, /) -> None:
        np.matmul(self.queries, documents.T, out=scores)


class _Distances:
    """q.d - |d|^2 / 2, which falls as the distance grows; float32 [n] `halves` are |d|^2 / 2."""

    share = 0.0

    def __init__(self, queries: Floats, reach: float, halves: Floats) -> None:
        self.queries = queries
        self.halves = halves
        longer = np.maximum(np.linalg.norm(queries.astype(np.float64), axis=1), reach)
        # A settled distance of at most 2 * longer has steps of _SETTLING times that, each of them as much here again.
        self.margin: Floats = (longer * (_ROUNDING * reach + 4 * _SETTLING * longer)).astype(np.float32)

    def fill(self, scores: Floats, documents: Floats, start: int, /) -> None:
        np.matmul(self.queries, documents.T, out=scores)
        scores -= self.halves[start : start + len(documents)]


class _Sums:
    """Minus the sum of |q - d|; faiss may add d terms one after another, each sum wrong by its last bit."""

    share = 0.0

    def __init__(self, queries: Floats, reach: float) -> None:
        self.queries = queries
        largest = np.abs(queries).sum(axis=1, dtype=np.float64) + reach
        self.margin: Floats = ((queries.shape[1] * _LAST_BIT + _SETTLING) * largest).astype(np.float32)

    def fill(self, scores: Floats, documents: Floats, _: int, /) -> None:
        import faiss

        np.negative(faiss.pairwise_distances(self.queries, documents, faiss.METRIC_L1), out=scores)


def _halves(corpus: Corpus) -> Floats:
    """float32 [n]: half the squared length of each scaled document."""
    halves: Floats = np.empty(len(corpus), dtype=np.float32)
    for block in blocks(len(corpus)):
        rows = corpus.scaled[block]
        halves[block] = np.einsum("nd,nd->n", rows, rows, dtype=np.float64) / 2
    return halves
