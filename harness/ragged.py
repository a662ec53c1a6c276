"""Texts with several rows each (a vector a token, weights of terms), kept in a shelf and served as a text's rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.shelf import Keys, Shelf
from harness.types import Ints, Vectors

HEAD = -1  # stands for `full_tokens` of the row that only says how many rows a text has


class Ragged(Shelf):
    """A shelf of texts that have any number of rows, at least one.

    A text's key holds a row of zeros whose first token count is the number of its rows; the keys of the rows follow
    it, so they lie side by side on disk. All are written in one shard: a text is there as a whole or not at all.
    """

    def load(self, keys: Keys) -> Vectors:
        """float32 [rows, d], the rows of the first key first, with their counts; Incomplete as for any shelf."""
        index = self._fresh()
        counts = index.tokens[self._places(index, keys), 0]
        found = self._loaded(index, _row_keys(keys, counts))
        first = np.cumsum(counts) - counts
        return Vectors(found.rows, found.tokens[first], found.full_tokens[first], counts)

    def append(self, keys: Keys, vectors: Vectors, origin: str = "") -> None:
        """One new shard with the rows that `vectors.counts` gives each key; one each where it is None."""
        counts = np.ones(len(keys), dtype=np.int32) if vectors.counts is None else vectors.counts
        heads = np.zeros((len(keys), vectors.rows.shape[1]), dtype=np.float32)
        tokens = np.concatenate([counts, np.repeat(vectors.tokens, counts)])
        full = np.concatenate([np.full_like(counts, HEAD), np.repeat(vectors.full_tokens, counts)])
        rows = Vectors(np.concatenate([heads, vectors.rows]), tokens, full)
        super().append(np.concatenate([keys, _row_keys(keys, counts)]), rows, origin)


def chosen(vectors: Vectors, texts: NDArray[np.int64]) -> Vectors:
    """The vectors of some texts, by position and in that order."""
    tokens, full, counts = vectors.tokens[texts], vectors.full_tokens[texts], vectors.counts
    if counts is None:
        return Vectors(vectors.rows[texts], tokens, full)
    starts, own = np.cumsum(counts) - counts, counts[texts]
    return Vectors(vectors.rows[np.repeat(starts[texts], own) + _within(own)], tokens, full, own)


def _row_keys(keys: Keys, counts: Ints) -> Keys:
    """The key of each row: that of its text plus 1, 2, 3 in its first half, which no other text's key is near."""
    halves = np.repeat(np.ascontiguousarray(keys, dtype="S16").view(">u8").reshape(-1, 2), counts, axis=0)
    halves[:, 0] += (_within(counts) + 1).astype(np.uint64)
    return halves.view("S16").reshape(-1)


def _within(counts: Ints) -> NDArray[np.int64]:
    """0, 1, 2 ... for each text anew."""
    total = np.cumsum(counts, dtype=np.int64)
    return np.arange(total[-1] if len(total) else 0) - np.repeat(total - counts, counts)
