"""Documents under a comparison: what an index scores exactly, and the scale at which float32 can search them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.protocols import Rows
from harness.ranking import best, blocks, check_finite, id_order, settled
from harness.types import Comparison, Doubles, Floats, Ints, Ranking

_EVEN = 1e6  # norms between its inverse and this have squares that float32 holds with all their digits
_FAR = 1e17  # so far from documents of such norms all distances are equal after rounding; float32 holds its square


def nearness(query: Floats, documents: Floats, comparison: Comparison) -> Doubles:
    """float64 [c], higher is nearer: inner products of [d] and [c, d], or their distances negated."""
    wide, wanted = documents.astype(np.float64), query.astype(np.float64)
    if comparison == "dot":
        products: Doubles = wide @ wanted
        return products
    wide -= wanted
    distances: Doubles = np.sqrt(np.einsum("cd,cd->c", wide, wide)) if comparison == "euclidean" else _sums(wide)
    return 0.0 - distances  # a bare minus would give -0.0


class Corpus:
    """Float32 [n, d] documents and the tie rule over them; HarnessError if a value is not finite.

    `scaled` are the same rows with the longest of a length that float32 arithmetic can square, times a power of two
    where needed, which loses nothing; `reach` is that length (L1 for manhattan, else L2).
    """

    def __init__(self, documents: Rows, ids: Sequence[str], comparison: Comparison) -> None:
        check_finite(documents, "document")
        self.documents = documents
        self.comparison = comparison
        self.order: NDArray[np.int64] = id_order(ids)
        self.longest = max(float(_lengths(documents[block], comparison).max()) for block in blocks(len(documents)))
        even = self.longest == 0 or 1 / _EVEN < self.longest < _EVEN
        self._exponent = 0 if even else -round(np.log2(self.longest))
        self.scaled: Rows = documents if even else _Scaled(documents, self._exponent)
        self.reach = float(np.ldexp(self.longest, self._exponent))

    def __len__(self) -> int:
        return len(self.documents)

    def directed(self, queries: Floats) -> Floats:
        """float32 [q, d] queries that rank the `scaled` rows as the given ones do; for dot their length is 1.

        HarnessError if a value is not finite.
        """
        check_finite(queries, "query")
        wide = queries.astype(np.float64)
        if self.comparison == "dot":
            lengths = _lengths(queries, "dot")[:, None]
            return np.asarray(wide / np.where(lengths == 0, 1, lengths), dtype=np.float32)
        return np.asarray(np.clip(np.ldexp(wide, self._exponent), -_FAR, _FAR), dtype=np.float32)

    def scores(self, query: Floats, candidates: NDArray[np.integer]) -> Doubles:
        """float64 [c] scores of int [c] documents for one query as given, rounded so that copies tie."""
        exact: Doubles = np.empty(len(candidates))
        for block in blocks(len(candidates)):
            exact[block] = nearness(query, self.documents[candidates[block]], self.comparison)
        return settled(exact, self.largest(query))

    def largest(self, query: Floats) -> float:
        """The largest magnitude that a score of this query can have."""
        length = float(_lengths(query[None], self.comparison)[0])
        return length * self.longest if self.comparison == "dot" else length + self.longest

    def rank(self, query: Floats, candidates: Ints, k: int) -> Ranking:
        """The k best of int32 [c] candidates, without the query axis."""
        return best(candidates, self.scores(query, candidates), self.order, k)


class _Scaled:
    """`Rows` times two to the power of `exponent`."""

    def __init__(self, rows: Rows, exponent: int) -> None:
        self.rows = rows
        self.exponent = exponent
        self.shape = rows.shape

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | NDArray[np.integer], /) -> Floats:
        return np.ldexp(self.rows[rows], self.exponent)


def _lengths(rows: Floats, comparison: Comparison) -> Doubles:
    """float64 [n] norms of float32 [n, d] rows."""
    if comparison == "manhattan":
        return _sums(rows)
    lengths: Doubles = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    return lengths


def _sums(rows: Floats | Doubles) -> Doubles:
    sums: Doubles = np.abs(rows).sum(axis=1, dtype=np.float64)
    return sums
