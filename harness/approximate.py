"""Search in an index of faiss that may miss documents: what it finds is scored again and ranked by our tie rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.corpus import Corpus
from harness.ranking import best, stacked
from harness.types import Comparison, Doubles, Floats, Ints, Ranking

_LEAST = 2  # more than k: one may be excluded, and one shows whether a tie is cut
_SPARE = 30  # more than k where they cost nothing: float32 cannot tell the nearest apart
_BLUR = 4e-6  # over what float32 gets wrong of a score, against the largest


class Approximate:
    """A filled faiss index over a corpus.

    `overhead_bytes` is what it takes beside the vectors. `beam` is how many documents a search in a graph keeps in
    hand; None for lists, where more that are asked for are found in the same ones: then it asks until no tie is cut.
    """

    def __init__(self, corpus: Corpus, index: Any, overhead_bytes: int, beam: int | None = None) -> None:
        self.corpus = corpus
        self.index = index
        self.overhead_bytes = overhead_bytes
        self.beam = beam

    def search(self, queries: Floats, k: int, excluded: Ints) -> Ranking:
        """The k best that faiss finds for each of float32 [q, d] queries; float64 scores, -1 where it finds fewer."""
        directed = self.corpus.directed(queries)
        spare = k + _SPARE if self.beam is None else min(k + _SPARE, self.beam)
        found = self._found(directed, max(k + _LEAST, spare))
        rows = zip(found, queries, directed, excluded, strict=True)
        return stacked([self._ranked(*row, k) for row in rows])

    def _found(self, directed: Floats, asked: int) -> NDArray[np.int64]:
        wider = _kept_in_hand(asked) if self.beam is not None and asked > self.beam else None
        found: NDArray[np.int64] = self.index.search(directed, min(asked, len(self.corpus)), params=wider)[1]
        return found

    def _ranked(self, found: NDArray[np.int64], query: Floats, directed: Floats, barred: int, k: int) -> Ranking:
        candidates = found[(found >= 0) & (found != barred)]
        scores = self.corpus.scores(query, candidates)
        complete = self.beam is not None or found[-1] < 0 or len(found) == len(self.corpus)
        if complete or _spread(scores, k) > _BLUR * self.corpus.largest(query):
            return best(candidates, scores, self.corpus.order, k)
        deeper = self._found(directed[None], 4 * len(found))[0]
        return self._ranked(deeper, query, directed, barred, k)


def _kept_in_hand(documents: int) -> Any:
    import faiss

    library: Any = faiss  # its type stubs leave this class out
    return library.SearchParametersHNSW(efSearch=documents)


def _spread(scores: Doubles, k: int) -> float:
    """How far the last of more than k scores lies under the k-th best."""
    return float(np.partition(scores, -k)[-k] - scores.min())


def metric_of(comparison: Comparison) -> int:
    """The number that faiss has for a comparison."""
    import faiss

    metrics = {"dot": faiss.METRIC_INNER_PRODUCT, "euclidean": faiss.METRIC_L2, "manhattan": faiss.METRIC_L1}
    return int(metrics[comparison])
