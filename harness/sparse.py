"""Weights of terms as rows of one width, so that a store of vectors holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.types import Floats, HarnessError, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_TERMS = 64  # in a row: their ids as floats, then their weights
_LARGEST = 2**24  # float32 holds whole numbers up to here


def packed(matrix: csr_array) -> tuple[Floats, Ints]:
    """float32 [r, 128] rows and int32 [n] rows of each text from the term weights [n, V] of n texts.

    A row holds 64 term ids, ascending through a text's rows, then their weights; weight 0 fills up. A text without a
    term has one such row. HarnessError for a weight that is negative or not finite, or more than 2^24 terms.
    """
    weights = matrix.tocsr().astype(np.float32)
    weights.sum_duplicates()
    weights.eliminate_zeros()
    if not np.isfinite(weights.data).all() or (weights.data < 0).any() or weights.shape[1] > _LARGEST:
        raise HarnessError(
            "the model gives term weights that are negative or not finite, or more terms than 2^24: it is no sparse "
            "model, or broken at this dtype. Try dtype=float32"
        )
    terms = np.diff(weights.indptr)
    counts = np.maximum(1, -(-terms // _TERMS)).astype(np.int32)
    text = np.repeat(np.arange(len(terms)), terms)
    place = np.arange(len(text)) - weights.indptr[text] + _TERMS * (np.cumsum(counts) - counts)[text]
    rows = np.zeros((int(counts.sum()), 2, _TERMS), dtype=np.float32)
    rows[place // _TERMS, 0, place % _TERMS] = weights.indices
    rows[place // _TERMS, 1, place % _TERMS] = weights.data
    return rows.reshape(-1, 2 * _TERMS), counts


def unpacked(rows: Floats, counts: Ints, width: int) -> csr_array:
    """The term weights float32 [n, width] that `packed` put into float32 [r, 128] rows, `counts` of them a text.

    HarnessError where the rows are no such thing: an id that is no whole number below `width`, or out of order.
    """
    from scipy.sparse import csr_array

    ids, weights = rows.reshape(-1, 2, _TERMS).transpose(1, 0, 2)
    used = weights > 0
    terms = np.bincount(np.repeat(np.arange(len(counts)), counts), used.sum(axis=1), minlength=len(counts))
    starts = np.concatenate([[0], np.cumsum(terms)]).astype(np.int64)
    found = ids[used]
    ascending = np.diff(found) > 0
    ascending[starts[1:-1][(starts[1:-1] > 0) & (starts[1:-1] < len(found))] - 1] = True
    if not (ascending.all() and (found == np.floor(found)).all() and found.max(initial=0) < width):
        raise HarnessError("stored term weights are damaged: their ids are no ascending whole numbers")
    return csr_array((weights[used], found.astype(np.int32), starts), shape=(len(counts), width))


def width_of(*sides: Floats) -> int:
    """One more than the largest term id in any of the packed rows, the least `width` that holds them all."""
    return 1 + max(int(rows[:, :_TERMS].max(initial=0)) for rows in sides)
