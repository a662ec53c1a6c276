"""Texts as the vectors of their tokens, and how well one text's tokens are met by another's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.ranking import blocks
from harness.types import Doubles, HarnessError, Vectors

_PRODUCTS = 2**22  # of tokens held at once: they stay in a CPU's cache until their maximum is taken


class TokenRows:
    """Float [rows, d] vectors; those of text i are `rows[starts[i] : starts[i + 1]]`, at least one."""

    def __init__(self, rows: NDArray[Any], starts: NDArray[np.int64]) -> None:
        self.rows = rows
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def between(self, texts: slice) -> TokenRows:
        """Texts that lie side by side, without a copy of their rows."""
        starts = self.starts[texts.start : texts.stop + 1]
        return TokenRows(self.rows[starts[0] : starts[-1]], starts - starts[0])

    def chosen(self, texts: NDArray[np.integer], dtype: type[np.floating[Any]] = np.float32) -> TokenRows:
        """Any texts in any order, as a copy."""
        counts = np.diff(self.starts)[texts]
        starts = np.concatenate([[0], np.cumsum(counts)])
        place = np.arange(starts[-1]) + np.repeat(self.starts[texts] - starts[:-1], counts)
        return TokenRows(self.rows[place].astype(dtype, copy=False), starts)

    def batches(self, tokens: int, texts: NDArray[np.integer] | None = None) -> Iterator[slice]:
        """All texts, or some, in order: so many at a time as have at most so many tokens, and never none."""
        starts = self.starts if texts is None else np.concatenate([[0], np.cumsum(np.diff(self.starts)[texts])])
        start = 0
        while start < len(starts) - 1:
            fits = int(np.searchsorted(starts, starts[start] + tokens, side="right")) - 1
            stop = max(start + 1, fits)
            yield slice(start, stop)
            start = stop

    def norms(self) -> Doubles:
        """float64 [rows], the length of each vector."""
        found: Doubles = np.empty(len(self.rows))
        for block in blocks(len(self.rows)):
            found[block] = np.linalg.norm(self.rows[block].astype(np.float64), axis=1)
        return found


def token_rows(vectors: Vectors) -> TokenRows:
    """The vectors of a model that gives one for each token; HarnessError for a text without any."""
    counts = np.ones(len(vectors.tokens), dtype=np.int32) if vectors.counts is None else vectors.counts
    if len(counts) and counts.min() < 1:
        raise HarnessError(f"{int((counts < 1).sum())} of {len(counts)} texts have no token vector")
    return TokenRows(vectors.rows, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


def maxsim(queries: TokenRows, documents: TokenRows) -> NDArray[Any]:
    """[q, n] scores in the type of the queries: over a query's tokens the sum of the largest inner product each has
    with a token of the document.
    """
    scores = np.empty((len(queries), len(documents)), dtype=queries.rows.dtype)
    tokens = max(1, _PRODUCTS // max(1, len(queries.rows)))
    room = np.empty(0, dtype=queries.rows.dtype)
    for some in documents.batches(tokens):
        part = documents.between(some)
        held = len(queries.rows) * len(part.rows)
        room = room if len(room) >= held else np.empty(held, dtype=queries.rows.dtype)
        products = room[:held].reshape(len(queries.rows), -1)
        np.matmul(queries.rows, part.rows.T, out=products)
        largest = np.maximum.reduceat(products, part.starts[:-1], axis=1)
        scores[:, some] = np.add.reduceat(largest, queries.starts[:-1], axis=0, dtype=np.float64)
    return scores
