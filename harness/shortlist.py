"""Whatever may still be among the k best, gathered from approximate scores that come a block at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from harness.types import Floats, Ints

_GROUPS = 2.5  # for each document wanted
_MEMBERS = 4  # of a group at least, or it saves nothing
_LOWEST = np.finfo(np.float32).min  # under every score but that of an excluded document


class _Hits(NamedTuple):
    """Parallel arrays, by query: the query's position, the document's position, their float32 score."""

    query: Ints
    document: Ints
    score: Floats


class Shortlist:
    """The documents that each of some queries must be compared with exactly.

    A query's floor is the k-th best of its scores so far, less what these may have got wrong: float32 [q] `margin`, and
    `share` of that score.
    It only rises, so what lies under it at any time is never wanted again. `size` counts the documents held; they are
    looked through again when there are more than `limit`, and then whenever they have doubled.
    """

    def __init__(self, margin: Floats, k: int, limit: int, share: float = 0.0) -> None:
        self.margin = margin
        self.share = share
        self.k = k
        self.floor: Floats = np.full(len(margin), _LOWEST, dtype=np.float32)
        self.top: Floats = np.empty((len(margin), 0), dtype=np.float32)
        self.hits: list[_Hits] = []
        self.size = 0
        self.limit = limit

    def add(self, scores: Floats, start: int) -> None:
        """Take what reaches the floor from float32 [q, b] scores of the documents from position `start` on."""
        first = not self.hits
        if first:
            self._rise(_peaks(scores, self.k))
        at = np.flatnonzero(scores >= self.floor[:, None])
        query, document = np.divmod(at, scores.shape[1])
        hits = _Hits(query.astype(np.int32), (document + start).astype(np.int32), scores.reshape(-1)[at])
        if first:
            self.top = self.top[:, :0]  # peaks are among the hits
        if len(at):
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
        worst = self.top[:, 0]
        slack = self.margin + np.float32(self.share) * np.abs(worst) if self.share else self.margin
        self.floor = np.maximum(worst - slack, _LOWEST)

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


def _peaks(scores: Floats, k: int) -> Floats:
    """float32 [q, g]: the best of each of g groups of documents, so many that the k-th of them is near the k-th best.

    All scores where they are few. That costs one pass instead of a partition.
    """
    groups = int(_GROUPS * k) + 1
    members = scores.shape[1] // groups
    if members < _MEMBERS:
        return scores
    peaks: Floats = scores[:, : groups * members].reshape(len(scores), members, groups).max(axis=1)
    return peaks
