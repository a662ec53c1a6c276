"""Search by float64 brute force, and what the tests of the indexes are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.ranking import id_order
from harness.types import Comparison, Ranking
from tests.material import clustered


def none(n: int) -> Any:
    return np.full(n, -1, np.int32)


def names(n: int, seed: int) -> list[str]:
    """Ids whose order as text is neither that of the rows nor that of the numbers."""
    return [f"{'dé𝄞Z'[i % 4]}{i}" for i in np.random.default_rng(seed).permutation(n)]


def exact_scores(query: Any, documents: Any, comparison: Comparison) -> Any:
    """float64 [n], written out and rounded to nine digits behind the first of the largest there can be."""
    wide, wanted = documents.astype(np.float64), query.astype(np.float64)
    if comparison == "dot":
        return np.round(wide @ wanted, 9)
    apart = np.abs(wide - wanted)
    distances = apart.sum(axis=1) if comparison == "manhattan" else np.sqrt((apart**2).sum(axis=1))
    order = 1 if comparison == "manhattan" else 2
    largest = np.linalg.norm(wanted, ord=order) + np.linalg.norm(wide, ord=order, axis=1).max()
    return -np.round(distances, 9 - int(np.log10(largest or 1)))


def by_lexsort(documents: Any, ids: list[str], queries: Any, k: int, excluded: Any, comparison: Comparison) -> Ranking:
    """Every document by rounded score, then id descending; scores and the tie at the cut included."""
    order, found = id_order(ids), []
    for query, barred in zip(queries, excluded, strict=True):
        scores = exact_scores(query, documents, comparison)
        rows = np.lexsort((-order, -scores))
        rows = rows[rows != barred]
        complete = len(rows) <= k or scores[rows[k - 1]] != scores[rows[k]]
        padding = k - len(rows[:k])
        found.append(([*rows[:k], *[-1] * padding], [*scores[rows[:k]], *[-np.inf] * padding], complete))
    return Ranking(*(np.array(column) for column in zip(*found, strict=True)))


def same(a: Ranking, b: Ranking) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def corpus(kind: str, n: int, dim: int) -> Any:
    """float32 [n, dim]: `bits` tie in the hundreds, `copies` are of three rows, `worst first` keep every floor low."""
    draw = np.random.default_rng(n)
    if kind == "bits":
        return np.where(draw.random((n, dim)) < 0.5, np.float32(-1), np.float32(1))
    if kind == "copies":
        return clustered(3, dim, 1)[draw.integers(3, size=n)]
    documents = clustered(n, dim, 1)
    return documents[np.argsort(documents @ clustered(1, dim, 2)[0])] if kind == "worst first" else documents


class OnDemand:
    """`Rows` that are made when asked for and count how many were."""

    def __init__(self, matrix: Any) -> None:
        self.matrix, self.shape = matrix, matrix.shape
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, rows: Any, /) -> Any:
        self.asked.append(len(self.matrix[rows]))
        return self.matrix[rows].copy()
