"""Exact search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.ranking import best, check_finite, id_order, settled, stacked
from harness.types import Floats, Ints, Ranking

_ROUNDING = 4e-6  # over the error of a float32 product of unit vectors: whatever may reach the k is scored again


@dataclass(frozen=True)
class Flat:
    """Every document compared with every query: blocked float32 products, candidates rescored in float64.

    Scores are rounded (to 1e-9 for unit vectors) and ties rank by document id descending, as trec_eval does, so
    neither `block` (the number of scores held at once) nor the order of documents changes a ranking.
    """

    block: int = 16_000_000

    def build(self, documents: Floats, ids: Sequence[str]) -> BuiltFlat:
        """Index over float32 [n, d] documents; HarnessError if a value is not finite."""
        check_finite(documents, "document")
        return BuiltFlat(documents, id_order(ids), self.block)


class BuiltFlat:
    """documents: float32 [n, d]; order: `id_order` of their ids."""

    def __init__(self, documents: Floats, order: NDArray[np.int64], block: int) -> None:
        self.documents = documents
        self.order = order
        self.block = block
        self.longest = float(np.linalg.norm(documents, axis=1).max())

    def search(self, queries: Floats, k: int, excluded: Ints) -> Ranking:
        """The k best documents for each of float32 [q, d] queries by inner product (see `BuiltIndex`)."""
        check_finite(queries, "query")
        rows = max(1, self.block // len(self.documents))
        parts = [self._block(queries[i : i + rows], k, excluded[i : i + rows]) for i in range(0, len(queries), rows)]
        return stacked([ranking for part in parts for ranking in part])

    def _block(self, queries: Floats, k: int, excluded: Ints) -> list[Ranking]:
        scores = queries @ self.documents.T
        barred = np.flatnonzero(excluded >= 0)
        scores[barred, excluded[barred]] = -np.inf
        last = scores.shape[1] - min(k, scores.shape[1])
        kth = np.partition(scores, last, axis=1)[:, last]
        floor = kth - _ROUNDING * np.linalg.norm(queries, axis=1) * self.longest
        return [self._rank(queries[i], scores[i], float(floor[i]), k) for i in range(len(queries))]

    def _rank(self, query: Floats, scores: Floats, floor: float, k: int) -> Ranking:
        candidates = np.flatnonzero((scores >= floor) & (scores > -np.inf))
        exact = self.documents[candidates].astype(np.float64) @ query.astype(np.float64)
        largest = float(np.linalg.norm(query)) * self.longest
        return best(candidates, settled(exact, largest), self.order, k)
