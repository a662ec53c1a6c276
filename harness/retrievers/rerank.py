"""A retriever whose first documents are read again by a cross-encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.parts import name_of
from harness.pipelines import TwoStage, check_positive
from harness.protocols import Lap, Need, OpenReranker, Reranker, Retriever, VectorSource
from harness.ranking import id_order
from harness.types import Doubles, EvalSet, Floats, HarnessError, Ints


@dataclass(frozen=True)
class Rerank:
    """The first `depth` documents of `first`, ordered by the scores of `reranker` (Nogueira and Cho 2019,
    arXiv:1901.04085); those behind keep the order of `first`.

    The reranker reads the eval set's texts, cut at its own limit.
    """

    first: Retriever
    reranker: Reranker
    depth: int = 50

    def needs(self) -> Sequence[Need]:
        """Those of the first stage."""
        return self.first.needs()

    def prepare(self, evalset: EvalSet, source: VectorSource) -> TwoStage:
        """Prepare the first stage; pairs are scored when a ranking is asked for."""
        check_positive("rerank depth", self.depth)
        names = (name_of(self.first), name_of(self.reranker))
        first, second = self.first.prepare(evalset, source), PairScorer(self.reranker, evalset, source)
        return TwoStage(first, second, self.depth, names, id_order(evalset.documents.ids))


class PairScorer:
    """A reranker over the texts of one eval set; `pairs_per_query` is known after the first scores."""

    def __init__(self, reranker: Reranker, evalset: EvalSet, source: VectorSource) -> None:
        self.reranker = reranker
        self.queries, self.documents = evalset.queries.texts, evalset.documents.texts
        self.source = source
        self.facts: Mapping[str, float] = {}
        self.warnings: tuple[str, ...] = ()

    def score(self, candidates: Ints) -> Doubles:
        """See `Searcher`; all pairs go to the source at once, so that its batches fill."""
        query, column = np.nonzero(candidates >= 0)
        scores = np.full(candidates.shape, -np.inf)
        if len(query):
            asked = [self.queries[i] for i in query]
            read = [self.documents[i] for i in candidates[query, column]]
            scores[query, column] = self._checked(self.source.pairs(self.reranker, asked, read))
        self.facts = {"pairs_per_query": len(query) / max(len(candidates), 1)}
        return scores

    def probe_score(self, query: int, documents: Ints, lap: Lap) -> Doubles:
        """One query's pairs through the loaded model."""
        scores = self._open.score([self.queries[query]] * len(documents), [self.documents[i] for i in documents])
        lap("score")
        return scores.astype(np.float64)

    @cached_property
    def _open(self) -> OpenReranker:
        return self.source.reranking(self.reranker)

    def _checked(self, scores: Floats) -> Floats:
        finite = np.isfinite(scores)
        if not finite.all():
            raise HarnessError(
                f"{int((~finite).sum())} of {len(scores)} scores of the reranker are not finite; the model is broken "
                "at this dtype. Try dtype=float32"
            )
        if len(scores) > 1 and (scores == scores[0]).all():
            self.warnings = ("every pair got the same score, so the ranking is that of document ids",)
        return scores
