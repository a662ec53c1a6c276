"""Exact search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Rows
from harness.ranking import BLOCK_ROWS, best, blocks, check_finite, id_order, settled, stacked
from harness.types import Doubles, Floats, Ints, Ranking

_ROUNDING = 4e-6  # over the error of a float32 product of unit vectors: whatever may reach the k is scored again
_CACHED_SCORES = 2**22  # for a few queries over documents in memory: one product, without a step's fixed cost
_LOWEST = np.finfo(np.float32).min  # under every score but that of an excluded document


@dataclass(frozen=True)
class Flat:
    """Every document compared with every query: blocked float32 products, candidates rescored in float64.

    Scores are rounded (to 1e-9 for unit vectors) and ties rank by document id descending, as trec_eval does, so
    neither `block` (the number of scores held at once) nor the order of documents changes a ranking.
    """

    block: int = 16_000_000

    def build(self, documents: Rows, ids: Sequence[str]) -> BuiltFlat:
        """Index over float32 [n, d] documents; HarnessError if a value is not finite."""
        check_finite(documents, "document")
        return BuiltFlat(documents, id_order(ids), self.block)


class BuiltFlat:
    """documents: float32 [n, d], asked for some thousands at a time; order: `id_order` of their ids."""

    def __init__(self, documents: Rows, order: NDArray[np.int64], block: int) -> None:
        self.documents = documents
        self.order = order
        self.block = block
        self.longest = max(float(np.linalg.norm(documents[b], axis=1).max()) for b in blocks(len(documents)))

    def search(self, queries: Floats, k: int, excluded: Ints) -> Ranking:
        """The k best documents for each of float32 [q, d] queries by inner product (see `BuiltIndex`)."""
        check_finite(queries, "query")
        some = max(1, self.block // max(min(BLOCK_ROWS, len(self.documents)), min(k, len(self.documents))))
        parts = [self._ranked(queries[i : i + some], k, excluded[i : i + some]) for i in range(0, len(queries), some)]
        return stacked([ranking for part in parts for ranking in part])

    def _ranked(self, queries: Floats, k: int, excluded: Ints) -> list[Ranking]:
        """Rankings of queries that share each pass over the documents: fewer where ties leave too much to hold."""
        found = self._candidates(queries, k, excluded)
        if found is not None:
            return [self._rank(query, candidates, k) for query, candidates in zip(queries, found, strict=True)]
        half = len(queries) // 2
        halves = slice(None, half), slice(half, None)
        return [ranking for some in halves for ranking in self._ranked(queries[some], k, excluded[some])]

    def _candidates(self, queries: Floats, k: int, excluded: Ints) -> list[Ints] | None:
        margin = _ROUNDING * np.linalg.norm(queries, axis=1) * self.longest
        pool = _Pool(margin, min(k, len(self.documents)), self.block // 2)
        step = self._step(len(queries))
        room = np.empty(len(queries) * step, dtype=np.float32)
        for start in range(0, len(self.documents), step):
            documents = self.documents[start : start + step]
            scores = room[: len(queries) * len(documents)].reshape(len(queries), -1)
            np.matmul(queries, documents.T, out=scores)
            barred = np.flatnonzero((excluded >= start) & (excluded < start + len(documents)))
            scores[barred, excluded[barred] - start] = -np.inf
            pool.add(scores, start)
            if pool.size > self.block and len(queries) > 1:
                return None
        return pool.candidates()

    def _step(self, queries: int) -> int:
        """Documents at a time: what has to be made first comes in small blocks, what is there fills a cache."""
        held = _CACHED_SCORES // queries if isinstance(self.documents, np.ndarray) else 0
        return min(max(BLOCK_ROWS, held), max(1, self.block // queries), len(self.documents))

    def _rank(self, query: Floats, candidates: Ints, k: int) -> Ranking:
        exact: Doubles = np.empty(len(candidates))
        for block in blocks(len(candidates)):
            exact[block] = self.documents[candidates[block]].astype(np.float64) @ query.astype(np.float64)
        largest = float(np.linalg.norm(query)) * self.longest
        return best(candidates, settled(exact, largest), self.order, k)


class _Hits(NamedTuple):
    """Parallel arrays, by query: the query's position, the document's position, their float32 score."""

    query: Ints
    document: Ints
    score: Floats


class _Pool:
    """Whatever may still be among the k best of each query.

    A query's floor is the k-th best of its scores so far, less what float32 may have got wrong: float32 [q] `margin`.
    It only rises, so what lies under it at any time is never wanted again. `size` counts the documents held; they are
    looked through again when there are more than `limit`, and then whenever they have doubled.
    """

    def __init__(self, margin: Floats, k: int, limit: int) -> None:
        self.margin = margin
        self.k = k
        self.floor: Floats = np.full(len(margin), _LOWEST, dtype=np.float32)
        self.top: Floats = np.empty((len(margin), 0), dtype=np.float32)
        self.hits: list[_Hits] = []
        self.size = 0
        self.limit = limit

    def add(self, scores: Floats, start: int) -> None:
        """Take what reaches the floor from float32 [q, b] scores of the documents from position `start` on."""
        if not self.hits:
            self._rise(scores)
        at = np.flatnonzero(scores >= self.floor[:, None])
        query, document = np.divmod(at, scores.shape[1])
        hits = _Hits(query.astype(np.int32), (document + start).astype(np.int32), scores.reshape(-1)[at])
        if self.hits and len(at):
            self._rise(self._table(hits))
        self.hits.append(hits)
        self.size += len(at)
        if self.size > self.limit:
            self._prune()
            self.limit = max(self.limit, 2 * self.size)

    def candidates(self) -> list[Ints]:
        """The documents that reach the final floor, one int32 array a query, by position."""
        if len(self.hits) > 1:
            self._prune()
        hits = self.hits[0]
        order = np.argsort(hits.query, kind="stable")
        ends = np.cumsum(np.bincount(hits.query, minlength=len(self.floor)))
        documents = hits.document[order]
        return [documents[start:end] for start, end in pairwise([0, *ends])]

    def _rise(self, scores: Floats) -> None:
        known = np.concatenate([self.top, scores], axis=1) if self.top.size else scores
        if known.shape[1] < self.k:
            self.top = known.copy()
            return
        self.top = np.partition(known, -self.k, axis=1)[:, -self.k :].copy()
        self.floor = np.maximum(self.top[:, 0] - self.margin, _LOWEST)

    def _table(self, hits: _Hits) -> Floats:
        """Scores of hits as one row a query, padded with -inf."""
        counts = np.bincount(hits.query, minlength=len(self.floor))
        column = np.arange(len(hits.query)) - np.repeat(np.cumsum(counts) - counts, counts)
        table: Floats = np.full((len(counts), counts.max()), -np.inf, dtype=np.float32)
        table[hits.query, column] = hits.score
        return table

    def _prune(self) -> None:
        query, document, score = (np.concatenate(column) for column in zip(*self.hits, strict=True))
        kept = score >= self.floor[query]
        self.hits = [_Hits(query[kept], document[kept], score[kept])]
        self.size = int(kept.sum())
