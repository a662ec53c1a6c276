"""A retriever whose first documents are read again by a cross-encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.parts import name_of
from harness.pipelines import TwoStage, check_positive
from harness.protocols import Lap, Need, OpenReranker, PairCounting, Reranker, Retriever, VectorSource
from harness.ranking import id_order
from harness.types import Doubles, EvalSet, Floats, HarnessError, Inapplicable, Ints

_COUNTED = 256  # pairs: a share is then within about 6 points, and counting takes under a second


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
    """A reranker over the texts of one eval set.

    Known after the first scores: `pairs_per_query`, and of a reranker that counts, `pairs_cut` and `pair_tokens_cut`,
    the shares of pairs and of their tokens beyond its limit, over a sample of the pairs.
    """

    def __init__(self, reranker: Reranker, evalset: EvalSet, source: VectorSource) -> None:
        self.reranker = reranker
        self.queries, self.documents = evalset.queries.texts, evalset.documents.texts
        self.source = source
        self.facts: Mapping[str, float] = {}
        self.overridden = tuple(reranker.overridden()) if isinstance(reranker, PairCounting) else ()
        self.warnings: tuple[str, ...] = self.overridden

    def score(self, candidates: Ints) -> Doubles:
        """See `Searcher`; all pairs go to the source at once, so that its batches fill."""
        query, column = np.nonzero(candidates >= 0)
        scores = np.full(candidates.shape, -np.inf)
        self.facts, self.warnings = {"pairs_per_query": len(query) / max(len(candidates), 1)}, self.overridden
        if len(query):
            asked = [self.queries[i] for i in query]
            read = [self.documents[i] for i in candidates[query, column]]
            scores[query, column] = self._checked(self.source.pairs(self.reranker, asked, read))
            self._tell_cut(asked, read)
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
            self.warnings += ("every pair got the same score, so the ranking is that of document ids",)
        return scores

    def _tell_cut(self, asked: Sequence[str], read: Sequence[str]) -> None:
        if not isinstance(self.reranker, PairCounting) or not (limit := self.reranker.limit()):
            return
        rows = _sampled(len(asked))
        try:
            full = self.reranker.pair_tokens([asked[i] for i in rows], [read[i] for i in rows])
        except Inapplicable:
            return
        pairs, tokens = float((full > limit).mean()), float(np.maximum(full - limit, 0).sum() / max(full.sum(), 1))
        self.facts = {**self.facts, "pairs_cut": pairs, "pair_tokens_cut": tokens}
        if pairs:
            sample = f" (in a sample of {len(rows)} of {len(asked)} pairs)" if len(rows) < len(asked) else ""
            self.warnings += (
                f"{pairs:.1%} of pairs are longer than the reranker's limit of {limit} tokens; {tokens:.1%} of all "
                f"tokens were cut{sample}",
            )


def _sampled(total: int) -> list[int]:
    """Ascending positions, one drawn from each of `_COUNTED` equal stretches; all where there are no more.

    Drawn and not at even steps: a step that is a multiple of the depth would see one rank of every query alone.
    """
    edges = np.arange(min(total, _COUNTED) + 1) * total // min(total, _COUNTED)
    return [int(i) for i in np.random.default_rng(0).integers(edges[:-1], edges[1:])]
