"""Ranking a corpus for queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.protocols import Metric, Searcher
from harness.ranking import judge, tie_bounds
from harness.types import Doubles, EvalSet, Evaluation, HarnessError, Judged, Ranking

_TOP = 10


@dataclass(frozen=True)
class Retrieval:
    """Scores each query that has a relevant document; the first metric is the main one.

    A judged query without a result scores 0 and stays in the mean; a query without a relevant document is left out
    and counted. With `exclude_self` the query's own document is gone before the cut. Records keep the first `kept`
    documents of each query.
    """

    metrics: tuple[Metric, ...]
    kept: int = _TOP

    def evaluate(self, evalset: EvalSet, searcher: Searcher) -> Evaluation:
        """Rank to the deepest cut-off and score; HarnessError where no query has a relevant document."""
        ranking = searcher.rank(max(self.kept, *(_depth(m) for m in self.metrics)))
        judged = judge(ranking, evalset.qrels)
        if not len(judged.query):
            raise HarnessError(f"{evalset.name}: no query has a relevant document, so there is nothing to score")
        per_query = {m.key: m.score(judged) for m in self.metrics}
        ids = tuple(evalset.queries.ids[i] for i in judged.query)
        top = ranking.documents[:, : self.kept]
        others = np.setdiff1d(np.arange(len(evalset.queries)), judged.query)
        unscored = tuple(evalset.queries.ids[i] for i in others), top[others]
        facts = {**searcher.facts, **_counts(evalset, judged), **self._ties(ranking, judged, per_query)}
        return Evaluation(self.metrics[0].key, ids, per_query, top[judged.query], facts, searcher.warnings, unscored)

    def _ties(self, ranking: Ranking, judged: Judged, per_query: Mapping[str, Doubles]) -> Mapping[str, float]:
        main = self.metrics[0]
        lowest, highest = tie_bounds(main, ranking, judged)
        actual = per_query[main.key]
        tied = int(((highest - lowest) > 1e-12).sum())
        return {
            "tied_queries": tied,
            "tie_lowest": float(np.minimum(lowest, actual).mean()),
            "tie_highest": float(np.maximum(highest, actual).mean()),
        }


def _depth(metric: Metric) -> int:
    k = int(getattr(metric, "k", 1))
    if k < 1:
        raise HarnessError(f"{metric.key}: k={k} must be at least 1")
    return max(k, int(getattr(metric, "depth", 0)))


def _counts(evalset: EvalSet, judged: Judged) -> Mapping[str, float]:
    return {
        "queries": len(judged.query),
        "queries_left_out": len(evalset.queries) - len(judged.query),
        "queries_without_result": int((~judged.found.any(axis=1)).sum()),
        "documents": len(evalset.documents),
    }
